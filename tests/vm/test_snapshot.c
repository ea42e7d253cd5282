/* SPDX-License-Identifier: Apache-2.0 */
/* Snapshots as an application sees them: take, restore, clone. */
#include <pthread.h>
#include <sys/wait.h>
#include <unistd.h>

#include "vm.h"

static hl_snapshot *take(hl_sandbox *box)
{
    hl_snapshot *snapshot;
    hl_error err;

    if (hl_snapshot_take(&snapshot, box, &err))
        FAIL("take: %d, %s", err.status, err.text);
    CHECK_STR(err.text, "ok");
    return snapshot;
}

static void restore(hl_sandbox *box, const hl_snapshot *snapshot)
{
    hl_error err;

    if (hl_sandbox_restore(box, snapshot, &err))
        FAIL("restore: %d, %s", err.status, err.text);
    CHECK_STR(err.text, "ok");
    CHECK_INT(hl_sandbox_state(box), HL_READY);
}

static hl_sandbox *make_clone(const hl_snapshot *snapshot, const hl_host *host)
{
    hl_sandbox *box;
    hl_error err;

    if (hl_sandbox_create_from(&box, snapshot, host, NULL, &err))
        FAIL("create_from: %d, %s", err.status, err.text);
    CHECK_STR(err.text, "ok");
    return box;
}

static int count(hl_sandbox *box)
{
    return vm_call(box, "Count", NONE).as.i32;
}

TEST(snapshot_restore_goes_back)
{
    hl_sandbox *box = vm_box("simple", NULL, NULL);
    hl_snapshot *first, *second;
    int i;

    CHECK_INT(count(box), 1);
    first = take(box);
    CHECK_INT(count(box), 2);
    second = take(box);
    for (i = 0; i < 3; i++) {
        CHECK_INT(count(box), 3);
        CHECK_INT(count(box), 4);
        restore(box, second);
    }
    restore(box, first);
    CHECK_INT(count(box), 2);
    restore(box, second);
    CHECK_INT(count(box), 3);
    hl_sandbox_destroy(box);
    hl_snapshot_release(first);
    hl_snapshot_release(second);
}

TEST(snapshot_of_a_sandbox_never_called)
{
    hl_sandbox *box = vm_box("simple", NULL, NULL), *other;
    hl_snapshot *snapshot = take(box);

    other = make_clone(snapshot, NULL);
    CHECK_INT(count(other), 1);
    restore(other, snapshot);
    hl_snapshot_release(snapshot);
    snapshot = take(other); /* restored, and not entered since */
    restore(box, snapshot);
    CHECK_INT(count(box), 1);
    CHECK_INT(count(other), 1);
    hl_snapshot_release(snapshot);
    hl_sandbox_destroy(box);
    hl_sandbox_destroy(other);
}

TEST(snapshot_clones_are_independent)
{
    hl_sandbox *box = vm_box("simple", NULL, NULL), *clones[8];
    hl_snapshot *snapshot;
    int i, k;

    count(box);
    snapshot = take(box);
    hl_sandbox_destroy(box);
    for (i = 0; i < 8; i++)
        clones[i] = make_clone(snapshot, NULL);
    hl_snapshot_release(snapshot); /* they hold what they need */
    for (i = 0; i < 8; i++)
        for (k = 0; k <= i; k++)
            CHECK_INT(count(clones[i]), 2 + k);
    for (i = 0; i < 8; i++)
        hl_sandbox_destroy(clones[i]);
}

/* Whatever ended it. */
TEST(snapshot_restore_heals)
{
    static const struct {
        const char *function;
        hl_status status;
    } ends[] = {
        {"WriteCode", HL_E_FAULT},   {"DivideByZero", HL_E_FAULT}, {"Undefined", HL_E_FAULT},
        {"Breakpoint", HL_E_FAULT},  {"Halt", HL_E_FAULT},         {"StackOverflow", HL_E_FAULT},
        {"LibcAbort", HL_E_ABORT},   {"Spin", HL_E_DEADLINE},      {"BufferOverrun", HL_E_ABORT},
        {"NullPointer", HL_E_FAULT}, {"ExecuteHeap", HL_E_FAULT},
    };
    hl_sandbox *box = vm_box("simple", NULL, NULL);
    hl_snapshot *snapshot;
    size_t i;

    count(box);
    snapshot = take(box);
    hl_sandbox_set_deadline(box, 200000, NULL);
    for (i = 0; i < sizeof ends / sizeof *ends; i++) {
        if (!strcmp(ends[i].function, "DivideByZero"))
            vm_expect(ends[i].status, NULL, box, ends[i].function, ARGS(hl_i32(0)), NULL);
        else
            vm_expect(ends[i].status, NULL, box, ends[i].function, NONE, NULL);
        CHECK_INT(hl_sandbox_state(box), HL_POISONED);
        vm_expect(HL_E_STATE, "POISONED", box, "Count", NONE, NULL);
        restore(box, snapshot);
        CHECK_INT(count(box), 2);
        CHECK_INT(count(box), 3);
    }
    hl_snapshot_release(snapshot);
    hl_sandbox_destroy(box);
}

TEST(snapshot_take_of_a_poisoned_sandbox_is_refused)
{
    hl_sandbox *box = vm_box("simple", NULL, NULL);
    hl_snapshot *snapshot = NULL;
    hl_error err;

    vm_expect(HL_E_FAULT, NULL, box, "NullPointer", NONE, NULL);
    CHECK_INT(hl_snapshot_take(&snapshot, box, &err), HL_E_STATE);
    CHECK_HAS(err.text, "hl_snapshot_take: the sandbox is POISONED: page fault");
    CHECK(!snapshot);
    hl_sandbox_destroy(box);
}

/* ---- From a host function --------------------------------------------------------- */

static struct {
    hl_status take, restore;
    hl_error take_err, restore_err;
    hl_snapshot *snapshot;
} seen;

static hl_status try_both(hl_call *call, const hl_value args[], hl_value *ret)
{
    hl_sandbox *box = hl_call_sandbox(call);
    hl_snapshot *snapshot;

    *ret = hl_i32((int32_t)args[0].len);
    seen.take = hl_snapshot_take(&snapshot, box, &seen.take_err);
    seen.restore = hl_sandbox_restore(box, seen.snapshot, &seen.restore_err);
    return HL_OK;
}

TEST(snapshot_of_a_running_sandbox_is_refused)
{
    const hl_host_function table[] = {{"HostPrint", "i32(str)", try_both, NULL}};
    hl_host *host = vm_host(table, 1);
    hl_sandbox *box = vm_box("simple", host, NULL);

    seen.snapshot = take(box);
    vm_call(box, "Print", ARGS(hl_str("x")));
    CHECK_INT(seen.take, HL_E_STATE);
    CHECK_STR(seen.take_err.text, "hl_snapshot_take: the sandbox is RUNNING");
    CHECK_INT(seen.restore, HL_E_STATE);
    CHECK_STR(seen.restore_err.text, "hl_sandbox_restore: the sandbox is RUNNING");
    CHECK_INT(count(box), 1);
    hl_snapshot_release(seen.snapshot);
    hl_sandbox_destroy(box);
    hl_host_release(host);
}

/* ---- What must fit ------------------------------------------------------------------ */

TEST(snapshot_of_another_shape_is_refused)
{
    hl_config small = {.struct_size = sizeof small, .heap_size = 1 << 20};
    hl_sandbox *box = vm_box("simple", NULL, NULL), *other = vm_box("memory", NULL, NULL);
    hl_guest *guest = vm_guest("simple");
    hl_snapshot *snapshot = take(box);
    hl_sandbox *little, *none;
    hl_error err;

    CHECK_INT(hl_sandbox_restore(other, snapshot, &err), HL_E_MISMATCH);
    CHECK_HAS(err.text, "the snapshot is of another guest or of other sizes");
    CHECK_INT(hl_sandbox_state(other), HL_READY);
    CHECK_INT(hl_sandbox_create(&little, guest, NULL, &small, &err), HL_OK);
    CHECK_INT(hl_sandbox_restore(little, snapshot, &err), HL_E_MISMATCH);
    CHECK_INT(count(little), 1);
    CHECK_INT(hl_sandbox_restore(box, NULL, &err), HL_E_INVALID);
    CHECK_STR(err.text, "hl_sandbox_restore: snapshot is NULL");
    CHECK_INT(hl_sandbox_restore(NULL, snapshot, &err), HL_E_INVALID);
    CHECK_INT(hl_snapshot_take(NULL, box, &err), HL_E_INVALID);
    CHECK_INT(hl_sandbox_create_from(&none, NULL, NULL, NULL, &err), HL_E_INVALID);
    CHECK(!none);
    hl_snapshot_retain(NULL);
    hl_snapshot_release(NULL);
    hl_snapshot_release(snapshot);
    hl_sandbox_destroy(box);
    hl_sandbox_destroy(other);
    hl_sandbox_destroy(little);
    hl_guest_release(guest);
}

TEST(snapshot_config_of_a_clone)
{
    hl_config config = {.struct_size = sizeof config, .heap_size = 1 << 20};
    hl_sandbox *box = vm_box("simple", NULL, NULL), *other;
    hl_snapshot *snapshot = take(box);
    hl_error err;

    CHECK_INT(hl_sandbox_create_from(&other, snapshot, NULL, &config, &err), HL_E_INVALID);
    CHECK_STR(err.text, "hl_config.heap_size is 1048576, the snapshot has 16777216; leave it 0");
    CHECK(!other);
    config.heap_size = 16 << 20; /* what it has */
    config.user = &config;
    CHECK_INT(hl_sandbox_create_from(&other, snapshot, NULL, &config, &err), HL_OK);
    CHECK(hl_sandbox_user(other) == &config);
    hl_sandbox_destroy(other);
    config = (hl_config){.struct_size = sizeof config, .init_data = "x", .init_size = 1};
    CHECK_INT(hl_sandbox_create_from(&other, snapshot, NULL, &config, &err), HL_E_INVALID);
    CHECK_HAS(err.text, "hl_config.init_data is given");
    config = (hl_config){.struct_size = sizeof config, .no_reuse = 2};
    CHECK_INT(hl_sandbox_create_from(&other, snapshot, NULL, &config, &err), HL_E_INVALID);
    CHECK_STR(err.text, "hl_config.no_reuse is 2, wanted 0 or 1");
    hl_snapshot_release(snapshot);
    hl_sandbox_destroy(box);
}

TEST(snapshot_of_another_trust_domain_is_refused)
{
    hl_config config = {.struct_size = sizeof config, .trust_domain = 7};
    hl_sandbox *box = vm_box("simple", NULL, NULL), *other = vm_box("simple", NULL, &config), *own;
    hl_guest *guest = vm_guest("simple");
    hl_snapshot *snapshot;
    hl_error err;

    hl_sandbox_destroy(box);
    CHECK_INT(hl_sandbox_create(&box, guest, NULL, NULL, &err), HL_OK);
    CHECK_INT(hl_sandbox_create(&own, guest, NULL, &config, &err), HL_OK);
    snapshot = take(box);
    CHECK_INT(hl_sandbox_restore(own, snapshot, &err), HL_E_MISMATCH);
    CHECK_HAS(err.text, "another trust domain");
    hl_snapshot_release(snapshot);
    hl_sandbox_destroy(box);
    hl_sandbox_destroy(other);
    hl_sandbox_destroy(own);
    hl_guest_release(guest);
}

static hl_status seven(hl_call *call, const hl_value args[], hl_value *ret)
{
    (void)call;
    (void)args;
    *ret = hl_u64(7);
    return HL_OK;
}

/* A clone is bound to the host it is given, run-time imports included. */
TEST(snapshot_binds_imports_by_name)
{
    const hl_host_function has[] = {{"Late", "u64()", seven, NULL}};
    const hl_host_function differs[] = {{"Late", "i32()", seven, NULL}};
    hl_host *host = vm_host(has, 1), *without = vm_host(NULL, 0), *other = vm_host(differs, 1);
    hl_sandbox *box = vm_box("memory", host, NULL), *copy;
    hl_snapshot *before = take(box), *after;
    hl_error err;

    CHECK_INT(vm_call(box, "AskLate", ARGS(hl_str("Late"))).as.u64, 7);
    after = take(box);
    CHECK_INT(hl_sandbox_create_from(&copy, after, without, NULL, &err), HL_E_MISMATCH);
    CHECK_STR(err.text, "the guest imports Late: u64(), which the host does not offer");
    CHECK_INT(hl_sandbox_create_from(&copy, after, other, NULL, &err), HL_E_MISMATCH);
    CHECK_HAS(err.text, "Late: the guest imports u64(), the host offers i32()");
    copy = make_clone(after, host);
    CHECK_INT(vm_call(copy, "AskLate", ARGS(hl_str("Late"))).as.u64, 7);
    restore(box, before);
    CHECK_INT(vm_call(box, "AskLate", ARGS(hl_str("Late"))).as.u64, 7);
    restore(box, after);
    CHECK_INT(vm_call(box, "AskLate", ARGS(hl_str("Late"))).as.u64, 7);
    hl_sandbox_destroy(copy);
    copy = make_clone(before, without);
    vm_expect(HL_E_FAILED, "the host has no function Late", copy, "AskLate", ARGS(hl_str("Late")),
              NULL);
    hl_sandbox_destroy(copy);
    hl_snapshot_release(before);
    hl_snapshot_release(after);
    hl_sandbox_destroy(box);
    hl_host_release(host);
    hl_host_release(without);
    hl_host_release(other);
}

/* A handle to a run-time export means the same function after a restore, or none. */
TEST(snapshot_function_handles_follow)
{
    hl_config config = {.struct_size = sizeof config, .init_data = "123", .init_size = 3};
    hl_sandbox *box = vm_box("memory", NULL, &config), *other;
    hl_guest *guest = vm_guest("memory");
    hl_snapshot *snapshot;
    hl_function *two, *three, *sum;
    hl_value ret;
    hl_error err;

    hl_sandbox_destroy(box);
    CHECK_INT(hl_sandbox_create(&box, guest, NULL, &config, &err), HL_OK);
    config.init_data = "024";
    CHECK_INT(hl_sandbox_create(&other, guest, NULL, &config, &err), HL_OK);
    snapshot = take(other);
    CHECK_INT(hl_sandbox_find(&two, box, "Added2", &err), HL_OK);
    CHECK_INT(hl_sandbox_find(&three, box, "Added3", &err), HL_OK);
    CHECK_INT(hl_sandbox_find(&sum, box, "SumPages", &err), HL_OK);
    restore(box, snapshot);
    CHECK_INT(hl_function_call(&ret, two, NULL, 0, &err), HL_OK);
    CHECK_INT(ret.as.u64, 2);
    CHECK_INT(hl_function_call(&ret, three, NULL, 0, &err), HL_E_UNKNOWN);
    CHECK_HAS(err.text, "no longer exports this function");
    CHECK_INT(hl_function_call(&ret, sum, ARGS(hl_u32(0), hl_u32(1)), &err), HL_OK);
    CHECK_INT(vm_call(box, "Added4", NONE).as.u64, 4);
    CHECK_INT(hl_sandbox_call(&ret, box, "Added1", NULL, 0, &err), HL_E_UNKNOWN);
    hl_snapshot_release(snapshot);
    hl_sandbox_destroy(box);
    hl_sandbox_destroy(other);
    hl_guest_release(guest);
}

/* ---- What must differ ------------------------------------------------------------------ */

TEST(snapshot_clones_have_their_own_random_numbers)
{
    hl_sandbox *box = vm_box("memory", NULL, NULL), *other;
    hl_snapshot *snapshot;
    uint64_t generation[4];
    uint8_t random[4][32];
    int i, k;

    vm_call(box, "Random", ARGS(hl_u32(32)));
    snapshot = take(box);
    for (i = 0; i < 4; i++) {
        other = i % 2 ? make_clone(snapshot, NULL) : box;
        if (i == 2)
            restore(box, snapshot);
        memcpy(random[i], vm_call(other, "Random", ARGS(hl_u32(32))).as.bytes, 32);
        generation[i] = vm_call(other, "Generation", NONE).as.u64;
        CHECK(generation[i]);
        if (i % 2)
            hl_sandbox_destroy(other);
        for (k = 0; k < i; k++) {
            CHECK(generation[i] != generation[k]);
            CHECK(memcmp(random[i], random[k], 32));
        }
    }
    hl_snapshot_release(snapshot);
    hl_sandbox_destroy(box);
}

/* The registers that the gate keeps are part of a snapshot; all others are not. */
TEST(snapshot_keeps_control_words)
{
    hl_sandbox *box = vm_box("memory", NULL, NULL);
    hl_snapshot *plain = take(box), *odd;

    vm_call(box, "SetControl", ARGS(hl_u32(0x9fc0), hl_u32(0xf7f)));
    odd = take(box);
    CHECK_INT(vm_call(box, "Control", NONE).as.u64, 0xf7fll << 32 | 0x9fc0);
    restore(box, plain);
    CHECK_INT(vm_call(box, "Control", NONE).as.u64, 0x37fll << 32 | 0x1f80);
    restore(box, odd);
    CHECK_INT(vm_call(box, "Control", NONE).as.u64, 0xf7fll << 32 | 0x9fc0);
    hl_snapshot_release(plain);
    hl_snapshot_release(odd);
    hl_sandbox_destroy(box);
}

/* ---- Forked off ------------------------------------------------------------------------ */

/* A child makes sandboxes of its own from what it inherits; its parent's goes on. */
TEST(snapshot_in_a_forked_child)
{
    hl_sandbox *box = vm_box("simple", NULL, NULL), *idle = vm_box("simple", NULL, NULL);
    hl_guest *guest = vm_guest("simple");
    hl_snapshot *snapshot;
    hl_cache_stats stats;
    hl_sandbox *own;
    int status;
    pid_t child;

    hl_sandbox_destroy(idle); /* a VM for the cache */
    count(box);
    snapshot = take(box);
    child = fork();
    if (!child) {
        hl_cache_get_stats(&stats);
        CHECK_INT(stats.idle, 0);
        own = make_clone(snapshot, NULL);
        CHECK_INT(count(own), 2);
        restore(own, snapshot);
        CHECK_INT(count(own), 2);
        hl_sandbox_destroy(own);
        CHECK_INT(hl_sandbox_create(&own, guest, NULL, NULL, NULL), HL_OK);
        CHECK_INT(count(own), 1);
        hl_sandbox_destroy(own);
        _exit(0);
    }
    CHECK_INT(waitpid(child, &status, 0), child);
    CHECK_INT(status, 0);
    CHECK_INT(count(box), 2);
    restore(box, snapshot);
    CHECK_INT(count(box), 2);
    hl_snapshot_release(snapshot);
    hl_sandbox_destroy(box);
    hl_guest_release(guest);
}

/* ---- Threads ------------------------------------------------------------------------------ */

static void *clone_and_count(void *snapshot)
{
    hl_sandbox *box;
    int i;

    for (i = 0; i < 50; i++) {
        box = make_clone(snapshot, NULL);
        CHECK_INT(count(box), 2);
        restore(box, snapshot);
        CHECK_INT(count(box), 2);
        hl_sandbox_destroy(box);
    }
    return NULL;
}

TEST(snapshot_thread_clones)
{
    hl_sandbox *box = vm_box("simple", NULL, NULL);
    pthread_t threads[4];
    hl_snapshot *snapshot;
    int i;

    count(box);
    snapshot = take(box);
    hl_sandbox_destroy(box);
    for (i = 0; i < 4; i++)
        CHECK_INT(pthread_create(&threads[i], NULL, clone_and_count, snapshot), 0);
    for (i = 0; i < 4; i++)
        pthread_join(threads[i], NULL);
    hl_snapshot_release(snapshot);
}
