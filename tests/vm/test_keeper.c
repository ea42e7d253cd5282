/* SPDX-License-Identifier: Apache-2.0 */
/* The empty VM that stays where others come and go: when it comes, when it gives way. */
#include <dirent.h>
#include <stdio.h>
#include <sys/resource.h>
#include <unistd.h>

#include "vm.h"

/* Those that this process holds. */
static int vms(void)
{
    DIR *dir = opendir("/proc/self/fd");
    struct dirent *entry;
    char to[64];
    ssize_t length;
    int n = 0;

    CHECK(dir);
    while ((entry = readdir(dir))) {
        length = readlinkat(dirfd(dir), entry->d_name, to, sizeof to - 1);
        to[length > 0 ? length : 0] = 0;
        n += !strcmp(to, "anon_inode:kvm-vm");
    }
    closedir(dir);
    return n;
}

static hl_sandbox *box_without_idle_vms(void)
{
    vm_needs_kvm();
    hl_cache_limit(0);
    return vm_box("simple", NULL, NULL);
}

TEST(keeper_comes_with_the_second_life)
{
    hl_sandbox *box = box_without_idle_vms(), *other;

    CHECK_INT(vms(), 1);
    hl_sandbox_destroy(box);
    CHECK_INT(vms(), 0);
    CHECK_INT(hl_hypervisor_probe(HL_HYPERVISOR_KVM, NULL), HL_OK);
    CHECK_INT(vms(), 0);
    box = vm_box("simple", NULL, NULL);
    CHECK_INT(vms(), 2);
    other = vm_box("simple", NULL, NULL); /* one is enough for all */
    CHECK_INT(vms(), 3);
    CHECK_INT(vm_call(other, "Count", NONE).as.i32, 1);
    hl_sandbox_destroy(other);
    hl_sandbox_destroy(box);
    CHECK_INT(vms(), 1);
}

TEST(keeper_is_not_needed_beside_others)
{
    hl_sandbox *box = box_without_idle_vms(), *other;

    other = vm_box("simple", NULL, NULL);
    hl_sandbox_destroy(box);
    box = vm_box("simple", NULL, NULL);
    CHECK_INT(vms(), 2);
    hl_sandbox_destroy(other);
    hl_sandbox_destroy(box);
    CHECK_INT(vms(), 0);
}

static hl_sandbox *second_life(void)
{
    hl_sandbox_destroy(box_without_idle_vms());
    return vm_box("simple", NULL, NULL);
}

TEST(keeper_goes_with_a_trim)
{
    hl_sandbox *box = second_life();

    hl_cache_trim(1);
    CHECK_INT(vms(), 2);
    hl_cache_trim(0);
    CHECK_INT(vms(), 1);
    hl_sandbox_destroy(box);
    CHECK_INT(vms(), 0);
    box = vm_box("simple", NULL, NULL);
    CHECK_INT(vms(), 2);
    hl_sandbox_destroy(box);
}

static hl_sandbox *box_within(rlim_t descriptors, const hl_guest *guest)
{
    struct rlimit whole, few;
    hl_sandbox *box;
    hl_error err;

    getrlimit(RLIMIT_NOFILE, &whole);
    few = (struct rlimit){descriptors, whole.rlim_max};
    CHECK_INT(setrlimit(RLIMIT_NOFILE, &few), 0);
    if (hl_sandbox_create(&box, guest, NULL, NULL, &err))
        CHECK_INT(err.status, HL_E_SYSTEM);
    CHECK_INT(setrlimit(RLIMIT_NOFILE, &whole), 0);
    return box;
}

/* With the fewest descriptors that a VM can be made with, there are none for both. */
TEST(keeper_gives_way)
{
    hl_sandbox *box = box_without_idle_vms();
    hl_guest *guest = vm_guest("simple");
    rlim_t n = 3;

    hl_sandbox_destroy(box);
    for (box = NULL; !box && n < 40; n++) {
        hl_sandbox_destroy(box_within(1000, guest));
        hl_sandbox_destroy(box_within(1000, guest));
        CHECK_INT(vms(), 1);
        box = box_within(n, guest);
    }
    CHECK_INT(vms(), 1);
    CHECK_INT(vm_call(box, "Count", NONE).as.i32, 1);
    hl_sandbox_destroy(box);
    hl_guest_release(guest);
}
