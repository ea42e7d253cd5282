/* SPDX-License-Identifier: Apache-2.0 */
/* The cache of idle VMs: whose VM comes, who may have it, how many there are. */
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include "../../src/host/arch/x86_64/system.h"
#include "../../src/host/cache.h"
#include "pages_guest.h"

static struct pages pages;

static struct hv_vm *machine(const hl_sandbox *box)
{
    return box->vm->machine;
}

static void expect(uint64_t idle, uint64_t hits, uint64_t misses, uint64_t discarded)
{
    const hl_cache_stats stats = pages_stats();

    CHECK_INT(stats.idle, idle);
    CHECK_INT(stats.hits, hits);
    CHECK_INT(stats.misses, misses);
    CHECK_INT(stats.discarded, discarded);
}

/* ---- Which VM --------------------------------------------------------------------- */

TEST(a_destroyed_sandbox_leaves_its_vm_to_the_next)
{
    hl_sandbox *box;
    struct hv_vm *vm;

    pages_open(&pages, &hv_fake, 4);
    box = pages_box(&pages);
    vm = machine(box);
    pages_write(box, pages_heap(box, 3), 77);
    hl_sandbox_destroy(box);
    CHECK_INT(fake_alive(), 1);
    expect(1, 0, 1, 0);
    box = pages_box(&pages);
    CHECK(machine(box) == vm);
    CHECK_INT(pages_read(box, pages_heap(box, 3)), 0);
    CHECK_INT(fake_of(box)->scrubs, 1); /* another lineage */
    expect(0, 1, 1, 0);
    hl_sandbox_destroy(box);
    pages_close(&pages);
}

/* First one that holds the content, then one of the lineage, then any. */
TEST(the_best_match_comes_first)
{
    hl_sandbox *box, *same, *kin, *stranger, *found;
    hl_snapshot *snapshot, *later;
    struct hv_vm *vms[3];

    pages_open(&pages, &hv_fake, 4);
    box = pages_box(&pages);
    pages_write(box, pages_heap(box, 0), 1);
    snapshot = pages_take(box);
    same = pages_clone(&pages, snapshot);
    kin = pages_clone(&pages, snapshot);
    pages_write(kin, pages_heap(kin, 0), 2);
    later = pages_take(kin); /* so that it holds something else */
    stranger = pages_box(&pages);
    vms[0] = machine(same);
    vms[1] = machine(kin);
    vms[2] = machine(stranger);
    hl_sandbox_destroy(same);
    hl_sandbox_destroy(kin);
    hl_sandbox_destroy(stranger); /* the last used one, and the last choice */
    found = pages_clone(&pages, snapshot);
    CHECK(machine(found) == vms[0]);
    CHECK_INT(fake_of(found)->scrubs, 0);
    same = found;
    found = pages_clone(&pages, snapshot);
    CHECK(machine(found) == vms[1]);
    CHECK_INT(fake_of(found)->scrubs, 0);
    CHECK_INT(pages_read(found, pages_heap(found, 0)), 1);
    kin = found;
    found = pages_clone(&pages, snapshot);
    CHECK(machine(found) == vms[2]);
    CHECK_INT(fake_of(found)->scrubs, 1);
    CHECK_INT(pages_read(found, pages_heap(found, 0)), 1);
    hl_sandbox_destroy(found);
    hl_sandbox_destroy(same);
    hl_sandbox_destroy(kin);
    hl_sandbox_destroy(box);
    hl_snapshot_release(snapshot);
    hl_snapshot_release(later);
    pages_close(&pages);
}

/* Among equals the last used one, whose memory is warm. */
TEST(the_last_used_vm_comes_first)
{
    hl_sandbox *a, *b;
    struct hv_vm *second;

    pages_open(&pages, &hv_fake, 4);
    a = pages_box(&pages);
    b = pages_box(&pages);
    second = machine(b);
    hl_sandbox_destroy(a);
    hl_sandbox_destroy(b);
    a = pages_box(&pages);
    CHECK(machine(a) == second);
    hl_sandbox_destroy(a);
    pages_close(&pages);
}

TEST(a_vm_of_another_shape_is_not_taken)
{
    hl_sandbox *box;

    pages_open(&pages, &hv_fake, 4);
    hl_sandbox_destroy(pages_box(&pages));
    pages.config.heap_size += HL_PAGE;
    box = pages_box(&pages);
    expect(1, 0, 2, 0);
    hl_sandbox_destroy(box);
    pages.config.heap_size -= HL_PAGE;
    pages.config.avx = 1;
    box = pages_box(&pages);
    expect(2, 0, 3, 0);
    hl_sandbox_destroy(box);
    pages.config.avx = 0;
    pages.hv = &hv_fake_pinned;
    box = pages_box(&pages);
    expect(3, 0, 4, 0);
    hl_sandbox_destroy(box);
    pages_close(&pages);
}

/* ---- Who may have it -------------------------------------------------------------- */

static hl_sandbox *box_in(const hl_host *host, uint64_t domain)
{
    hl_config config = pages.config;
    hl_sandbox *box;
    hl_error err;

    config.trust_domain = domain;
    if (sandbox_create_on(&box, pages.hv, pages.guest, host, &config, &err))
        FAIL("create: %s", err.text);
    return box;
}

/* A sandbox of the second domain finds, or does not, the VM of one of the first. */
static void share(const hl_host *first, uint64_t first_domain, const hl_host *second,
                  uint64_t second_domain, bool shared)
{
    uint64_t hits;

    hl_cache_trim(0);
    hl_sandbox_destroy(box_in(first, first_domain));
    hits = pages_stats().hits;
    hl_sandbox_destroy(box_in(second, second_domain));
    CHECK_INT(pages_stats().hits, hits + shared);
    hl_cache_trim(0);
    hl_sandbox_destroy(box_in(second, second_domain));
    hits = pages_stats().hits;
    hl_sandbox_destroy(box_in(first, first_domain));
    CHECK_INT(pages_stats().hits, hits + shared);
}

static hl_status nothing(hl_call *call, const hl_value args[], hl_value *ret)
{
    (void)call;
    (void)args;
    (void)ret;
    return HL_OK;
}

TEST(a_vm_stays_in_its_trust_domain)
{
    static const hl_host_function function = {"h", "void()", nothing, NULL};
    hl_host *other;

    pages_open(&pages, &hv_fake, 4);
    CHECK_INT(hl_host_create(&other, &function, 1, NULL), HL_OK);
    share(pages.host, 0, pages.host, 0, true);
    share(pages.host, 0, other, 0, false);
    share(pages.host, 5, other, 5, true);
    share(pages.host, 5, pages.host, 6, false);
    share(pages.host, 5, pages.host, 0, false);
    /* A label is not the library's own number of a host, even if it is equal. */
    share(pages.host, pages.host->id, pages.host, 0, false);
    share(pages.host, UINT64_MAX, other, UINT64_MAX, true);
    hl_host_release(other);
    pages_close(&pages);
}

TEST(sandboxes_without_host_share_a_trust_domain)
{
    static const struct fake_program plain;
    hl_guest *guest = fake_image(&plain);
    hl_sandbox *box;
    hl_error err;
    int i;

    fake_use(&plain);
    hl_cache_limit(2);
    for (i = 0; i < 3; i++) {
        CHECK_INT(sandbox_create_on(&box, &hv_fake, guest, NULL, NULL, &err), HL_OK);
        hl_sandbox_destroy(box);
        expect(1, (uint64_t)i, 1, 0);
    }
    hl_cache_trim(0);
    hl_guest_release(guest);
    CHECK_INT(fake_alive(), 0);
}

TEST(no_reuse_takes_none_and_leaves_none)
{
    hl_sandbox *box;
    struct hv_vm *vm;

    pages_open(&pages, &hv_fake, 4);
    box = pages_box(&pages);
    vm = machine(box);
    hl_sandbox_destroy(box);
    pages.config.no_reuse = 1;
    box = pages_box(&pages);
    CHECK(machine(box) != vm);
    CHECK_INT(fake_alive(), 2);
    hl_sandbox_destroy(box);
    CHECK_INT(fake_alive(), 1);
    expect(1, 0, 1, 0); /* it did not even ask */
    pages_close(&pages);
}

/* ---- How many --------------------------------------------------------------------- */

TEST(beyond_the_limit_the_oldest_goes)
{
    hl_sandbox *boxes[4], *found;
    struct hv_vm *vms[4];
    int i;

    pages_open(&pages, &hv_fake, 2);
    for (i = 0; i < 4; i++) {
        boxes[i] = pages_box(&pages);
        vms[i] = machine(boxes[i]);
    }
    for (i = 0; i < 4; i++)
        hl_sandbox_destroy(boxes[i]);
    CHECK_INT(fake_alive(), 2);
    expect(2, 0, 4, 2);
    for (i = 3; i > 1; i--) {
        boxes[i] = found = pages_box(&pages);
        CHECK(machine(found) == vms[i]);
    }
    hl_sandbox_destroy(boxes[2]);
    hl_sandbox_destroy(boxes[3]);
    pages_close(&pages);
}

static void destroy_boxes(int count)
{
    hl_sandbox *boxes[8];
    int i;

    for (i = 0; i < count; i++)
        boxes[i] = pages_box(&pages);
    for (i = 0; i < count; i++)
        hl_sandbox_destroy(boxes[i]);
}

TEST(trim_keeps_the_last_used_ones)
{
    hl_sandbox *box;
    struct hv_vm *last;

    pages_open(&pages, &hv_fake, 8);
    destroy_boxes(5);
    box = pages_box(&pages);
    last = machine(box);
    hl_sandbox_destroy(box);
    hl_cache_trim(9);
    CHECK_INT(fake_alive(), 5);
    hl_cache_trim(1);
    CHECK_INT(fake_alive(), 1);
    CHECK_INT(pages_stats().idle, 1);
    CHECK_INT(pages_stats().discarded, 4);
    box = pages_box(&pages);
    CHECK(machine(box) == last);
    hl_sandbox_destroy(box);
    destroy_boxes(3);
    CHECK_INT(pages_stats().idle, 3); /* the limit is what it was */
    pages_close(&pages);
}

TEST(a_lower_limit_counts_at_once)
{
    pages_open(&pages, &hv_fake, 8);
    destroy_boxes(5);
    hl_cache_limit(2);
    CHECK_INT(fake_alive(), 2);
    expect(2, 0, 5, 3);
    destroy_boxes(4);
    CHECK_INT(fake_alive(), 2);
    hl_cache_limit(0);
    CHECK_INT(fake_alive(), 0);
    destroy_boxes(2);
    CHECK_INT(fake_alive(), 0);
    CHECK_INT(pages_stats().idle, 0);
    hl_cache_limit(UINT32_MAX);
    destroy_boxes(8);
    CHECK_INT(fake_alive(), 8);
    pages_close(&pages);
}

TEST(stats_count_memory_that_was_touched)
{
    hl_sandbox *box;
    uint64_t little;

    pages_open(&pages, &hv_fake, 4);
    CHECK_INT(pages_stats().bytes, 0);
    box = pages_box(&pages);
    pages_write(box, pages_heap(box, 0), 1);
    CHECK_INT(pages_stats().bytes, 0); /* it is not idle */
    hl_sandbox_destroy(box);
    little = pages_stats().bytes;
    CHECK(little >= HL_PAGE && little <= 8 * HL_PAGE);
    box = pages_box(&pages);
    pages_many(box, pages_heap(box, 0), 500, 1);
    hl_sandbox_destroy(box);
    CHECK(pages_stats().bytes >= 500 * HL_PAGE && pages_stats().bytes <= 508 * HL_PAGE);
    pages_close(&pages);
}

/* What a sandbox left touched beyond some 4 MiB is given back before it idles. */
TEST(idle_vms_keep_little_memory)
{
    hl_sandbox *box;

    pages_open(&pages, &hv_fake, 4);
    box = pages_box(&pages);
    pages_many(box, pages_heap(box, 0), 2000, 1);
    hl_sandbox_destroy(box);
    CHECK(pages_stats().bytes <= 4 << 20);
    box = pages_box(&pages);
    CHECK_INT(pages_read(box, pages_heap(box, 0)), 0);
    CHECK_INT(pages_read(box, pages_heap(box, 1999)), 0);
    hl_sandbox_destroy(box);
    pages_close(&pages);
}

/* ---- VMs that are not worth keeping ----------------------------------------------- */

TEST(a_vm_that_shut_down_is_not_kept)
{
    hl_sandbox *box;

    pages_open(&pages, &hv_fake, 4);
    box = pages_box(&pages);
    pages_end(box, "shut", HL_E_FAULT);
    hl_sandbox_destroy(box);
    CHECK_INT(fake_alive(), 0);
    expect(0, 0, 1, 1);
    pages_close(&pages);
}

TEST(a_vm_that_faulted_is_kept_and_scrubbed)
{
    hl_sandbox *box;
    struct hv_vm *vm;

    pages_open(&pages, &hv_fake, 4);
    box = pages_box(&pages);
    vm = machine(box);
    pages_end(box, "fault", HL_E_FAULT);
    hl_sandbox_destroy(box);
    box = pages_box(&pages);
    CHECK(machine(box) == vm);
    CHECK_INT(fake_of(box)->scrubs, 1);
    pages_write(box, pages_heap(box, 0), 3);
    hl_sandbox_destroy(box);
    pages_close(&pages);
}

/* One that cannot be used after all makes room for a new one. */
static void refuse(hl_status *knob)
{
    hl_sandbox *box;
    struct hv_vm *vm;

    hl_cache_trim(0);
    box = pages_box(&pages);
    vm = machine(box);
    pages_end(box, "fault", HL_E_FAULT);
    hl_sandbox_destroy(box);
    CHECK_INT(fake_alive(), 1);
    *knob = HL_E_SYSTEM;
    box = pages_box(&pages);
    *knob = HL_OK;
    CHECK_INT(fake_alive(), 1);
    CHECK(machine(box) != vm || !fake_of(box)->scrubs);
    CHECK_INT(fake_of(box)->resets, 1);
    hl_sandbox_destroy(box);
}

TEST(a_vm_that_cannot_be_scrubbed_is_replaced)
{
    pages_open(&pages, &hv_fake, 4);
    refuse(&pages.program.scrub);
    pages_close(&pages);
}

TEST(a_vm_whose_system_area_was_changed_is_replaced)
{
    /* Descriptors, vectors, page tables, gate, boot block: the last bytes, too. */
    const uint64_t offsets[] = {8,
                                SYSTEM_IDT - HL_WINDOW,
                                SYSTEM_VECTORS - HL_WINDOW,
                                SYSTEM_STACK - HL_WINDOW - 1,
                                SYSTEM_CR3,
                                SYSTEM_CR3 + HL_PAGE,
                                HL_GATE - HL_WINDOW,
                                SYSTEM_SIZE - 1};
    hl_sandbox *box;
    uint32_t broken;
    size_t i;

    pages_open(&pages, &hv_fake, 4);
    for (i = 0; i < sizeof offsets / sizeof *offsets; i++) {
        pages.program.user = (void *)(uintptr_t)&offsets[i];
        box = pages_box(&pages);
        pages_end(box, "system", HL_E_FAULT);
        broken = fake_of(box)->scrubs;
        hl_sandbox_destroy(box);
        box = pages_box(&pages);
        CHECK_INT(fake_of(box)->scrubs, 0); /* a new one */
        CHECK_INT(broken, 0);
        pages_write(box, pages_heap(box, 0), 1);
        hl_sandbox_destroy(box);
        hl_cache_trim(0);
    }
    pages_close(&pages);
}

/* The vectors' stack is the one part that vectors write: it is cleared. */
TEST(the_report_of_a_fault_does_not_reach_the_next)
{
    hl_sandbox *box;

    pages_open(&pages, &hv_fake, 4);
    box = pages_box(&pages);
    pages_end(box, "fault", HL_E_FAULT);
    CHECK(fake_of(box)->memory[SYSTEM_REPORT]);
    hl_sandbox_destroy(box);
    box = pages_box(&pages);
    CHECK_INT(fake_of(box)->scrubs, 1);
    CHECK_INT(fake_of(box)->memory[SYSTEM_REPORT], 0);
    hl_sandbox_destroy(box);
    pages_close(&pages);
}

static hl_status destroy_caller(hl_call *call, const hl_value args[], hl_value *ret)
{
    (void)args;
    (void)ret;
    hl_sandbox_destroy(hl_call_sandbox(call));
    return HL_OK;
}

/* Its VM is in the middle of a call: the next sandbox must not see that. */
TEST(a_vm_destroyed_inside_a_host_function_is_reused)
{
    static const hl_host_function function = {"h", "void()", destroy_caller, NULL};
    hl_sandbox *box;
    struct hv_vm *vm;
    hl_host *host;
    hl_error err;

    pages_open(&pages, &hv_fake, 4);
    CHECK_INT(hl_host_create(&host, &function, 1, NULL), HL_OK);
    box = box_in(host, 9);
    vm = machine(box);
    pages_write(box, pages_heap(box, 1), 5);
    CHECK_INT(hl_sandbox_call(NULL, box, "ask", NULL, 0, &err), HL_E_STATE);
    CHECK_INT(pages_stats().idle, 1);
    box = box_in(pages.host, 9);
    CHECK(machine(box) == vm);
    CHECK_INT(pages_read(box, pages_heap(box, 1)), 0);
    pages_end(box, "ask", HL_OK);
    hl_sandbox_destroy(box);
    hl_host_release(host);
    pages_close(&pages);
}

/* ---- Ahead of need ---------------------------------------------------------------- */

static void fill(const hl_snapshot *snapshot, const hl_config *config, uint32_t vms)
{
    hl_error err;

    if (hl_cache_fill(snapshot, pages.host, config, vms, &err))
        FAIL("fill: %s", err.text);
    CHECK_STR(err.text, "ok");
}

TEST(fill_makes_what_is_missing)
{
    const hl_config other = {.struct_size = sizeof other, .trust_domain = 4};
    hl_snapshot *snapshot;
    hl_sandbox *box;

    pages_open(&pages, &hv_fake, 4);
    box = pages_box(&pages);
    pages_write(box, pages_heap(box, 0), 8);
    snapshot = pages_take(box);
    fill(snapshot, NULL, 0);
    CHECK_INT(pages_stats().idle, 0);
    fill(snapshot, NULL, 2);
    CHECK_INT(pages_stats().idle, 2);
    fill(snapshot, NULL, 2);
    fill(snapshot, NULL, 3);
    CHECK_INT(pages_stats().idle, 3);
    fill(snapshot, NULL, 9); /* up to the limit */
    CHECK_INT(pages_stats().idle, 4);
    CHECK_INT(pages_stats().discarded, 0);
    hl_sandbox_destroy(box);
    fill(snapshot, &other, 4); /* another domain's push the others out */
    CHECK_INT(pages_stats().idle, 4);
    box = pages_clone(&pages, snapshot);
    CHECK_INT(pages_stats().hits, 0);
    CHECK_INT(pages_read(box, pages_heap(box, 0)), 8);
    hl_sandbox_destroy(box);
    CHECK_INT(hl_sandbox_create_from(&box, snapshot, pages.host, &other, NULL), HL_OK);
    CHECK_INT(pages_stats().hits, 1);
    CHECK_INT(fake_of(box)->runs, 0); /* it came as it was made */
    CHECK_INT(pages_read(box, pages_heap(box, 0)), 8);
    hl_sandbox_destroy(box);
    hl_snapshot_release(snapshot);
    pages_close(&pages);
}

TEST(fill_reports_what_goes_wrong)
{
    hl_config config = {.struct_size = sizeof config, .heap_size = 1 << 20};
    hl_snapshot *snapshot;
    hl_sandbox *box;
    hl_error err;

    pages_open(&pages, &hv_fake, 4);
    CHECK_INT(hl_cache_fill(NULL, NULL, NULL, 1, &err), HL_E_INVALID);
    CHECK_STR(err.text, "hl_cache_fill: snapshot is NULL");
    box = pages_box(&pages);
    snapshot = pages_take(box);
    hl_sandbox_destroy(box);
    hl_cache_trim(0);
    CHECK_INT(hl_cache_fill(snapshot, pages.host, &config, 1, &err), HL_E_INVALID);
    CHECK_STR(err.text, "hl_config.heap_size is 1048576, the snapshot has 12582912; leave it 0");
    pages.program.create = HL_E_NO_HYPERVISOR;
    CHECK_INT(hl_cache_fill(snapshot, pages.host, NULL, 1, &err), HL_E_NO_HYPERVISOR);
    CHECK_STR(err.text, "the fake makes no VM");
    pages.program.create = HL_OK;
    pages.program.dirty = HL_E_SYSTEM;
    CHECK_INT(hl_cache_fill(snapshot, pages.host, NULL, 1, &err), HL_E_SYSTEM);
    CHECK_STR(err.text, "the fake names no page");
    CHECK_INT(fake_alive(), 0);
    pages.program.dirty = HL_OK;
    CHECK_INT(hl_cache_fill(snapshot, NULL, NULL, 1, &err), HL_OK);
    CHECK_INT(pages_stats().idle, 1);
    hl_snapshot_release(snapshot);
    pages_close(&pages);
}

/* ---- Forked off ------------------------------------------------------------------- */

/* Runs in the child; its parent's VMs are not there, its memory not mapped. */
static void live_as_child(const hl_snapshot *snapshot)
{
    const int before = fake_alive();
    hl_sandbox *box;

    CHECK_INT(pages_stats().idle, 0);
    CHECK_INT(pages_stats().misses, 0);
    box = pages_box(&pages);
    CHECK_INT(pages_stats().hits, 0);
    pages_write(box, pages_heap(box, 0), 3);
    pages_restore(box, snapshot);
    CHECK_INT(pages_read(box, pages_heap(box, 0)), 12);
    CHECK_INT(pages_read(box, pages_heap(box, 1)), 13);
    hl_sandbox_destroy(box);
    box = pages_clone(&pages, snapshot);
    CHECK_INT(pages_stats().hits, 1);
    CHECK_INT(pages_read(box, pages_heap(box, 1)), 13);
    hl_sandbox_destroy(box);
    hl_cache_trim(0);
    CHECK_INT(fake_alive(), before); /* those of the parent are not ours to end */
}

TEST(a_forked_child_starts_with_an_empty_cache)
{
    hl_snapshot *snapshot;
    hl_sandbox *box;
    struct hv_vm *vm;
    int status;
    pid_t child;

    pages_open(&pages, &hv_fake, 4);
    box = pages_box(&pages);
    vm = machine(box);
    pages_write(box, pages_heap(box, 0), 12);
    pages_write(box, pages_heap(box, 1), 13);
    snapshot = pages_take(box);
    hl_sandbox_destroy(box);
    child = fork();
    CHECK(child >= 0);
    if (!child) {
        live_as_child(snapshot);
        _exit(0);
    }
    CHECK(waitpid(child, &status, 0) == child);
    CHECK_INT(status, 0);
    expect(1, 0, 1, 0);
    box = pages_clone(&pages, snapshot);
    CHECK(machine(box) == vm);
    CHECK_INT(pages_read(box, pages_heap(box, 0)), 12);
    hl_sandbox_destroy(box);
    hl_snapshot_release(snapshot);
    pages_close(&pages);
}
