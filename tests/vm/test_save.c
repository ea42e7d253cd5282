/* SPDX-License-Identifier: Apache-2.0 */
/* Snapshot files as an application sees them: saved here, started elsewhere. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "held.h"
#include "vm.h"

/* ---- Files ---------------------------------------------------------------------- */

static char folder[256];

static const char *file_path(const char *name)
{
    static char path[sizeof folder + 64];

    snprintf(path, sizeof path, "%s/%s", folder, name);
    return path;
}

static void make_folder(void)
{
    const char *parent = getenv("TMPDIR");

    snprintf(folder, sizeof folder, "%s/hl-snapfile-XXXXXX", parent ? parent : "/tmp");
    if (mkdtemp(folder))
        return;
    snprintf(folder, sizeof folder, "hl-snapfile-XXXXXX");
    CHECK(mkdtemp(folder));
}

static void remove_folder(void)
{
    unlink(file_path("file"));
    CHECK_INT(held_entries(folder), 0);
    CHECK_INT(rmdir(folder), 0);
}

static void save(const hl_snapshot *snapshot)
{
    hl_error err;

    if (hl_snapshot_save(snapshot, file_path("file"), &err))
        FAIL("save: %d, %s", err.status, err.text);
    CHECK_STR(err.text, "ok");
}

static hl_snapshot *load(void)
{
    hl_snapshot *snapshot;
    hl_error err;

    if (hl_snapshot_load(&snapshot, file_path("file"), &err))
        FAIL("load: %d, %s", err.status, err.text);
    CHECK_STR(err.text, "ok");
    return snapshot;
}

static hl_snapshot *take(hl_sandbox *box)
{
    hl_snapshot *snapshot;
    hl_error err;

    if (hl_snapshot_take(&snapshot, box, &err))
        FAIL("take: %d, %s", err.status, err.text);
    return snapshot;
}

static void take_and_save(hl_sandbox *box)
{
    hl_snapshot *snapshot = take(box);

    save(snapshot);
    hl_snapshot_release(snapshot);
}

static hl_sandbox *make_clone(const hl_snapshot *snapshot, const hl_host *host)
{
    hl_sandbox *box;
    hl_error err;

    if (hl_sandbox_create_from(&box, snapshot, host, NULL, &err))
        FAIL("create_from: %d, %s", err.status, err.text);
    return box;
}

enum { NOT_HERE = 5 }; /* exit status: this machine cannot do that */

/* Runs it in a process that ends with it, before this one has made any VM; then
 * the library here knows nothing but the file. */
static void elsewhere(void (*body)(void))
{
    hl_error err;
    int status;
    pid_t pid;

    if (hl_hypervisor_probe(vm_hypervisor(), &err))
        test_skip("%s", err.text);
    make_folder();
    pid = fork();
    if (!pid) {
        body();
        exit(0);
    }
    CHECK(pid > 0 && waitpid(pid, &status, 0) == pid);
    if (WIFEXITED(status) && WEXITSTATUS(status) == NOT_HERE) {
        remove_folder();
        test_skip("not on this processor");
    }
    if (!WIFEXITED(status) || WEXITSTATUS(status))
        FAIL("the process that saves ended with %#x", status);
    CHECK_INT(held_entries(folder), 1);
}

/* ---- One that goes on where it was --------------------------------------------------- */

static int count(hl_sandbox *box)
{
    return vm_call(box, "Count", NONE).as.i32;
}

static void save_counter(void)
{
    hl_sandbox *box = vm_box("simple", NULL, NULL);

    count(box);
    count(box);
    take_and_save(box);
    hl_sandbox_destroy(box);
}

TEST(snapfile_goes_on_in_another_process)
{
    hl_sandbox *box, *other;
    hl_snapshot *snapshot;
    hl_error err;

    elsewhere(save_counter);
    snapshot = load();
    CHECK_INT(unlink(file_path("file")), 0); /* it is in memory now */
    box = make_clone(snapshot, NULL);
    other = make_clone(snapshot, NULL);
    CHECK_INT(count(box), 3);
    CHECK_INT(count(box), 4);
    CHECK_INT(count(other), 3);
    CHECK_INT(hl_sandbox_restore(box, snapshot, &err), HL_OK);
    CHECK_INT(count(box), 3);
    vm_expect(HL_E_FAULT, NULL, box, "Undefined", NONE, NULL);
    CHECK_INT(hl_sandbox_restore(box, snapshot, &err), HL_OK);
    hl_snapshot_release(snapshot);
    CHECK_INT(count(box), 3);
    CHECK_STR(vm_call(box, "EchoStr", ARGS(hl_str("still here"))).as.str, "still here");
    vm_call(box, "LargeStack", NONE);
    hl_sandbox_destroy(box);
    hl_sandbox_destroy(other);
    remove_folder();
}

/* ---- Memory of many kinds --------------------------------------------------------------- */

enum { SCATTERED = 400, LARGE = 3000 };

static hl_config large(void)
{
    return (hl_config){.struct_size = sizeof(hl_config),
                       .heap_size = 1ull << 30,
                       .message_size = 1 << 20,
                       .call_depth = 3};
}

static void save_memory(void)
{
    hl_config config = large();
    hl_sandbox *box = vm_box("memory", NULL, &config);

    vm_call(box, "Fill", ARGS(hl_u32(1000), hl_u32(LARGE), hl_u64(7)));
    vm_call(box, "Fill", ARGS(hl_u32(1), hl_u32(1), hl_u64(5)));
    vm_call(box, "Scatter", ARGS(hl_u64(99), hl_u32(SCATTERED)));
    vm_call(box, "UseStack", ARGS(hl_u32(20)));
    vm_call(box, "SetControl", ARGS(hl_u32(0x9fc0), hl_u32(0xf7f)));
    take_and_save(box);
    hl_sandbox_destroy(box);
}

/* More scattered pages than there are views, a large heap, control words; the
 * file has what is not zero and little else. */
TEST(snapfile_keeps_all_memory)
{
    const uint32_t arena = 131072; /* pages: half the heap */
    hl_sandbox *box, *same;
    hl_snapshot *snapshot;
    hl_config config = large();
    struct stat st;
    uint32_t first;

    elsewhere(save_memory);
    snapshot = load();
    CHECK_INT(stat(file_path("file"), &st), 0);
    CHECK_INT(st.st_mode & 07777, 0600);
    CHECK(st.st_size >= (LARGE + 1) * 4096ll && st.st_size < (LARGE + SCATTERED + 200) * 4096ll);
    box = make_clone(snapshot, NULL);
    same = vm_box("memory", NULL, &config);
    vm_call(same, "Fill", ARGS(hl_u32(1000), hl_u32(LARGE), hl_u64(7)));
    vm_call(same, "Fill", ARGS(hl_u32(1), hl_u32(1), hl_u64(5)));
    vm_call(same, "Scatter", ARGS(hl_u64(99), hl_u32(SCATTERED)));
    CHECK_INT(vm_call(box, "Control", NONE).as.u64, 0xf7fll << 32 | 0x9fc0);
    for (first = 0; first < arena; first += 4096)
        CHECK_INT(vm_call(box, "SumPages", ARGS(hl_u32(first), hl_u32(4096))).as.u64,
                  vm_call(same, "SumPages", ARGS(hl_u32(first), hl_u32(4096))).as.u64);
    CHECK_INT(vm_call(box, "SumPages", ARGS(hl_u32(1000), hl_u32(LARGE))).as.u64, LARGE * 7);
    /* The next call counts on from what the guest itself keeps. */
    CHECK_INT(vm_call(box, "Scatter", ARGS(hl_u64(99), hl_u32(1))).as.u64, SCATTERED + 2 + 1);
    hl_snapshot_release(snapshot);
    hl_sandbox_destroy(box);
    hl_sandbox_destroy(same);
    remove_folder();
}

/* What is saved of a loaded one is the same again, changes included. */
TEST(snapfile_of_a_loaded_snapshot)
{
    hl_sandbox *box;
    hl_snapshot *snapshot;
    uint32_t round;

    elsewhere(save_memory);
    for (round = 1; round < 4; round++) {
        snapshot = load();
        box = make_clone(snapshot, NULL);
        vm_call(box, "Fill", ARGS(hl_u32(1000 + round), hl_u32(1), hl_u64(7 + round)));
        CHECK_INT(vm_call(box, "SumPages", ARGS(hl_u32(1000), hl_u32(LARGE))).as.u64,
                  LARGE * 7 + round * (round + 1) / 2);
        vm_call(box, "Fill", ARGS(hl_u32(1), hl_u32(1), hl_u64(0))); /* zero again */
        take_and_save(box);
        hl_sandbox_destroy(box);
        hl_snapshot_release(snapshot);
    }
    snapshot = load();
    box = make_clone(snapshot, NULL);
    CHECK_INT(vm_call(box, "SumPages", ARGS(hl_u32(1), hl_u32(1))).as.u64, 0);
    hl_sandbox_destroy(box);
    hl_snapshot_release(snapshot);
    remove_folder();
}

/* ---- Tables ------------------------------------------------------------------------------ */

static hl_status seven(hl_call *call, const hl_value args[], hl_value *ret)
{
    (void)call;
    (void)args;
    *ret = hl_u64(7);
    return HL_OK;
}

static void save_tables(void)
{
    const hl_host_function has[] = {{"Late", "u64()", seven, NULL}};
    hl_config config = {.struct_size = sizeof config, .init_data = "123", .init_size = 3};
    hl_host *host = vm_host(has, 1);
    hl_sandbox *box = vm_box("memory", host, &config);

    CHECK_INT(vm_call(box, "AskLate", ARGS(hl_str("Late"))).as.u64, 7);
    take_and_save(box);
    hl_sandbox_destroy(box);
    hl_host_release(host);
}

TEST(snapfile_binds_imports_by_name)
{
    const hl_host_function has[] = {
        {"More", "void()", seven, NULL},
        {"Late", "u64()", seven, NULL},
    };
    const hl_host_function differs[] = {{"Late", "i32()", seven, NULL}};
    hl_host *host, *without, *other;
    hl_snapshot *snapshot;
    hl_sandbox *box;
    hl_symbol symbol;
    hl_error err;
    size_t i;

    elsewhere(save_tables);
    host = vm_host(has, 2);
    without = vm_host(NULL, 0);
    other = vm_host(differs, 1);
    snapshot = load();
    CHECK_INT(hl_sandbox_create_from(&box, snapshot, without, NULL, &err), HL_E_MISMATCH);
    CHECK_STR(err.text, "the guest imports Late: u64(), which the host does not offer");
    CHECK_INT(hl_sandbox_create_from(&box, snapshot, other, NULL, &err), HL_E_MISMATCH);
    CHECK_HAS(err.text, "Late: the guest imports u64(), the host offers i32()");
    box = make_clone(snapshot, host);
    CHECK_INT(vm_call(box, "AskLate", ARGS(hl_str("Late"))).as.u64, 7);
    CHECK_INT(vm_call(box, "Added1", NONE).as.u64, 1);
    CHECK_INT(vm_call(box, "Added3", NONE).as.u64, 3);
    for (i = 0; hl_sandbox_export(&symbol, box, i); i++)
        ;
    CHECK(i > 3 && hl_sandbox_export(&symbol, box, i - 1));
    CHECK_STR(symbol.name, "Added3");
    CHECK_STR(symbol.signature, "u64()");
    hl_sandbox_destroy(box);
    hl_snapshot_release(snapshot);
    hl_host_release(host);
    hl_host_release(without);
    hl_host_release(other);
    remove_folder();
}

/* ---- What must fit ------------------------------------------------------------------------ */

TEST(snapfile_fits_its_own_clones_alone)
{
    hl_sandbox *box, *plain;
    hl_snapshot *snapshot, *again;
    hl_error err;

    elsewhere(save_counter);
    snapshot = load();
    again = load();
    box = make_clone(snapshot, NULL);
    plain = vm_box("simple", NULL, NULL);
    CHECK_INT(hl_sandbox_restore(plain, snapshot, &err), HL_E_MISMATCH);
    CHECK_HAS(err.text, "the snapshot is of another guest");
    CHECK_INT(hl_sandbox_restore(box, again, &err), HL_E_MISMATCH);
    CHECK_INT(count(box), 3);
    CHECK_INT(count(plain), 1);
    hl_sandbox_destroy(box);
    hl_sandbox_destroy(plain);
    hl_snapshot_release(snapshot);
    hl_snapshot_release(again);
    remove_folder();
}

/* Of no trust domain: each clone is in that of its own host or configuration. */
TEST(snapfile_is_of_no_trust_domain)
{
    hl_config config = {.struct_size = sizeof config, .trust_domain = 7};
    hl_sandbox *box, *other;
    hl_snapshot *snapshot, *mine;
    hl_error err;

    elsewhere(save_counter);
    snapshot = load();
    box = make_clone(snapshot, NULL);
    CHECK_INT(hl_sandbox_create_from(&other, snapshot, NULL, &config, &err), HL_OK);
    CHECK_INT(hl_sandbox_restore(other, snapshot, &err), HL_OK);
    mine = take(box);
    CHECK_INT(hl_sandbox_restore(other, mine, &err), HL_E_MISMATCH);
    CHECK_HAS(err.text, "another trust domain");
    CHECK_INT(count(other), 3);
    hl_sandbox_destroy(box);
    hl_sandbox_destroy(other);
    hl_snapshot_release(snapshot);
    hl_snapshot_release(mine);
    remove_folder();
}

static void save_avx(void)
{
    hl_config config = {.struct_size = sizeof config, .avx = 1};
    hl_guest *guest = vm_guest("simple");
    hl_sandbox *box;
    hl_error err;
    hl_status status = hl_sandbox_create(&box, guest, NULL, &config, &err);

    if (status == HL_E_UNSUPPORTED)
        exit(NOT_HERE);
    CHECK_INT(status, HL_OK);
    count(box);
    take_and_save(box);
    hl_sandbox_destroy(box);
    hl_guest_release(guest);
}

TEST(snapfile_with_avx)
{
    hl_config config = {.struct_size = sizeof config, .avx = 1};
    hl_snapshot *snapshot;
    hl_sandbox *box;
    hl_error err;

    elsewhere(save_avx);
    snapshot = load();
    box = make_clone(snapshot, NULL);
    CHECK_INT(count(box), 2);
    hl_sandbox_destroy(box);
    CHECK_INT(hl_sandbox_create_from(&box, snapshot, NULL, &config, &err), HL_OK);
    CHECK_INT(count(box), 2);
    hl_sandbox_destroy(box);
    hl_snapshot_release(snapshot);
    remove_folder();
}

/* ---- A stack pointer that lies ------------------------------------------------------------- */

enum { RSP_AT = 56, SUM_AT = 252 }; /* docs/snapshot-format.md */

static uint32_t checksum(const uint8_t *bytes, size_t size)
{
    uint32_t sum = ~0u;
    int bit;

    for (; size; size--)
        for (sum ^= *bytes++, bit = 0; bit < 8; bit++)
            sum = sum >> 1 ^ (sum & 1 ? 0x82f63b78 : 0);
    return ~sum;
}

static void set_rsp(uint64_t rsp)
{
    FILE *file = fopen(file_path("file"), "r+b");
    uint8_t head[256];
    uint32_t sum;

    CHECK(file && fread(head, sizeof head, 1, file) == 1);
    memcpy(head + RSP_AT, &rsp, sizeof rsp);
    sum = checksum(head, SUM_AT);
    memcpy(head + SUM_AT, &sum, sizeof sum);
    CHECK(!fseek(file, 0, SEEK_SET) && fwrite(head, sizeof head, 1, file) == 1 && !fclose(file));
}

static uint64_t heap_of(const hl_sandbox *box)
{
    hl_area area;
    size_t i;

    for (i = 0; hl_sandbox_area(&area, box, i); i++)
        if (!strcmp(area.name, "heap"))
            return area.address + area.size / 2;
    FAIL("no heap");
}

/* It is the guest's own fault then, and no more: the machine serves the next. */
TEST(snapfile_with_a_wrong_stack_pointer)
{
    uint64_t values[] = {0,
                         8,
                         0x1000,
                         0x600000003000,
                         0x600000200000,
                         1u << 20,
                         1ull << 47,
                         0xffff800000000000,
                         1ull << 63,
                         UINT64_MAX,
                         0 /* zeros of the heap */};
    enum { VALUES = sizeof values / sizeof *values };
    hl_snapshot *good, *bad;
    hl_sandbox *box, *other;
    size_t i;

    elsewhere(save_counter);
    good = load();
    other = make_clone(good, NULL);
    values[VALUES - 1] = heap_of(other);
    for (i = 0; i < VALUES; i++) {
        set_rsp(values[i]);
        bad = load();
        box = make_clone(bad, NULL);
        vm_expect(HL_E_FAULT, NULL, box, "Count", NONE, NULL);
        CHECK_INT(hl_sandbox_state(box), HL_POISONED);
        CHECK_INT(count(other), 3 + (int)i);
        hl_sandbox_destroy(box);
        hl_snapshot_release(bad);
        box = make_clone(good, NULL);
        CHECK_INT(count(box), 3);
        hl_sandbox_destroy(box);
    }
    hl_sandbox_destroy(other);
    hl_snapshot_release(good);
    remove_folder();
}

/* ---- Nothing stays behind ------------------------------------------------------------- */

static void load_and_run(void)
{
    hl_snapshot *snapshot = load();
    hl_sandbox *box = make_clone(snapshot, NULL);

    CHECK_INT(count(box), 3);
    hl_sandbox_destroy(box);
    hl_snapshot_release(snapshot);
}

TEST(snapfile_leaves_nothing_behind)
{
    int files, round;

    elsewhere(save_counter);
    load_and_run();
    hl_cache_trim(0);
    CHECK_INT(held_mappings("memfd:hyperlight"), 0);
    files = held_entries("/proc/self/fd");
    for (round = 0; round < 100; round++)
        load_and_run();
    hl_cache_trim(0);
    CHECK_INT(held_entries("/proc/self/fd"), files);
    CHECK_INT(held_mappings("memfd:hyperlight"), 0);
    remove_folder();
}

/* The cache keeps VMs of snapshots that are gone, up to its limit. */
TEST(snapfile_clones_share_a_cached_machine)
{
    hl_cache_stats before, after;
    hl_snapshot *snapshot;
    hl_sandbox *box;
    int round;

    elsewhere(save_counter);
    snapshot = load();
    hl_cache_get_stats(&before);
    for (round = 0; round < 10; round++) {
        box = make_clone(snapshot, NULL);
        CHECK_INT(count(box), 3);
        hl_sandbox_destroy(box);
    }
    hl_cache_get_stats(&after);
    CHECK_INT(after.hits - before.hits, 9);
    hl_snapshot_release(snapshot);
    remove_folder();
}

/* ---- File systems that have no files without names -------------------------------------- */

TEST(save_where_every_file_has_a_name)
{
    hl_sandbox *box = vm_box("simple", NULL, NULL);
    int round;

    make_folder();
    vm_refuse(SYS_openat, 2, O_WRONLY | O_TMPFILE | O_CLOEXEC, EOPNOTSUPP);
    for (round = 0; round < 2; round++) {
        take_and_save(box);
        hl_snapshot_release(load());
        CHECK_INT(held_entries(folder), 1);
    }
    hl_sandbox_destroy(box);
    remove_folder();
}
