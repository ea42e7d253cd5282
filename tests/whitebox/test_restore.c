/* SPDX-License-Identifier: Apache-2.0 */
/* After a restore, every byte of guest memory is what it was when it was taken. */
#include <pthread.h>
#include <stdio.h>
#include <unistd.h>

#include "../../src/host/hv/kvm.h"
#include "inside.h"
#include "vm/held.h"
#include "supervisor.h"

static uint64_t random_state = 0x9e3779b97f4a7c15;
static uint64_t random64(void)
{
    random_state ^= random_state << 13;
    random_state ^= random_state >> 7;
    random_state ^= random_state << 17;
    return random_state;
}

static void write_pages(hl_sandbox *box, uint64_t seed, uint32_t heap, uint32_t data,
                        uint32_t stack)
{
    vm_call(box, "Write", ARGS(hl_u64(seed), hl_u32(heap), hl_u32(data), hl_u32(stack)));
}

static hl_config small_messages(void)
{
    return (hl_config){
        .struct_size = sizeof(hl_config), .message_size = 1 << 20, .heap_size = 32 << 20};
}

/* ---- Random writes -------------------------------------------------------------- */

/* Around each limit of the engine: hot pages, listed pages, the ring, memory
 * that is given back. */
static const uint32_t sizes[] = {0,  1,   2,   15,   16,   47,   48,   49,   64,
                                 65, 200, 500, 1000, 1023, 1024, 1025, 2000, 4000};
enum { SIZES = sizeof sizes / sizeof *sizes };

BOTH_TRACKERS(restore_after_random_writes)
{
    const hl_config config = small_messages();
    const int rounds = test_full() ? 2000 : 80;
    hl_sandbox *box = inside_box(hv, "memory", &config);
    struct inside_copy copy;
    hl_snapshot *snapshot;
    uint32_t calls;
    int i;

    write_pages(box, 1, 300, 40, 10);
    snapshot = inside_take(&copy, box);
    for (i = 0; i < rounds; i++) {
        for (calls = 1 + (uint32_t)(random64() % 3); calls; calls--)
            write_pages(box, random64() | 1, sizes[random64() % SIZES],
                        (uint32_t)(random64() % 100), (uint32_t)(random64() % 50));
        inside_restore(box, snapshot);
        inside_check(box->vm, &copy);
    }
    hl_snapshot_release(snapshot);
    hl_sandbox_destroy(box);
    inside_copy_free(&copy);
}

/* The same pages every time, so that they stay hot, and now and then others. */
BOTH_TRACKERS(restore_after_repeated_writes)
{
    static const uint32_t sets[] = {1, 16, 40, 256, 1000};
    const hl_config config = small_messages();
    hl_sandbox *box = inside_box(hv, "memory", &config);
    struct inside_copy copy;
    hl_snapshot *snapshot;
    uint32_t i;
    int k;

    write_pages(box, 3, 20, 5, 2);
    snapshot = inside_take(&copy, box);
    for (i = 0; i < sizeof sets / sizeof *sets; i++)
        for (k = 0; k < 30; k++) {
            write_pages(box, 77 + i, sets[i], 8, 3);
            if (k % 7 == 6)
                write_pages(box, random64() | 1, (uint32_t)(random64() % 70), 1, 0);
            inside_restore(box, snapshot);
            inside_check(box->vm, &copy);
        }
    hl_snapshot_release(snapshot);
    hl_sandbox_destroy(box);
    inside_copy_free(&copy);
}

/* Each time a few pages more, restored after every second call only. */
BOTH_TRACKERS(restore_after_growing_writes)
{
    const hl_config config = small_messages();
    hl_sandbox *box = inside_box(hv, "memory", &config);
    struct inside_copy copy;
    hl_snapshot *snapshot = inside_take(&copy, box);
    uint32_t pages, step = test_full() ? 7 : 61;

    for (pages = 0; pages < 3000; pages += step) {
        vm_call(box, "Fill", ARGS(hl_u32(0), hl_u32(pages), hl_u64(random64())));
        if (pages / step % 2)
            continue;
        inside_restore(box, snapshot);
        inside_check(box->vm, &copy);
    }
    hl_snapshot_release(snapshot);
    hl_sandbox_destroy(box);
    inside_copy_free(&copy);
}

/* Pages that a snapshot has as zeros although an older one has bytes there. */
BOTH_TRACKERS(restore_of_pages_that_became_zero)
{
    const hl_config config = small_messages();
    hl_sandbox *box = inside_box(hv, "memory", &config), *clone;
    struct inside_copy copies[3];
    hl_snapshot *snapshots[3];
    int i, k;

    for (i = 0; i < 3; i++) {
        vm_call(box, "Fill", ARGS(hl_u32(0), hl_u32(200), hl_u64(i == 1 ? 0 : i + 1)));
        snapshots[i] = inside_take(&copies[i], box);
    }
    for (i = 0; i < 3; i++)
        for (k = 0; k < 3; k++) {
            inside_restore(box, snapshots[i]);
            vm_call(box, "Fill", ARGS(hl_u32(100), hl_u32(200), hl_u64(9)));
            inside_restore(box, snapshots[k]);
            inside_check(box->vm, &copies[k]);
        }
    for (i = 0; i < 3; i++) {
        clone = inside_clone(snapshots[i], NULL, NULL);
        inside_check(clone->vm, &copies[i]);
        hl_sandbox_destroy(clone);
        hl_snapshot_release(snapshots[i]);
        inside_copy_free(&copies[i]);
    }
    hl_sandbox_destroy(box);
}

/* ---- More pages than the ring has room for --------------------------------------- */

BOTH_TRACKERS(restore_after_a_full_ring)
{
    enum { PAGES = 3500 };
    const hl_config config = small_messages();
    hl_sandbox *box = inside_box(hv, "memory", &config), *clone;
    const struct hv_vm *machine = box->vm->machine;
    struct inside_copy empty, full;
    hl_snapshot *before = inside_take(&empty, box), *after;
    uint32_t read, i;

    for (i = 0; i < 4; i++) {
        read = machine->ring_at;
        vm_call(box, "Fill", ARGS(hl_u32(0), hl_u32(PAGES), hl_u64(5 + i)));
        if (machine->ring) /* read while the call ran */
            CHECK(machine->ring_at - read > PAGES / 2);
        CHECK_INT(vm_call(box, "SumPages", ARGS(hl_u32(0), hl_u32(PAGES))).as.u64, PAGES * (5 + i));
        after = inside_take(&full, box);
        CHECK(full.count > PAGES);
        inside_restore(box, before);
        inside_check(box->vm, &empty);
        CHECK_INT(vm_call(box, "SumPages", ARGS(hl_u32(0), hl_u32(PAGES))).as.u64, 0);
        clone = inside_clone(after, NULL, NULL);
        inside_check(clone->vm, &full);
        hl_sandbox_destroy(clone);
        inside_restore(box, after);
        inside_check(box->vm, &full);
        inside_restore(box, before);
        inside_check(box->vm, &empty);
        hl_snapshot_release(after);
        inside_copy_free(&full);
    }
    hl_snapshot_release(before);
    hl_sandbox_destroy(box);
    inside_copy_free(&empty);
}

/* ---- Messages ---------------------------------------------------------------------- */

static void echo(hl_sandbox *box, uint32_t size)
{
    uint8_t *bytes = malloc(size);
    hl_value ret;

    CHECK(bytes);
    memset(bytes, 0xa5, size);
    ret = vm_call(box, "EchoBytes", ARGS(hl_bytes(bytes, size)));
    CHECK_INT(ret.len, size);
    CHECK(!memcmp(ret.as.bytes, bytes, size));
    free(bytes);
}

static void sum(hl_sandbox *box, uint32_t size)
{
    uint8_t *bytes = malloc(size);

    CHECK(bytes);
    memset(bytes, 3, size);
    CHECK_INT(vm_call(box, "SumBytes", ARGS(hl_bytes(bytes, size))).as.u64, 3ull * size);
    free(bytes);
}

BOTH_TRACKERS(restore_clears_messages)
{
    static const uint32_t bytes[] = {1, 3000, 5000, 900 << 10, 3 << 20, 7 << 20, 12 << 20, 100};
    /* What the engine keeps, and what huge pages round it up to. */
    const uint64_t requests = 5 << 20, replies = 8 << 20;
    hl_sandbox *box = inside_box(hv, "simple", NULL);
    struct vm *vm = box->vm;
    struct inside_copy copy;
    hl_snapshot *snapshot = inside_take(&copy, box);
    uint32_t i;

    for (i = 0; i < sizeof bytes / sizeof *bytes; i++) {
        echo(box, bytes[i]);
        inside_restore(box, snapshot);
        inside_check(vm, &copy);
        CHECK(inside_resident_area(vm, AREA_REQUESTS) <= requests);
        CHECK(inside_resident_area(vm, AREA_REPLIES) <= replies);
        echo(box, 100); /* a short message behind a long one */
        inside_restore(box, snapshot);
        inside_check(vm, &copy);
    }
    echo(box, 12 << 20);
    hl_sandbox_destroy(box); /* into the cache */
    CHECK(inside_resident_area(vm, AREA_REQUESTS) <= requests);
    CHECK(inside_resident_area(vm, AREA_REPLIES) <= replies);
    box = inside_clone(snapshot, NULL, NULL);
    CHECK(box->vm == vm);
    inside_check(vm, &copy);
    sum(box, 12 << 20); /* much of requests alone */
    hl_sandbox_destroy(box);
    CHECK(inside_resident_area(vm, AREA_REQUESTS) <= requests);
    hl_snapshot_release(snapshot);
    inside_copy_free(&copy);
}

/* ---- Abnormal ends ------------------------------------------------------------------- */

struct end {
    const char *function;
    hl_status status;
    bool number; /* its argument is a number */
    uint64_t value;
};

static const struct end simple_ends[] = {
    {"WriteCode", HL_E_FAULT, false, 0},     {"ExecuteData", HL_E_FAULT, false, 0},
    {"ExecuteStack", HL_E_FAULT, false, 0},  {"ExecuteHeap", HL_E_FAULT, false, 0},
    {"Undefined", HL_E_FAULT, false, 0},     {"Breakpoint", HL_E_FAULT, false, 0},
    {"Halt", HL_E_FAULT, false, 0},          {"StackOverflow", HL_E_FAULT, false, 0},
    {"LibcAbort", HL_E_ABORT, false, 0},     {"BufferOverrun", HL_E_ABORT, false, 0},
    {"NullPointer", HL_E_FAULT, false, 0},   {"Spin", HL_E_DEADLINE, false, 0},
    {"WriteAt", HL_E_FAULT, true, HL_BOOT},  {"WriteAt", HL_E_FAULT, true, HL_GATE},
    {"ReadAt", HL_E_FAULT, true, HL_WINDOW}, {"JumpTo", HL_E_FAULT, true, 0x1234},
};
static const struct end hostile_ends[] = {
    {"InGate", HL_E_PROTOCOL, false, 0},
    {"InGate16", HL_E_PROTOCOL, false, 0},
    {"InGate32", HL_E_PROTOCOL, false, 0},
    {"OutGate16", HL_E_FAULT, false, 0},
    {"OutGate32", HL_E_FAULT, false, 0},
    {"InsGate", HL_E_PROTOCOL, false, 0},
    {"OutsGate", HL_OK, false, 0},
    {"OutReport", HL_E_FAULT, false, 0},
    {"Cli", HL_E_FAULT, false, 0},
    {"Syscall", HL_E_FAULT, false, 0},
    {"TrapFlag", HL_E_FAULT, false, 0},
    {"NestedTask", HL_E_FAULT, false, 0},
    {"AlignmentCheck", HL_E_FAULT, false, 0},
    {"VirtualMode", HL_E_FAULT, false, 0},
    {"KernelStack", HL_E_FAULT, false, 0},
    {"WreckStack", HL_E_FAULT, false, 0},
    {"WreckStackFault", HL_E_FAULT, false, 0},
    {"NullSegments", HL_E_FAULT, false, 0},
    {"LoopMovs", HL_E_DEADLINE, false, 0},
    {"BareGate", HL_OK, false, 0},
    {"WriteByte", HL_E_FAULT, true, HL_WINDOW},
    {"Vmcall", HL_E_FAULT, false, 0},
    {"WriteByte", HL_E_FAULT, true, 0xdeadbeef},
};

/* Hypervisors disagree about a few of them (a fault, or another exit), so what
 * counts is that it failed and POISONED the sandbox. HL_OK: the guest may have
 * come out of the gate all the same. */
static void end(hl_sandbox *box, const struct end *how)
{
    const hl_value arg = hl_u64(how->value);
    hl_error err;
    hl_status status;

    hl_sandbox_set_deadline(box, how->status == HL_E_DEADLINE ? 30000 : 0, NULL);
    status = hl_sandbox_call(NULL, box, how->function, &arg, how->number, &err);
    hl_sandbox_set_deadline(box, 0, NULL);
    if (!status) {
        if (how->status)
            FAIL("%s succeeded", how->function);
        return;
    }
    if (err.status != how->status && err.status != HL_E_FAULT && err.status != HL_E_PROTOCOL)
        FAIL("%s: %d, %s", how->function, err.status, err.text);
    CHECK_INT(hl_sandbox_state(box), HL_POISONED);
}

static void restore_after(const struct hv_ops *hv, const char *guest, const struct end ends[],
                          size_t count)
{
    hl_sandbox *box = inside_box(hv, guest, NULL);
    struct inside_copy copy;
    hl_snapshot *snapshot = inside_take(&copy, box);
    size_t i;

    for (i = 0; i < count; i++) {
        end(box, &ends[i]);
        inside_restore(box, snapshot);
        inside_check(box->vm, &copy);
        vm_call(box, "Nothing", NONE);
        end(box, &ends[i]); /* once more, and by the cache */
        hl_sandbox_destroy(box);
        box = inside_clone(snapshot, NULL, NULL);
        inside_check(box->vm, &copy);
        vm_call(box, "Nothing", NONE);
    }
    hl_snapshot_release(snapshot);
    hl_sandbox_destroy(box);
    inside_copy_free(&copy);
}

BOTH_TRACKERS(restore_after_faults)
{
    restore_after(hv, "simple", simple_ends, sizeof simple_ends / sizeof *simple_ends);
}

BOTH_TRACKERS(restore_after_attacks)
{
    restore_after(hv, "hostile", hostile_ends, sizeof hostile_ends / sizeof *hostile_ends);
}

/* Bytes that arrive when the abandoned access is drained, in a page that nobody
 * has written before: the page counts, too. */
BOTH_TRACKERS(restore_after_an_abandoned_string_input)
{
    hl_sandbox *box = inside_box(hv, "hostile", NULL);
    const struct hl_area *heap = &box->vm->memory.layout->areas[AREA_HEAP];
    struct kvm_run *run = box->vm->machine->run;
    struct inside_copy copy;
    hl_snapshot *snapshot = inside_take(&copy, box);
    uint64_t at;

    for (at = heap->size / 2; at < heap->size / 2 + 8 * PAGE; at += PAGE) {
        if (hl_sandbox_call(NULL, box, "InsAt", ARGS(hl_u64(heap->address + at)), NULL) !=
            HL_E_PROTOCOL)
            test_skip("string input from user mode is a fault here");
        CHECK_INT(run->exit_reason, KVM_EXIT_IO);
        memset((uint8_t *)run + run->io.data_offset, 0xa5, (size_t)run->io.size * run->io.count);
        inside_restore(box, snapshot);
        inside_check(box->vm, &copy);
        vm_call(box, "Nothing", NONE);
        inside_restore(box, snapshot);
        inside_check(box->vm, &copy);
    }
    hl_snapshot_release(snapshot);
    hl_sandbox_destroy(box);
    inside_copy_free(&copy);
}

/* KVM writes into the areas that a supervisor asks for whenever it likes, so
 * none may be asked for, not even if the wall fell. */
BOTH_TRACKERS(restore_of_what_kvm_would_write)
{
    static const uint32_t areas[] = {0x11,       0x12,       0x4b564d00, 0x4b564d01,
                                     0x4b564d02, 0x4b564d03, 0x4b564d04, 0x4b564d06};
    hl_sandbox *box = inside_box(hv, "simple", NULL);
    const struct hl_area *heap = &box->vm->memory.layout->areas[AREA_HEAP];
    struct inside_copy copy;
    hl_snapshot *snapshot = inside_take(&copy, box);
    uint64_t gpa = layout_gpa(heap->address) + heap->size / 2;
    size_t i;

    for (i = 0; i < sizeof areas / sizeof *areas; i++, gpa += PAGE)
        supervisor_set_msr(box->vm->machine, areas[i], gpa | 1);
    vm_expect(HL_E_FAULT, NULL, box, "Undefined", NONE, NULL);
    for (i = 0; i < 3; i++) {
        inside_restore(box, snapshot);
        usleep(20000);
        inside_check(box->vm, &copy);
        vm_call(box, "SpinFor", ARGS(hl_u64(1000000)));
    }
    hl_snapshot_release(snapshot);
    hl_sandbox_destroy(box);
    inside_copy_free(&copy);
}

static void *stop_soon(void *stop)
{
    usleep(20000);
    hl_interrupt_stop(stop);
    return NULL;
}

BOTH_TRACKERS(restore_after_a_cancelled_call)
{
    hl_sandbox *box = inside_box(hv, "simple", NULL);
    struct inside_copy copy;
    hl_snapshot *snapshot = inside_take(&copy, box);
    pthread_t thread;
    int i;

    for (i = 0; i < 5; i++) {
        CHECK_INT(pthread_create(&thread, NULL, stop_soon, hl_sandbox_interrupt(box)), 0);
        vm_expect(HL_E_CANCELLED, NULL, box, "Spin", NONE, NULL);
        pthread_join(thread, NULL);
        inside_restore(box, snapshot);
        inside_check(box->vm, &copy);
        vm_call(box, "Nothing", NONE);
    }
    hl_snapshot_release(snapshot);
    hl_sandbox_destroy(box);
    inside_copy_free(&copy);
}

/* ---- Many snapshots -------------------------------------------------------------------- */

enum { LIVE = 32 };

static void change(hl_sandbox *box)
{
    const uint32_t first = (uint32_t)(random64() % 500), pages = (uint32_t)(random64() % 60);

    if (random64() % 4)
        write_pages(box, random64() | 1, pages, (uint32_t)(random64() % 20),
                    (uint32_t)(random64() % 10));
    else /* often zeros */
        vm_call(box, "Fill", ARGS(hl_u32(first), hl_u32(pages), hl_u64(random64() % 2)));
}

BOTH_TRACKERS(restore_to_any_of_many_snapshots)
{
    const hl_config config = small_messages();
    const int rounds = 1000, settled = 300;
    hl_sandbox *box = inside_box(hv, "memory", &config), *clone;
    struct inside_copy copies[LIVE];
    hl_snapshot *snapshots[LIVE];
    uint32_t early = 0, late = 0, mappings;
    int i, which, live = 0;

    for (i = 0; i < rounds; i++) {
        change(box);
        which = live < LIVE ? live : (int)(random64() % LIVE);
        if (live == LIVE) {
            hl_snapshot_release(snapshots[which]);
            inside_copy_free(&copies[which]);
        } else {
            live++;
        }
        snapshots[which] = inside_take(&copies[which], box);
        change(box);
        which = (int)(random64() % live);
        inside_restore(box, snapshots[which]);
        inside_check(box->vm, &copies[which]);
        if (i % 10)
            continue;
        mappings = (uint32_t)held_mappings("");
        if (i < settled)
            early = mappings > early ? mappings : early;
        else
            late = mappings > late ? mappings : late;
    }
    /* The views of a large snapshot's base part the VM's mapping. */
    if (late > early + early / 10 + 2 * BASE_RUNS_MAX)
        FAIL("%u mappings, in the first %d rounds at most %u", late, settled, early);
    for (i = 0; i < LIVE; i++) {
        clone = inside_clone(snapshots[i], NULL, NULL);
        inside_check(clone->vm, &copies[i]);
        write_pages(clone, random64() | 1, 30, 10, 3);
        hl_sandbox_destroy(clone);
        hl_snapshot_release(snapshots[i]);
        inside_copy_free(&copies[i]);
    }
    hl_sandbox_destroy(box);
}

/* ---- What is not restored ------------------------------------------------------------------ */

BOTH_TRACKERS(restore_renews_generation_and_seed)
{
    static const uint64_t none[3];
    hl_sandbox *box = inside_box(hv, "simple", NULL), *clone;
    struct inside_copy copy;
    hl_snapshot *snapshot = inside_take(&copy, box);
    uint64_t generation, seed[3];
    int i;

    for (i = 0; i < 3; i++) {
        generation = box->generation;
        memcpy(seed, box->seed, sizeof seed);
        inside_restore(box, snapshot);
        CHECK(box->generation && box->generation != generation);
        CHECK(memcmp(box->seed, seed, sizeof seed) && memcmp(box->seed, none, sizeof none));
        clone = inside_clone(snapshot, NULL, NULL);
        CHECK(clone->generation && clone->generation != box->generation);
        CHECK(memcmp(clone->seed, box->seed, sizeof seed));
        vm_call(box, "Nothing", NONE);
        CHECK(!memcmp(box->seed, none, sizeof none)); /* sent once */
        hl_sandbox_destroy(clone);
    }
    hl_snapshot_release(snapshot);
    hl_sandbox_destroy(box);
    inside_copy_free(&copy);
}

/* ---- How much memory stays ---------------------------------------------------------------- */

enum { KEPT_MAX = 8 << 20 };

static void check_kept(const struct vm *vm, const char *when)
{
    const uint64_t bytes = inside_resident(vm);

    if (bytes > KEPT_MAX)
        FAIL("%llu KiB are resident %s", (unsigned long long)bytes >> 10, when);
}

/* Room for so many pages in the upper half of the heap, where the guest writes. */
static hl_config heap_for(uint64_t pages)
{
    return (hl_config){.struct_size = sizeof(hl_config),
                       .message_size = 1 << 20,
                       .heap_size = 2 * pages * PAGE + (1 << 20)};
}

BOTH_TRACKERS(restore_gives_memory_back)
{
    const uint32_t pages = (test_full() ? 1024u << 20 : 256u << 20) / PAGE;
    const hl_config config = heap_for(pages);
    hl_sandbox *box = inside_box(hv, "memory", &config);
    struct vm *vm = box->vm;
    struct inside_copy copy;
    hl_snapshot *snapshot = inside_take(&copy, box);
    int i;

    check_kept(vm, "at the start");
    for (i = 0; i < 2; i++) {
        vm_call(box, "Fill", ARGS(hl_u32(0), hl_u32(pages), hl_u64(7)));
        CHECK(inside_resident(vm) >= (uint64_t)pages * PAGE);
        inside_restore(box, snapshot);
        check_kept(vm, "after a restore");
        inside_check(vm, &copy);
    }
    vm_call(box, "Fill", ARGS(hl_u32(0), hl_u32(pages), hl_u64(7)));
    hl_sandbox_destroy(box);
    check_kept(vm, "in the cache");
    box = inside_clone(snapshot, NULL, NULL);
    CHECK(box->vm == vm);
    inside_check(vm, &copy);
    hl_snapshot_release(snapshot);
    hl_sandbox_destroy(box);
    inside_copy_free(&copy);
}

/* Pages that came by a restore, not by the guest's writing. */
BOTH_TRACKERS(restore_gives_memory_of_other_snapshots_back)
{
    enum { PAGES = 8192 };
    const hl_config config = heap_for(PAGES);
    hl_sandbox *box = inside_box(hv, "memory", &config);
    struct inside_copy few_copy, many_copy;
    hl_snapshot *few = inside_take(&few_copy, box), *many;
    int i;

    vm_call(box, "Fill", ARGS(hl_u32(0), hl_u32(PAGES), hl_u64(7)));
    many = inside_take(&many_copy, box);
    for (i = 0; i < 3; i++) {
        inside_restore(box, few);
        inside_check(box->vm, &few_copy);
        check_kept(box->vm, "after a restore to a small snapshot");
        inside_restore(box, many);
        inside_check(box->vm, &many_copy);
    }
    hl_snapshot_release(few);
    hl_snapshot_release(many);
    hl_sandbox_destroy(box);
    inside_copy_free(&few_copy);
    inside_copy_free(&many_copy);
}

/* Many sandboxes, each of which writes every page at every call. */
BOTH_TRACKERS(restore_of_a_crowd_that_writes_everything)
{
    enum { CROWD = 1000, KEPT = 1 << 20 };
    const hl_config config = {
        .struct_size = sizeof config, .message_size = 65536, .heap_size = 7 << 20};
    const int count = test_full() ? CROWD : 24;
    static hl_sandbox *crowd[CROWD];
    hl_sandbox *box = inside_box(hv, "memory", &config);
    struct inside_copy copy;
    hl_snapshot *snapshot = inside_take(&copy, box);
    int i, round;

    hl_sandbox_destroy(box);
    for (i = 0; i < count; i++)
        crowd[i] = inside_clone(snapshot, NULL, NULL);
    for (round = 0; round < 3; round++)
        for (i = 0; i < count; i++) {
            vm_call(crowd[i], "WriteAll", ARGS(hl_u32(round + 1)));
            inside_restore(crowd[i], snapshot);
            inside_check(crowd[i]->vm, &copy);
            if (i % 20 == 0 && inside_resident(crowd[i]->vm) > KEPT) /* looking is slow */
                FAIL("%llu KiB are resident",
                     (unsigned long long)inside_resident(crowd[i]->vm) >> 10);
        }
    for (i = 0; i < count; i++)
        hl_sandbox_destroy(crowd[i]);
    hl_snapshot_release(snapshot);
    inside_copy_free(&copy);
}

/* Snapshots that have no page in common. */
static void one_after_the_other(const struct hv_ops *hv, uint32_t pages, uint32_t count)
{
    const hl_config config = heap_for(pages * count);
    hl_sandbox *box = inside_box(hv, "memory", &config);
    struct inside_copy *copies = calloc(count, sizeof *copies), empty_copy;
    hl_snapshot **snapshots = calloc(count, sizeof *snapshots);
    hl_snapshot *empty = inside_take(&empty_copy, box);
    uint32_t i;

    CHECK(copies && snapshots);
    for (i = 0; i < count; i++) {
        vm_call(box, "Fill", ARGS(hl_u32(pages * i), hl_u32(pages), hl_u64(i + 1)));
        snapshots[i] = inside_take(&copies[i], box);
        inside_restore(box, empty);
    }
    for (i = 0; i < 3 * count; i++) {
        inside_restore(box, snapshots[i % count]);
        inside_check(box->vm, &copies[i % count]);
        if (inside_resident(box->vm) > KEPT_MAX + (uint64_t)pages * PAGE)
            FAIL("%llu KiB are resident", (unsigned long long)inside_resident(box->vm) >> 10);
    }
    for (i = 0; i < count; i++) {
        hl_snapshot_release(snapshots[i]);
        inside_copy_free(&copies[i]);
    }
    free(copies);
    free(snapshots);
    hl_snapshot_release(empty);
    hl_sandbox_destroy(box);
    inside_copy_free(&empty_copy);
}

/* Few of large differences, which are mapped; many of small ones, which are copied. */
BOTH_TRACKERS(restore_to_one_after_the_other_gives_memory_back)
{
    one_after_the_other(hv, 900, 10);
    one_after_the_other(hv, 240, 40);
}
