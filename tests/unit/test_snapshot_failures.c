/* SPDX-License-Identifier: Apache-2.0 */
/* Taking, restoring and cloning when things go wrong. */
#include <stdlib.h>
#include <sys/mman.h>

#include "../../src/host/arch/x86_64/system.h"
#include "pages_guest.h"

static struct pages pages;

static void expect_state(hl_sandbox *box, const char *text)
{
    hl_snapshot *snapshot = (hl_snapshot *)&pages;
    hl_error err;

    CHECK_INT(hl_snapshot_take(&snapshot, box, &err), HL_E_STATE);
    CHECK(!strncmp(err.text, "hl_snapshot_take: ", 18));
    CHECK_STR(err.text + 18, text);
    CHECK(!snapshot);
}

/* ---- Misuse ------------------------------------------------------------------------------- */

TEST(misuse_is_named)
{
    hl_sandbox *box, *out = (hl_sandbox *)&pages;
    hl_snapshot *snapshot = (hl_snapshot *)&pages;
    hl_config config = {.struct_size = sizeof config, .hypervisor = 7};
    hl_error err;

    pages_open(&pages, &hv_fake, 0);
    box = pages_box(&pages);
    CHECK_INT(hl_snapshot_take(NULL, box, &err), HL_E_INVALID);
    CHECK_STR(err.text, "hl_snapshot_take: out is NULL");
    CHECK_INT(hl_snapshot_take(&snapshot, NULL, &err), HL_E_INVALID);
    CHECK_STR(err.text, "hl_snapshot_take: box is NULL");
    CHECK(!snapshot);
    snapshot = pages_take(box);
    CHECK_INT(hl_sandbox_restore(NULL, snapshot, &err), HL_E_INVALID);
    CHECK_STR(err.text, "hl_sandbox_restore: box is NULL");
    CHECK_INT(hl_sandbox_restore(box, NULL, &err), HL_E_INVALID);
    CHECK_STR(err.text, "hl_sandbox_restore: snapshot is NULL");
    CHECK_INT(hl_sandbox_create_from(NULL, snapshot, NULL, NULL, &err), HL_E_INVALID);
    CHECK_STR(err.text, "hl_sandbox_create_from: out is NULL");
    CHECK_INT(hl_sandbox_create_from(&out, NULL, NULL, NULL, &err), HL_E_INVALID);
    CHECK_STR(err.text, "hl_sandbox_create_from: snapshot is NULL");
    CHECK(!out);
    CHECK_INT(hl_sandbox_create_from(&out, snapshot, pages.host, &config, &err), HL_E_INVALID);
    CHECK_STR(err.text, "hl_config.hypervisor is 7 (?), the snapshot is of 0 (fake)");
    CHECK_INT(hl_sandbox_state(box), HL_READY);
    hl_snapshot_retain(NULL);
    hl_snapshot_release(NULL);
    hl_snapshot_retain(snapshot);
    hl_snapshot_release(snapshot);
    pages_restore(box, snapshot);
    hl_snapshot_release(snapshot);
    hl_sandbox_destroy(box);
    pages_close(&pages);
}

TEST(a_poisoned_sandbox_cannot_be_taken)
{
    hl_snapshot *snapshot;
    hl_sandbox *box;

    pages_open(&pages, &hv_fake, 0);
    box = pages_box(&pages);
    snapshot = pages_take(box);
    pages_end(box, "shut", HL_E_FAULT);
    expect_state(box, "the sandbox is POISONED: triple fault: the virtual processor shut down");
    pages_restore(box, snapshot);
    hl_snapshot_release(pages_take(box));
    hl_snapshot_release(snapshot);
    hl_sandbox_destroy(box);
    pages_close(&pages);
}

/* ---- What does not fit ---------------------------------------------------------------------- */

static void refuse(hl_sandbox *box, const hl_snapshot *snapshot, const char *text)
{
    hl_error err;

    CHECK_INT(hl_sandbox_restore(box, snapshot, &err), HL_E_MISMATCH);
    CHECK_STR(err.text, text);
    CHECK_INT(hl_sandbox_state(box), HL_READY);
    CHECK_INT(pages_read(box, pages_heap(box, 0)), 31); /* as it was */
}

static hl_sandbox *odd_box(const struct hv_ops *hv, const hl_host *host, const hl_config *config)
{
    hl_sandbox *box;
    hl_error err;

    if (sandbox_create_on(&box, hv, pages.guest, host, config, &err))
        FAIL("create: %s", err.text);
    pages_write(box, pages_heap(box, 0), 31);
    return box;
}

#define OF_ANOTHER_SHAPE \
    "the snapshot is of another guest or of other sizes (heap, stack, messages, depth, init " \
    "data, avx) than the sandbox"
#define OF_ANOTHER_DOMAIN \
    "the snapshot is of another trust domain than the sandbox; share the hl_host, or set " \
    "hl_config.trust_domain"

TEST(what_does_not_fit_is_refused_unharmed)
{
    static const hl_host_function function = {"h", "void()", (hl_fn)NULL, NULL};
    hl_snapshot *snapshot;
    hl_config config;
    hl_sandbox *box;
    hl_host *other;
    hl_error err;

    pages_open(&pages, &hv_fake, 0);
    CHECK_INT(hl_host_create(&other, &function, 1, &err), HL_E_INVALID); /* fn NULL */
    box = pages_box(&pages);
    snapshot = pages_take(box);
    hl_sandbox_destroy(box);

    box = odd_box(&hv_fake_pinned, pages.host, &pages.config);
    refuse(box, snapshot, "the sandbox runs on pinned fake, the snapshot is of fake");
    hl_sandbox_destroy(box);
    config = pages.config;
    config.heap_size += HL_PAGE;
    box = odd_box(&hv_fake, pages.host, &config);
    refuse(box, snapshot, OF_ANOTHER_SHAPE);
    hl_sandbox_destroy(box);
    config = pages.config;
    config.avx = 1;
    box = odd_box(&hv_fake, pages.host, &config);
    refuse(box, snapshot, OF_ANOTHER_SHAPE);
    hl_sandbox_destroy(box);
    config = pages.config;
    config.trust_domain = 3;
    box = odd_box(&hv_fake, pages.host, &config);
    refuse(box, snapshot, OF_ANOTHER_DOMAIN);
    hl_sandbox_destroy(box);
    config.trust_domain = pages.host->id; /* the same number, but a label */
    box = odd_box(&hv_fake, pages.host, &config);
    refuse(box, snapshot, OF_ANOTHER_DOMAIN);
    hl_sandbox_destroy(box);
    hl_snapshot_release(snapshot);
    pages_close(&pages);
}

/* ---- While it runs ---------------------------------------------------------------- */

static struct {
    hl_snapshot *snapshot;
    hl_status statuses[3];
    hl_error errors[3];
} inside;

static hl_status try_inside(hl_call *call, const hl_value args[], hl_value *ret)
{
    hl_sandbox *box = hl_call_sandbox(call);
    hl_snapshot *taken;

    (void)args;
    (void)ret;
    inside.statuses[0] = hl_snapshot_take(&taken, box, &inside.errors[0]);
    CHECK(!taken);
    inside.statuses[1] = hl_sandbox_restore(box, inside.snapshot, &inside.errors[1]);
    CHECK_INT(hl_sandbox_call(NULL, box, "fault", NULL, 0, NULL), HL_E_FAULT);
    CHECK_INT(hl_sandbox_state(box), HL_POISONED);
    inside.statuses[2] = hl_sandbox_restore(box, inside.snapshot, &inside.errors[2]);
    return HL_OK;
}

/* Neither while it is well, nor when a nested call has poisoned it: the calls
 * that are still in progress would go on in another guest. */
TEST(a_call_in_progress_forbids_restore)
{
    static const hl_host_function function = {"h", "void()", try_inside, NULL};
    hl_sandbox *box;
    hl_error err;

    pages_open(&pages, &hv_fake, 0);
    hl_host_release(pages.host);
    CHECK_INT(hl_host_create(&pages.host, &function, 1, NULL), HL_OK);
    box = pages_box(&pages);
    inside.snapshot = pages_take(box);
    CHECK_INT(hl_sandbox_call(NULL, box, "ask", NULL, 0, &err), HL_E_FAULT);
    CHECK_INT(inside.statuses[0], HL_E_STATE);
    CHECK_STR(inside.errors[0].text, "hl_snapshot_take: the sandbox is RUNNING");
    CHECK_INT(inside.statuses[1], HL_E_STATE);
    CHECK_STR(inside.errors[1].text, "hl_sandbox_restore: the sandbox is RUNNING");
    CHECK_INT(inside.statuses[2], HL_E_STATE);
    CHECK_STR(inside.errors[2].text, "hl_sandbox_restore: a call is in progress");
    CHECK_INT(hl_sandbox_state(box), HL_POISONED);
    pages_restore(box, inside.snapshot); /* now it may */
    hl_snapshot_release(inside.snapshot);
    hl_sandbox_destroy(box);
    pages_close(&pages);
}

/* ---- What the hypervisor refuses -------------------------------------------------- */

TEST(a_take_that_fails_leaves_the_sandbox_ready)
{
    hl_snapshot *snapshot = (hl_snapshot *)&pages;
    hl_sandbox *box;
    hl_error err;

    pages_open(&pages, &hv_fake, 4);
    box = pages_box(&pages);
    pages_write(box, pages_heap(box, 0), 5);
    pages.program.dirty = HL_E_MEMORY;
    CHECK_INT(hl_snapshot_take(&snapshot, box, &err), HL_E_MEMORY);
    CHECK_STR(err.text, "the fake names no page");
    CHECK(!snapshot);
    pages.program.dirty = HL_OK;
    CHECK_INT(hl_sandbox_state(box), HL_READY);
    pages_write(box, pages_heap(box, 1), 6);
    snapshot = pages_take(box); /* nothing was lost */
    pages_write(box, pages_heap(box, 0), 7);
    pages_restore(box, snapshot);
    CHECK_INT(pages_read(box, pages_heap(box, 0)), 5);
    CHECK_INT(pages_read(box, pages_heap(box, 1)), 6);
    hl_snapshot_release(snapshot);
    hl_sandbox_destroy(box);
    pages_close(&pages);
}

/* A VM that fails is replaced: restore succeeds as long as a new one can be made. */
static void heal(hl_status *knob, const char *end)
{
    hl_snapshot *snapshot;
    hl_sandbox *box;

    box = pages_box(&pages);
    pages_write(box, pages_heap(box, 0), 5);
    snapshot = pages_take(box);
    pages_many(box, pages_heap(box, 100), 200, 9);
    pages_restore(box, snapshot); /* all hot */
    if (end)
        pages_end(box, end, HL_E_FAULT);
    else
        pages_many(box, pages_heap(box, 0), 1, 9); /* the others are stale */
    *knob = HL_E_SYSTEM;
    CHECK_INT(fake_of(box)->forgets, 0);
    if (knob != &pages.program.dirty) {
        pages_restore(box, snapshot);
        *knob = HL_OK;
        CHECK_INT(fake_of(box)->resets, 0);
        CHECK_INT(pages_read(box, pages_heap(box, 0)), 5);
        CHECK_INT(pages_read(box, pages_heap(box, 299)), 0);
    }
    *knob = HL_OK;
    CHECK_INT(fake_alive(), 1);
    hl_snapshot_release(snapshot);
    hl_sandbox_destroy(box);
    hl_cache_trim(0);
}

TEST(a_vm_that_fails_to_restore_is_replaced)
{
    pages_open(&pages, &hv_fake, 4);
    heal(&pages.program.forget, NULL);
    heal(&pages.program.scrub, "fault");
    pages_close(&pages);
}

/* With a reason that every later call repeats. */
static void die(hl_status *knob, const char *reason, hl_error *err)
{
    hl_snapshot *snapshot;
    hl_sandbox *box;
    hl_error later;

    box = pages_box(&pages);
    snapshot = pages_take(box);
    pages_end(box, "shut", HL_E_FAULT);
    *knob = HL_E_SYSTEM;
    CHECK_INT(hl_sandbox_restore(box, snapshot, err), HL_E_SYSTEM);
    *knob = HL_OK;
    if (err)
        CHECK_STR(err->text, reason);
    CHECK_INT(hl_sandbox_state(box), HL_DEAD);
    CHECK_INT(hl_sandbox_call(NULL, box, "ask", NULL, 0, &later), HL_E_STATE);
    CHECK_HAS(later.text, "ask: the sandbox is DEAD: ");
    CHECK_STR(later.text + 26, reason);
    CHECK_INT(hl_sandbox_restore(box, snapshot, &later), HL_E_STATE);
    CHECK_HAS(later.text, "hl_sandbox_restore: the sandbox is DEAD: ");
    CHECK_STR(later.text + 41, reason);
    CHECK_INT(hl_sandbox_state(box), HL_DEAD);
    CHECK(!hl_interrupt_stop(hl_sandbox_interrupt(box)));
    hl_snapshot_release(snapshot);
    hl_sandbox_destroy(box);
    CHECK_INT(fake_alive(), 0);
}

TEST(a_restore_that_fails_leaves_the_sandbox_dead)
{
    hl_error err;

    pages_open(&pages, &hv_fake, 4);
    die(&pages.program.create, "the fake makes no VM", &err);
    die(&pages.program.create, "the fake makes no VM", NULL);
    die(&pages.program.dirty, "the fake names no page", &err);
    pages_close(&pages);
}

TEST(a_clone_that_fails_leaves_nothing)
{
    hl_snapshot *snapshot;
    hl_sandbox *box, *copy = (hl_sandbox *)&pages;
    hl_error err;

    pages_open(&pages, &hv_fake, 4);
    box = pages_box(&pages);
    snapshot = pages_take(box);
    pages.program.create = HL_E_MEMORY;
    CHECK_INT(hl_sandbox_create_from(&copy, snapshot, pages.host, NULL, &err), HL_E_MEMORY);
    CHECK_STR(err.text, "the fake makes no VM");
    CHECK(!copy);
    pages.program.create = HL_OK;
    pages.program.dirty = HL_E_SYSTEM;
    copy = box;
    CHECK_INT(hl_sandbox_create_from(&copy, snapshot, pages.host, NULL, &err), HL_E_SYSTEM);
    CHECK_STR(err.text, "the fake names no page");
    CHECK(!copy);
    pages.program.dirty = HL_OK;
    CHECK_INT(fake_alive(), 1);
    hl_snapshot_release(snapshot);
    hl_sandbox_destroy(box);
    pages_close(&pages);
}

/* A ring that fills up again and again loses nothing. */
static hl_status fill_ring(struct fake_guest *guest, struct hv_exit *exit, hl_error *err)
{
    const uint64_t heap = layout_gpa(guest->boot.heap) / HL_PAGE;
    uint64_t *at;

    (void)err;
    if (guest->runs > 40) {
        fake_receive(guest);
        return fake_return(guest, hl_void());
    }
    at = (uint64_t *)(void *)(guest->memory + (heap + guest->runs) * HL_PAGE);
    *at = guest->runs;
    fake_wrote(guest, heap + guest->runs);
    *exit = (struct hv_exit){.kind = HV_EXIT_DIRTY};
    return HL_OK;
}

TEST(pages_named_in_the_middle_of_a_call_count)
{
    hl_snapshot *before;
    hl_sandbox *box;
    uint64_t i, first;

    pages_open(&pages, &hv_fake, 4);
    box = pages_box(&pages);
    before = pages_take(box);
    first = fake_of(box)->runs + 1;
    pages.program.whole = fill_ring;
    pages_end(box, "ask", HL_OK);
    pages.program.whole = NULL;
    CHECK(fake_of(box)->forgets >= 30);
    CHECK_INT(pages_read(box, pages_heap(box, first)), first);
    pages_restore(box, before);
    for (i = first; i <= 40; i++)
        CHECK_INT(pages_read(box, pages_heap(box, i)), 0);
    hl_snapshot_release(before);
    hl_sandbox_destroy(box);
    pages_close(&pages);
}

/* And one whose ring cannot be emptied is over, but its sandbox can be restored. */
TEST(a_ring_that_cannot_be_emptied_poisons)
{
    hl_snapshot *before;
    hl_sandbox *box;

    pages_open(&pages, &hv_fake, 4);
    box = pages_box(&pages);
    before = pages_take(box);
    pages.program.whole = fill_ring;
    pages.program.forget = HL_E_SYSTEM;
    pages_end(box, "ask", HL_E_SYSTEM);
    pages.program.whole = NULL;
    pages.program.forget = HL_OK;
    expect_state(box, "the sandbox is POISONED: the fake forgets no page");
    pages_restore(box, before);
    CHECK_INT(fake_of(box)->runs, 0); /* another VM */
    CHECK_INT(fake_alive(), 1);
    CHECK_INT(pages_read(box, pages_heap(box, 2)), 0);
    hl_snapshot_release(before);
    hl_sandbox_destroy(box);
    pages_close(&pages);
}

/* ---- Where a guest is parked ------------------------------------------------------ */

TEST(a_guest_goes_on_where_it_was_parked)
{
    hl_snapshot *start, *deep;
    hl_sandbox *box, *copy;
    uint64_t rsp;

    pages_open(&pages, &hv_fake, 4);
    box = pages_box(&pages);
    start = pages_take(box);
    rsp = fake_of(box)->rsp;
    CHECK_INT(hl_sandbox_call(NULL, box, "deep", (hl_value[]){hl_u64(64)}, 1, NULL), HL_OK);
    deep = pages_take(box);
    pages_restore(box, start);
    pages_read(box, pages_heap(box, 0));
    CHECK_INT(fake_of(box)->reset.rsp, rsp);
    CHECK_INT(fake_of(box)->reset.rip, system_scrub_entry());
    copy = pages_clone(&pages, deep);
    hl_snapshot_release(deep);
    deep = pages_take(copy); /* before it has run at all */
    pages_restore(box, deep);
    pages_read(box, pages_heap(box, 0));
    CHECK_INT(fake_of(box)->reset.rsp, rsp - 64);
    CHECK_INT(fake_of(box)->reset.rdi, 0);
    CHECK_INT(fake_of(box)->resets, 3);
    hl_snapshot_release(start);
    hl_snapshot_release(deep);
    hl_sandbox_destroy(box);
    hl_sandbox_destroy(copy);
    pages_close(&pages);
}

/* Within a lineage a well guest leaves nothing that a scrub must remove. */
TEST(only_strangers_and_the_unwell_are_scrubbed)
{
    hl_snapshot *mine, *others;
    hl_sandbox *box, *other;

    pages_open(&pages, &hv_fake, 4);
    box = pages_box(&pages);
    other = pages_box(&pages);
    mine = pages_take(box);
    others = pages_take(other);
    pages_restore(box, mine);
    pages_write(box, pages_heap(box, 0), 1);
    pages_restore(box, mine);
    CHECK_INT(fake_of(box)->scrubs, 0);
    pages_restore(box, others);
    CHECK_INT(fake_of(box)->scrubs, 1);
    pages_restore(box, others);
    CHECK_INT(fake_of(box)->scrubs, 1);
    pages_restore(box, mine);
    CHECK_INT(fake_of(box)->scrubs, 2);
    pages_end(box, "fault", HL_E_FAULT);
    pages_restore(box, mine);
    CHECK_INT(fake_of(box)->scrubs, 3);
    hl_snapshot_release(mine);
    hl_snapshot_release(others);
    hl_sandbox_destroy(box);
    hl_sandbox_destroy(other);
    pages_close(&pages);
}

/* ---- Memory ----------------------------------------------------------------------- */

/* Pages that stay hot are copied blindly; many that went stale are forgotten. */
TEST(stale_pages_are_protected_again)
{
    hl_snapshot *snapshot;
    hl_sandbox *box;
    int i;

    pages_open(&pages, &hv_fake, 4);
    box = pages_box(&pages);
    snapshot = pages_take(box);
    for (i = 0; i < 5; i++) {
        pages_many(box, pages_heap(box, 0), 40, 1);
        pages_restore(box, snapshot);
    }
    CHECK_INT(fake_of(box)->forgets, 0);
    pages_many(box, pages_heap(box, 200), 100, 1);
    pages_restore(box, snapshot);
    CHECK_INT(fake_of(box)->forgets, 0);
    pages_restore(box, snapshot);
    CHECK_INT(fake_of(box)->forgets, 1);
    pages_many(box, pages_heap(box, 200), 100, 2);
    pages_restore(box, snapshot);
    CHECK_INT(pages_read(box, pages_heap(box, 299)), 0);
    hl_snapshot_release(snapshot);
    hl_sandbox_destroy(box);
    pages_close(&pages);
}

static uint64_t resident(const hl_sandbox *box)
{
    static unsigned char map[1 << 16];
    const uint64_t size = fake_of(box)->memory_size;
    uint64_t i, count = 0;

    CHECK(size / HL_PAGE <= sizeof map);
    CHECK_INT(mincore(fake_of(box)->memory + SYSTEM_SIZE, size - SYSTEM_SIZE, map), 0);
    for (i = 0; i < (size - SYSTEM_SIZE) / HL_PAGE; i++)
        count += map[i] & 1;
    return count;
}

TEST(a_sandbox_that_once_wrote_much_does_not_keep_it)
{
    hl_snapshot *snapshot;
    hl_sandbox *box;

    pages_open(&pages, &hv_fake, 4);
    box = pages_box(&pages);
    snapshot = pages_take(box);
    pages_many(box, pages_heap(box, 0), 3000, 1);
    CHECK(resident(box) >= 3000);
    pages_restore(box, snapshot);
    CHECK(resident(box) < 100);
    hl_snapshot_release(snapshot);
    hl_sandbox_destroy(box);
    pages_close(&pages);
}

/* Memory that the application has locked (mlockall) cannot be dropped as other
 * memory can: no byte of it may survive all the same. */
TEST(locked_memory_is_restored_too)
{
    hl_snapshot *snapshot;
    hl_sandbox *box;
    uint64_t i;

    pages_open(&pages, &hv_fake, 4);
    box = pages_box(&pages);
    snapshot = pages_take(box);
    if (mlock2(fake_of(box)->memory, fake_of(box)->memory_size, MLOCK_ONFAULT))
        test_skip("guest memory cannot be locked here");
    pages_many(box, pages_heap(box, 0), 2000, 0x5ec4e7);
    pages_restore(box, snapshot);
    for (i = 0; i < 2000; i += 37)
        CHECK_INT(pages_read(box, pages_heap(box, i)), 0);
    hl_snapshot_release(snapshot);
    hl_sandbox_destroy(box);
    pages_close(&pages);
}
