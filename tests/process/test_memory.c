/* SPDX-License-Identifier: Apache-2.0 */
/* Memory of guests in processes: what a restore leaves, and who has how much of it. */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

#include "../../src/host/snapshot.h"
#include "process.h"

enum { FEW = 20, MANY = 200, HEAP_PAGES = 512 };

static hl_sandbox *make(void)
{
    hl_config config = {
        .struct_size = sizeof config, .message_size = 65536, .heap_size = HEAP_PAGES * HL_PAGE};

    return process_box("memory", &config);
}

/* Reads a page of the child's and compares it with what the snapshot has. */
static void compare(hl_sandbox *box, const hl_snapshot *snapshot, const uint64_t numbers[],
                    uint32_t count)
{
    const uint8_t *pages[HV_STORE_MAX];
    hl_error err;
    uint32_t i;

    if (hv_process.store(pages, box->vm->machine, numbers, count, &err))
        FAIL("store: %s", err.text);
    for (i = 0; i < count; i++)
        if (memcmp(pages[i], content_at(snapshot->content, numbers[i]), HL_PAGE))
            FAIL("page %llu is not the snapshot's", (unsigned long long)numbers[i]);
}

/* All memory that the guest may write. */
static void compare_all(hl_sandbox *box, const hl_snapshot *snapshot)
{
    const struct hv_vm *machine = box->vm->machine;
    uint64_t numbers[HV_STORE_MAX], at;
    uint32_t i, n = 0;

    vm_lay(box->vm); /* as its next entry would */
    for (i = 0; i < machine->region_count; i++) {
        const struct hv_region *region = &machine->regions[i];

        if (region->kind != HV_REGION_MEMORY || !(region->access & HL_WRITE))
            continue;
        for (at = 0; at < region->size; at += HL_PAGE) {
            numbers[n++] = (region->gpa + at) / HL_PAGE;
            if (n == HV_STORE_MAX)
                compare(box, snapshot, numbers, n);
            n %= HV_STORE_MAX;
        }
    }
    compare(box, snapshot, numbers, n);
}

/* Writes pages all over the heap. */
static void write_pages(hl_sandbox *box, uint32_t count)
{
    const hl_area *heap = &box->shape->layout.areas[AREA_HEAP];
    uint32_t i;

    for (i = 0; i < count; i++)
        vm_call(box, "Poke",
                ARGS(hl_u64(heap->address +
                            (uint64_t)(random() % (HEAP_PAGES / 2) + HEAP_PAGES / 2) * HL_PAGE),
                     hl_u64((uint64_t)random())));
}

static void restores_are_exact(void)
{
    hl_sandbox *box = make();
    hl_snapshot *first = process_take(box), *second;
    int i;

    for (i = 0; i < 30; i++) {
        write_pages(box, i % 3 ? FEW : MANY);
        second = process_take(box);
        compare_all(box, second);
        write_pages(box, FEW);
        process_restore(box, i % 2 ? first : second);
        compare_all(box, i % 2 ? first : second);
        write_pages(box, 1);
        process_restore(box, first);
        compare_all(box, first);
        hl_snapshot_release(second);
    }
    hl_snapshot_release(first);
    hl_sandbox_destroy(box);
}

TEST(memory_restores_are_exact)
{
    restores_are_exact();
}

/* Kernels before 6.7 have no PAGEMAP_SCAN. */
TEST(memory_restores_are_exact_by_the_page_map)
{
    vm_refuse(SYS_ioctl, 1, 0xc0606610, ENOTTY);
    restores_are_exact();
}

/* Nor has every process a /proc: then all pages are taken for dirty. */
TEST(memory_restores_are_exact_without_proc)
{
    vm_refuse(SYS_openat, 2, 0 /* O_RDONLY */, ENOENT);
    restores_are_exact();
}

static void replies_are_cleared(uint32_t size)
{
    hl_config config = {.struct_size = sizeof config, .message_size = 256 << 10};
    hl_sandbox *box = process_box("memory", &config);
    hl_snapshot *clean = process_take(box);
    const uint8_t *replies = memory_at(&box->vm->memory, AREA_REPLIES, 0, config.message_size);
    uint64_t i, sum = 0;

    vm_call(box, "Random", ARGS(hl_u32(size)));
    for (i = HL_PAGE; i < config.message_size; i++)
        sum += replies[i];
    CHECK(sum != 0);
    process_restore(box, clean);
    vm_call(box, "Generation", NONE);
    for (i = HL_PAGE; i < config.message_size; i++)
        if (replies[i])
            FAIL("byte %llu of the replies is %u", (unsigned long long)i, replies[i]);
    hl_snapshot_release(clean);
    hl_sandbox_destroy(box);
}

/* The page map of a child does not name what it wrote to shared memory. */
TEST(memory_of_replies_is_cleared)
{
    replies_are_cleared(10000);
    replies_are_cleared(100000);
}

/* The messages of who had a slot before are not there for who gets it next. */
TEST(memory_of_slots_is_cleared)
{
    static char text[40000];
    hl_sandbox *keeper, *box; /* the first keeps the template alive */
    hl_snapshot *start;
    const uint8_t *messages;
    hl_value ret;
    uint32_t slot, i;
    hl_error err;
    int area;

    hl_cache_limit(0);
    keeper = make();
    start = process_take(keeper);
    CHECK_INT(hl_sandbox_create_from(&box, start, NULL, NULL, &err), HL_OK);
    CHECK(box->vm->machine->template == keeper->vm->machine->template);
    memset(text, 'x', sizeof text);
    slot = box->vm->machine->slot_number;
    CHECK_INT(hl_sandbox_call(&ret, box, "AskLate", ARGS(hl_strn(text, sizeof text)), &err),
              HL_E_FAILED);
    vm_call(box, "Random", ARGS(hl_u32(10000)));
    hl_sandbox_destroy(box);
    CHECK_INT(hl_sandbox_create_from(&box, start, NULL, NULL, &err), HL_OK);
    CHECK(box->vm->machine->template == keeper->vm->machine->template);
    CHECK_INT(box->vm->machine->slot_number, slot);
    vm_call(box, "Generation", NONE);
    for (area = AREA_REQUESTS; area <= AREA_REPLIES; area++) {
        messages = memory_at(&box->vm->memory, area, 0, 65536);
        for (i = HL_PAGE; i < 65536; i++)
            if (messages[i])
                FAIL("area %d: byte %u is 0x%x", area, i, messages[i]);
    }
    hl_snapshot_release(start);
    hl_sandbox_destroy(box);
    hl_sandbox_destroy(keeper);
}

/* ---- Registers ---------------------------------------------------------------------- */

/* As process_run orders a restore, but with another place to go on than the
 * gate's entry, which clears what this is about once more. */
static void go_on_at(struct hv_vm *machine, uint64_t rip)
{
    struct tracer_slot *slot = machine->slot;

    slot->rip = rip;
    slot->rsp = slot->rdi = 0;
    slot->rflags = 2;
    slot->steps = TRACER_STOP | TRACER_RESET | TRACER_GO;
    slot->event.kind = TRACER_NONE;
    __atomic_fetch_or(&machine->template->head->pending[machine->slot_number / 64],
                      1ull << machine->slot_number % 64, __ATOMIC_SEQ_CST);
    CHECK(!syscall(SYS_pidfd_send_signal, machine->template->tracer, SIGUSR1, NULL, 0));
    while (__atomic_load_n(&slot->event.kind, __ATOMIC_SEQ_CST) == TRACER_NONE)
        usleep(1000);
}

/* Registers of a child that is put back are the kernel's doing, those of XSAVE
 * too: none of what they had is there at its first instruction. */
static void registers_are_put_back(void)
{
    hl_sandbox *box = process_box("escape", NULL);
    struct hv_vm *machine = box->vm->machine;
    const uint64_t kept = vm_call(box, "Kept", NONE).as.u64;
    const uint64_t code = vm_call(box, "Stain", NONE).as.u64;
    const uint64_t page = (kept & ~(uint64_t)(HL_PAGE - 1));
    uint64_t found[HL_PAGE / 8];
    struct iovec here = {found, sizeof found}, there = {(void *)(uintptr_t)page, HL_PAGE};
    size_t at = (kept - page) / 8;

    go_on_at(machine, code);
    CHECK_INT(machine->slot->event.kind, TRACER_SIGNAL);
    CHECK_INT(machine->slot->event.signal, SIGILL);
    CHECK_INT(process_vm_readv(process_child(box), &here, 1, &there, 1, 0), HL_PAGE);
    CHECK(at + 2 < HL_PAGE / 8);
    CHECK_INT(found[at], 0);
    CHECK_INT(found[at + 1], 0);
    CHECK_INT(found[at + 2], 0);
    hl_sandbox_destroy(box);
}

TEST(memory_of_registers_is_put_back)
{
    registers_are_put_back();
}

/* Nor are they the application's, where the tracer is a fork of it. */
TEST(memory_of_registers_is_put_back_by_a_fork)
{
    process_subreaper();
    __asm__ volatile("pcmpeqd %%xmm15, %%xmm15" ::: "xmm15");
    registers_are_put_back();
}

/* ---- What is named as written ------------------------------------------------------ */

struct named {
    uint64_t first, last; /* pages that the guest is told to write */
    uint32_t count, others;
};

static void name(void *ctx, uint64_t page)
{
    struct named *named = ctx;

    if (page >= named->first && page <= named->last)
        named->count++;
    else
        named->others++;
}

/* Pages that a guest wrote, and those alone: not all, nor what it read, where
 * the kernel tells zeros that were read from zeros that were written. */
static void names_what_was_written(bool exactly)
{
    enum { READ = 100, WRITTEN = 37, OTHERS_MAX = 16 /* stack, data */ };
    hl_sandbox *box = make();
    const uint64_t heap = box->shape->layout.areas[AREA_HEAP].address + HEAP_PAGES / 2 * HL_PAGE;
    struct named named = {(heap - HL_WINDOW) / HL_PAGE, 0, 0, 0};
    hl_error err;
    uint32_t i;

    process_needs_proc(); /* else all is named */
    named.last = named.first + HEAP_PAGES / 2 - 1;
    for (i = 0; i < READ; i++)
        vm_call(box, "Peek", ARGS(hl_u64(heap + i * HL_PAGE)));
    for (i = 0; i < WRITTEN; i++)
        vm_call(box, "Poke", ARGS(hl_u64(heap + 3ull * i * HL_PAGE), hl_u64(i)));
    CHECK_INT(hv_process.dirty(box->vm->machine, name, &named, &err), HL_OK);
    CHECK(named.count >= WRITTEN && named.count <= (exactly ? WRITTEN : WRITTEN + READ));
    CHECK(named.others > 0 && named.others <= OTHERS_MAX);
    hl_sandbox_destroy(box);
}

TEST(memory_names_what_was_written)
{
    const int map = open("/proc/self/pagemap", O_RDONLY);
    uint64_t scan[12] = {sizeof scan}; /* Linux 6.7 has it */

    names_what_was_written(!ioctl(map, 0xc0606610, scan) || errno != ENOTTY);
}

TEST(memory_names_what_was_written_by_the_page_map)
{
    vm_refuse(SYS_ioctl, 1, 0xc0606610, ENOTTY);
    names_what_was_written(false);
}

/* ---- Which child ------------------------------------------------------------------- */

TEST(memory_is_put_back_up_to_the_break_even)
{
    hl_sandbox *box = make();
    hl_snapshot *clean = process_take(box);
    const pid_t first = process_child(box);

    write_pages(box, FEW);
    process_restore(box, clean);
    write_pages(box, 1);
    CHECK_INT(process_child(box), first);
    write_pages(box, MANY);
    process_restore(box, clean);
    write_pages(box, 1);
    CHECK(process_child(box) != first);
    CHECK(process_is_gone(first));
    hl_snapshot_release(clean);
    hl_sandbox_destroy(box);
}

/* An idle VM has no child: none is ever another tenant's. */
TEST(memory_of_idle_vms_is_nobodys)
{
    hl_sandbox *box = make(), *other;
    hl_snapshot *clean = process_take(box);
    hl_cache_stats stats;
    pid_t child;
    hl_error err;

    hl_sandbox_destroy(box);
    CHECK_INT(hl_sandbox_create_from(&box, clean, NULL, NULL, &err), HL_OK);
    write_pages(box, 1);
    child = process_child(box);
    CHECK_INT(hl_sandbox_create_from(&other, clean, NULL, NULL, &err), HL_OK);
    hl_sandbox_destroy(box);
    hl_cache_get_stats(&stats);
    CHECK_INT(stats.idle, 1);
    CHECK(process_is_gone(child));
    CHECK_INT(process_child(other), 0);
    write_pages(other, 1);
    CHECK(process_child(other) && process_child(other) != child);
    hl_snapshot_release(clean);
    hl_sandbox_destroy(other);
}

/* ---- How much ---------------------------------------------------------------------- */

/* Bytes of guest memory that a process has: "Rss"; for itself: "Anonymous". */
static uint64_t guest_memory(pid_t pid, const char *kind)
{
    const size_t len = strlen(kind);
    char path[64], line[512];
    unsigned long long start = 0, kib = 0, first, end;
    uint64_t sum = 0;
    FILE *file;

    snprintf(path, sizeof path, "/proc/%d/smaps", pid);
    file = fopen(path, "r");
    CHECK(file);
    while (fgets(line, sizeof line, file)) {
        if (sscanf(line, "%llx-%llx ", &first, &end) == 2)
            start = first;
        if (start >= HL_SLIDE && start < TRACER_ARENA && !strncmp(line, kind, len) &&
            sscanf(line + len, ": %llu kB", &kib) == 1)
            sum += kib * 1024;
    }
    fclose(file);
    return sum;
}

/* A template that has touched nothing costs its clones nothing. */
TEST(memory_of_a_template_is_untouched)
{
    hl_sandbox *box = make();

    write_pages(box, FEW);
    CHECK_INT(guest_memory(process_template_of(box), "Rss"), 0);
    CHECK(guest_memory(process_child(box), "Anonymous") > 0);
    hl_sandbox_destroy(box);
}

static uint64_t page_tables(pid_t pid)
{
    char kib[64];

    CHECK(process_field(kib, sizeof kib, pid, "status", "VmPTE"));
    return strtoull(kib, NULL, 10) * 1024;
}

/* However much memory a snapshot holds: a clone of it gets page tables and pages
 * as it touches them. */
TEST(memory_of_a_clone_is_what_it_touches)
{
    enum { PAGES = 16384, FEW_BYTES = 100 << 10 };
    const hl_config config = {.struct_size = sizeof config, .heap_size = 256 << 20};
    hl_sandbox *box = process_box("memory", &config), *clone;
    hl_snapshot *large;
    hl_error err;

    vm_call(box, "Fill", ARGS(hl_u32(0), hl_u32(PAGES), hl_u64(7)));
    CHECK(guest_memory(process_child(box), "Anonymous") >= PAGES * HL_PAGE);
    CHECK(page_tables(process_child(box)) > FEW_BYTES);
    large = process_take(box);
    CHECK_INT(hl_sandbox_create_from(&clone, large, NULL, NULL, &err), HL_OK);
    hl_sandbox_destroy(box);
    CHECK_INT(vm_call(clone, "SumPages", ARGS(hl_u32(PAGES - 1), hl_u32(1))).as.u64, 7);
    CHECK_INT(guest_memory(process_template_of(clone), "Rss"), 0);
    CHECK(page_tables(process_template_of(clone)) <= FEW_BYTES);
    CHECK(page_tables(process_child(clone)) <= FEW_BYTES);
    CHECK(guest_memory(process_child(clone), "Anonymous") <= 32 * HL_PAGE);
    hl_snapshot_release(large);
    hl_sandbox_destroy(clone);
}

/* ---- Who writes it ----------------------------------------------------------------- */

/* The tracer may, as the parent of what it traces; the host need not be allowed to. */
TEST(memory_is_written_by_the_tracer)
{
    hl_sandbox *box = make();
    hl_snapshot *clean = process_take(box);
    const pid_t child = process_child(box);
    int host, tracer;

    write_pages(box, FEW);
    host = process_count_one(getpid(), "id == 310 || id == 311 || id == 101");
    tracer = process_count_one(process_tracer(box), "id == 310 || id == 311");
    if (host < 0 || tracer < 0)
        test_skip("no tracepoints here");
    process_restore(box, clean);
    write_pages(box, 1);
    hl_snapshot_release(process_take(box));
    CHECK_INT(process_child(box), child);
    CHECK_INT(process_count(host), 0);
    CHECK(process_count(tracer) >= 2); /* put back, and read */
    hl_snapshot_release(clean);
    hl_sandbox_destroy(box);
}
