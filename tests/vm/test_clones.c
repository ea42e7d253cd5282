/* SPDX-License-Identifier: Apache-2.0 */
/* Many clones of one snapshot: what differs, what they cost, what is left of them. */
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "held.h"
#include "vm.h"

static hl_snapshot *take(hl_sandbox *box)
{
    hl_snapshot *snapshot;
    hl_error err;

    if (hl_snapshot_take(&snapshot, box, &err))
        FAIL("take: %s", err.text);
    return snapshot;
}

static hl_sandbox *make_clone(const hl_snapshot *snapshot)
{
    hl_sandbox *box;
    hl_error err;

    if (hl_sandbox_create_from(&box, snapshot, NULL, NULL, &err))
        FAIL("clone: %s", err.text);
    return box;
}

/* ---- What differs ----------------------------------------------------------------- */

enum { CLONES = 1000, NUMBERS = 4 };

static void ask(uint64_t numbers[NUMBERS], hl_sandbox *box)
{
    numbers[0] = vm_call(box, "Generation", NONE).as.u64;
    numbers[1] = vm_call(box, "Cookie", NONE).as.u64;
    memcpy(&numbers[2], vm_call(box, "Random", ARGS(hl_u32(16))).as.bytes, 16);
}

/* The guest has drawn a random number before: none of what follows from it. */
TEST_SLOW(clones_differ_in_what_must_differ)
{
    static uint64_t numbers[CLONES][NUMBERS];
    hl_sandbox *box = vm_box("memory", NULL, NULL), *clone;
    hl_snapshot *snapshot;
    int i, k, n;

    ask(numbers[0], box);
    snapshot = take(box);
    for (i = 1; i < CLONES; i++) {
        clone = make_clone(snapshot);
        ask(numbers[i], clone);
        hl_sandbox_destroy(clone);
        for (n = 0; n < NUMBERS; n++)
            for (k = 0; k < i; k++)
                if (numbers[i][n] == numbers[k][n])
                    FAIL("clones %d and %d have the same number %d: %#llx", k, i, n,
                         (unsigned long long)numbers[i][n]);
    }
    hl_snapshot_release(snapshot);
    hl_sandbox_destroy(box);
}

/* ---- More than there are descriptors for ------------------------------------------------ */

TEST_SLOW(clones_beyond_the_limit_of_descriptors)
{
    struct rlimit limit;
    /* In a process a clone needs none of its own. */
    const int most = vm_hypervisor() == HL_HYPERVISOR_PROCESS ? 200 : 1024;
    static hl_sandbox *clones[1024];
    hl_sandbox *box = vm_box("simple", NULL, NULL);
    hl_snapshot *snapshot = take(box);
    struct held before;
    hl_error err;
    int count = 0, i;

    hl_sandbox_destroy(box);
    hl_cache_trim(0);
    before = held_now();
    CHECK_INT(getrlimit(RLIMIT_NOFILE, &limit), 0);
    if (limit.rlim_cur > (test_full() ? 1024 : 150))
        limit.rlim_cur = test_full() ? 1024 : 150;
    CHECK_INT(setrlimit(RLIMIT_NOFILE, &limit), 0);
    while (count < most && !hl_sandbox_create_from(&clones[count], snapshot, NULL, NULL, &err))
        count++;
    CHECK(count > 20);
    if (vm_hypervisor() != HL_HYPERVISOR_PROCESS) {
        CHECK(count < 1024 && !clones[count]);
        CHECK_INT(err.status, HL_E_SYSTEM);
        CHECK_HAS(err.text, "Too many open files");
    }
    for (i = 0; i < count; i++)
        CHECK_INT(vm_call(clones[i], "Count", NONE).as.i32, 1);
    hl_sandbox_destroy(clones[0]); /* a VM in the cache is room for one more */
    CHECK_INT(vm_call(clones[0] = make_clone(snapshot), "Count", NONE).as.i32, 1);
    for (i = 0; i < count; i++)
        hl_sandbox_destroy(clones[i]);
    held_check(&before);
    hl_snapshot_release(snapshot);
}

/* ---- One that touches everything ---------------------------------------------------------- */

/* It reads every hole of its snapshot and then fills it; that is gone with it,
 * and the snapshot knows nothing of it. */
TEST_SLOW(clones_that_touch_everything_leave_nothing)
{
    const uint32_t pages = (test_full() ? 1024u << 20 : 192u << 20) / 4096;
    const hl_config config = {.struct_size = sizeof config, .heap_size = 2ull * 4096 * pages};
    hl_sandbox *box = vm_box("memory", NULL, &config), *clone;
    hl_snapshot *snapshot;
    struct held before;
    int i;

    vm_call(box, "Fill", ARGS(hl_u32(5), hl_u32(100), hl_u64(3)));
    snapshot = take(box);
    hl_sandbox_destroy(box);
    clone = make_clone(snapshot);
    hl_sandbox_destroy(clone);
    hl_cache_trim(0);
    before = held_now();
    for (i = 0; i < 2; i++) {
        clone = make_clone(snapshot);
        CHECK_INT(vm_call(clone, "SumPages", ARGS(hl_u32(0), hl_u32(pages))).as.u64, 300);
        vm_call(clone, "Fill", ARGS(hl_u32(0), hl_u32(pages), hl_u64(7)));
        if (vm_hypervisor() != HL_HYPERVISOR_PROCESS) /* else it is not this one that has it */
            CHECK(held_now().kib > before.kib + (long)pages * 4);
        hl_sandbox_destroy(clone);
        held_check(&before);
    }
    clone = make_clone(snapshot);
    CHECK_INT(vm_call(clone, "SumPages", ARGS(hl_u32(0), hl_u32(pages))).as.u64, 300);
    hl_sandbox_destroy(clone);
    hl_snapshot_release(snapshot);
}

/* ---- Holes -------------------------------------------------------------------------------- */

/* Memory that snapshots and images share, KiB. */
static long shared_kib(void)
{
    char path[64], to[64];
    ssize_t length;
    struct stat st;
    long blocks = 0;
    int fd;

    for (fd = 0; fd < 1024; fd++) {
        snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
        length = readlink(path, to, sizeof to - 1);
        to[length > 0 ? length : 0] = 0;
        if (!strncmp(to, "/memfd:", 7) && !fstat(fd, &st))
            blocks += (long)st.st_blocks;
    }
    return blocks / 2;
}

enum { ARENA_PAGES = 16384, SCATTERED = 700, STRIDE = ARENA_PAGES / SCATTERED };

/* Whoever looks at the zeros between its pages has them, the snapshot has not. */
static void look_at_all_of_it(const hl_snapshot *snapshot)
{
    hl_sandbox *clone = make_clone(snapshot);
    long before;
    int i;

    CHECK_INT(vm_call(clone, "SumPages", ARGS(hl_u32(0), hl_u32(1))).as.u64, 1);
    before = shared_kib();
    for (i = 0; i < 2; i++) {
        CHECK_INT(vm_call(clone, "SumPages", ARGS(hl_u32(0), hl_u32(ARENA_PAGES))).as.u64,
                  SCATTERED);
        vm_call(clone, "Fill", ARGS(hl_u32(0), hl_u32(ARENA_PAGES), hl_u64(7)));
        hl_sandbox_destroy(clone);
        hl_cache_trim(0);
        CHECK(shared_kib() <= before + 1024);
        clone = make_clone(snapshot);
    }
    hl_sandbox_destroy(clone);
}

TEST_SLOW(clones_that_look_at_holes_leave_them_empty)
{
    const hl_config config = {.struct_size = sizeof config, .heap_size = 2ull * 4096 * ARENA_PAGES};
    hl_sandbox *box = vm_box("memory", NULL, &config);
    char path[] = "/tmp/hl-holes-XXXXXX";
    const int fd = mkstemp(path);
    hl_snapshot *snapshot;
    hl_error err;
    uint32_t i;

    CHECK(fd >= 0);
    for (i = 0; i < SCATTERED; i++)
        vm_call(box, "Fill", ARGS(hl_u32(i * STRIDE), hl_u32(1), hl_u64(1)));
    snapshot = take(box);
    hl_sandbox_destroy(box);
    look_at_all_of_it(snapshot);
    if (hl_snapshot_save(snapshot, path, &err))
        FAIL("save: %s", err.text);
    hl_snapshot_release(snapshot);
    hl_cache_trim(0);
    CHECK_INT(hl_snapshot_load(&snapshot, path, &err), HL_OK);
    look_at_all_of_it(snapshot);
    hl_snapshot_release(snapshot);
    unlink(path);
    close(fd);
}
