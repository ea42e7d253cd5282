/* SPDX-License-Identifier: Apache-2.0 */
/* No hypervisor, no permission, no descriptors: the error says what to do. */
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <linux/kvm.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "vm.h"

/* Both ways of asking fail alike, and the text names what it should. */
static void unusable(hl_status wanted, const char *text)
{
    hl_guest *guest;
    hl_sandbox *box;
    hl_error err;

    CHECK_INT(hl_guest_open(&guest, test_guest("simple"), &err), HL_OK);
    CHECK_INT(hl_sandbox_create(&box, guest, NULL, NULL, &err), wanted);
    CHECK(!box);
    CHECK_HAS(err.text, text);
    hl_guest_release(guest);
}

TEST(probe_says_what_is_usable)
{
    int before = dup(0), after;
    struct sigaction action;
    hl_error err;

    vm_needs_kvm();
    if (hl_hypervisor_probe(HL_HYPERVISOR_ANY, &err))
        test_skip("%s", err.text);
    CHECK_STR(err.text, "ok");
    CHECK_INT(hl_hypervisor_probe(HL_HYPERVISOR_KVM, NULL), HL_OK);
    CHECK_INT(hl_hypervisor_probe((hl_hypervisor)99, &err), HL_E_INVALID);
    CHECK_STR(err.text, "hypervisor 99, wanted 0 (any), 1 (kvm) or 2 (process)");
    CHECK_STR(hl_hypervisor_name(HL_HYPERVISOR_KVM), "kvm");
    CHECK_STR(hl_hypervisor_name(HL_HYPERVISOR_ANY), "any");
    CHECK_STR(hl_hypervisor_name((hl_hypervisor)99), "?");
    close(before);
    after = dup(0);
    CHECK_INT(after, before); /* nothing was leaked, and no signal claimed */
    CHECK_INT(sigaction(SIGSTKFLT, NULL, &action), 0);
    CHECK(action.sa_handler == SIG_DFL);
}

TEST(probe_without_a_device)
{
    hl_error err;

    vm_needs_kvm();
    if (unshare(CLONE_NEWNS) || mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL) ||
        mount("none", "/dev", "tmpfs", 0, NULL))
        test_skip("hiding /dev: %s", strerror(errno));
    CHECK_INT(hl_hypervisor_probe(HL_HYPERVISOR_ANY, &err), HL_E_NO_HYPERVISOR);
    CHECK_HAS(err.text, "/dev/kvm does not exist: load the module");
    CHECK_HAS(err.text, "nested virtualization");
    unusable(HL_E_NO_HYPERVISOR, "/dev/kvm does not exist");
}

/* A device of its own, which opens for nobody, in a /dev of its own; then the
 * error of one who is neither root nor in its group. */
static void refused(hl_error *err, gid_t group, mode_t mode)
{
    const gid_t groups[] = {65534, 65533};

    vm_needs_kvm();
    if (unshare(CLONE_NEWNS) || mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL) ||
        mount("none", "/dev", "tmpfs", 0, NULL))
        test_skip("a /dev of its own: %s", strerror(errno));
    CHECK(!mknod("/dev/kvm", S_IFCHR | 0600, 0) && !chown("/dev/kvm", 0, group));
    CHECK(!chmod("/dev/kvm", mode) && !setgroups(2, groups));
    CHECK(!setresgid(65534, 65534, 65534) && !setresuid(65534, 65534, 65534));
    CHECK_INT(hl_hypervisor_probe(HL_HYPERVISOR_KVM, err), HL_E_NO_HYPERVISOR);
}

/* A group as messages name it: not every system has the same ones. */
static const char *group(gid_t gid)
{
    static char names[3][64];
    static int next;
    char *name = names[next++ % 3];
    const struct group *entry = getgrgid(gid);

    snprintf(name, sizeof names[0], "%u", (unsigned)gid);
    if (entry)
        snprintf(name, sizeof names[0], "%s", entry->gr_name);
    return name;
}

TEST(probe_without_permission)
{
    char wanted[512];
    hl_error err;

    snprintf(wanted, sizeof wanted,
             "/dev/kvm: permission denied; it belongs to group %s, mode 660, this process has "
             "groups: %s, %s; run `sudo usermod -aG %s $USER` and log in again",
             group(7), group(65533), group(65534), group(7));
    refused(&err, 7, 0660);
    CHECK_STR(err.text, wanted);
}

#define OTHER_GROUP \
    "run `sudo groupadd -fr kvm; sudo chgrp kvm /dev/kvm; sudo chmod 660 /dev/kvm; sudo usermod " \
    "-aG kvm $USER` and log in again"

/* Nobody is told to join the group of root, nor one that may not open it. */
TEST(probe_without_permission_of_roots_group)
{
    char wanted[128];
    hl_error err;

    snprintf(wanted, sizeof wanted, "it belongs to group %s, mode 660, this process", group(0));
    refused(&err, 0, 0660);
    CHECK_HAS(err.text, wanted);
    CHECK_HAS(err.text, OTHER_GROUP);
}

TEST(probe_without_permission_of_any_group)
{
    char wanted[128];
    hl_error err;

    snprintf(wanted, sizeof wanted, "it belongs to group %s, mode 600, this process", group(7));
    refused(&err, 7, 0600);
    CHECK_HAS(err.text, wanted);
    CHECK_HAS(err.text, OTHER_GROUP);
}

TEST(probe_without_permission_of_root)
{
    hl_error err;

    vm_needs_kvm();
    if (geteuid() || access("/dev/kvm", F_OK))
        test_skip("root and a device");
    vm_refuse(SYS_openat, 2, O_RDWR | O_CLOEXEC, EPERM);
    CHECK_INT(hl_hypervisor_probe(HL_HYPERVISOR_KVM, &err), HL_E_NO_HYPERVISOR);
    CHECK_STR(err.text, "/dev/kvm: permission denied, even to root: a container needs --device "
                        "/dev/kvm");
}

TEST(probe_without_descriptors)
{
    struct rlimit limit;
    hl_guest *guest = vm_guest("simple");
    hl_sandbox *box;
    hl_error err;
    int fd;
    rlim_t least, most, n;

    CHECK_INT(hl_sandbox_create(&box, guest, NULL, NULL, &err), HL_OK);
    hl_cache_limit(0);
    hl_sandbox_destroy(box); /* the guest now keeps what its sandboxes share */
    fd = dup(0);
    least = (rlim_t)fd;
    most = least + 20;
    close(fd);
    getrlimit(RLIMIT_NOFILE, &limit);
    for (n = least; n < most; n++) { /* each step of create in turn is the one that fails */
        limit.rlim_cur = n;
        setrlimit(RLIMIT_NOFILE, &limit);
        if (!hl_sandbox_create(&box, guest, NULL, NULL, &err))
            break;
        CHECK(!box);
        CHECK_INT(err.status, HL_E_SYSTEM);
        CHECK_HAS(err.text, "Too many open files");
    }
    CHECK(n > least && n < most);
    CHECK_INT(vm_call(box, "Count", NONE).as.i32, 1);
    hl_sandbox_destroy(box);
    fd = dup(0);
    CHECK_INT(fd, (int)least); /* nothing was leaked */
    hl_guest_release(guest);
}

/* Probe and create say the same. */
static void expect_both(hl_guest *guest, hl_status status, const char *text)
{
    hl_sandbox *box;
    hl_error err;

    CHECK_INT(hl_hypervisor_probe(HL_HYPERVISOR_KVM, &err), status);
    CHECK_STR(err.text, text);
    CHECK_INT(hl_sandbox_create(&box, guest, NULL, NULL, &err), status);
    CHECK_STR(err.text, text);
}

/* What create needs beyond a device that opens is tried, not guessed. */
TEST(probe_makes_what_create_makes)
{
    hl_guest *guest = vm_guest("simple");

    vm_needs_kvm();
    vm_refuse(SYS_ioctl, 1, (uint32_t)KVM_SET_SREGS, EINVAL);
    expect_both(
        guest, HL_E_UNSUPPORTED,
        "KVM_SET_SREGS: refused; guests need a 64-bit processor with NX, FSGSBASE and XSAVE");
    vm_refuse(SYS_ioctl, 1, KVM_CREATE_VCPU, EINVAL);
    expect_both(guest, HL_E_SYSTEM, "KVM_CREATE_VCPU: Invalid argument");
    hl_guest_release(guest);
}

/* A shortage says nothing about the hypervisor. */
TEST(probe_tells_a_shortage_from_a_missing_hypervisor)
{
    const struct {
        int error;
        hl_status status;
        const char *text;
    } cases[] = {
        {EMFILE, HL_E_SYSTEM, "Too many open files"},
        {ENFILE, HL_E_SYSTEM, "Too many open files in system"},
        {ENOMEM, HL_E_MEMORY, "Cannot allocate memory"},
        {EBUSY, HL_E_NO_HYPERVISOR, "Device or resource busy"},
    };
    hl_guest *guest = vm_guest("simple");
    char text[100];
    size_t i;

    vm_needs_kvm();
    for (i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        vm_refuse(SYS_ioctl, 1, KVM_CREATE_VM, cases[i].error);
        snprintf(text, sizeof text, "/dev/kvm: KVM_CREATE_VM: %s", cases[i].text);
        expect_both(guest, cases[i].status, text);
    }
    for (i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        vm_refuse(SYS_openat, 2, O_RDWR | O_CLOEXEC, cases[i].error);
        snprintf(text, sizeof text, "/dev/kvm: %s", cases[i].text);
        expect_both(guest, cases[i].status, text);
    }
    hl_guest_release(guest);
}
