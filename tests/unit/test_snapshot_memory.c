/* SPDX-License-Identifier: Apache-2.0 */
/* Snapshots when memory runs out: every allocation fails once. */
#include <stdlib.h>

#include "alloc.h"
#include "pages_guest.h"

static struct pages pages;
static hl_error err;

/* A sandbox with run-time imports and exports would have more to allocate; what
 * is here is each list that is not empty anyway. */
static hl_snapshot *two_pages(hl_sandbox **box)
{
    *box = pages_box(&pages);
    pages_write(*box, pages_heap(*box, 0), 5);
    pages_write(*box, pages_heap(*box, 1), 6);
    return pages_take(*box);
}

TEST(take_without_memory_leaves_the_sandbox_ready)
{
    hl_snapshot *first, *second = NULL;
    hl_status status = HL_E_MEMORY;
    hl_sandbox *box;
    uint32_t n;

    pages_open(&pages, &hv_fake, 0);
    first = two_pages(&box);
    pages_write(box, pages_heap(box, 1), 7);
    pages_write(box, pages_heap(box, 2), 0);
    for (n = 0; status; n++) {
        alloc_fails_after(n);
        status = hl_snapshot_take(&second, box, &err);
        CHECK_INT(alloc_works(), status != HL_OK);
        CHECK_INT(hl_sandbox_state(box), HL_READY);
        if (!status)
            break;
        CHECK_INT(status, HL_E_MEMORY);
        CHECK_HAS(err.text, "no memory for a");
        CHECK(!second);
        CHECK_INT(pages_read(box, pages_heap(box, 1)), 7);
    }
    CHECK(n >= 4);
    pages_restore(box, first);
    CHECK_INT(pages_read(box, pages_heap(box, 1)), 6);
    pages_restore(box, second);
    CHECK_INT(pages_read(box, pages_heap(box, 1)), 7);
    hl_snapshot_release(first);
    hl_snapshot_release(second);
    hl_sandbox_destroy(box);
    pages_close(&pages);
}

TEST(clone_without_memory_leaves_nothing)
{
    hl_status status = HL_E_MEMORY;
    hl_sandbox *box, *copy;
    hl_snapshot *snapshot;
    uint32_t n;

    pages_open(&pages, &hv_fake, 2);
    snapshot = two_pages(&box);
    for (n = 0; status; n++) {
        hl_cache_trim(0);
        alloc_fails_after(n);
        status = hl_sandbox_create_from(&copy, snapshot, pages.host, NULL, &err);
        CHECK_INT(alloc_works(), status != HL_OK);
        if (!status)
            break;
        CHECK_INT(status, HL_E_MEMORY);
        CHECK_HAS(err.text, "no memory for ");
        CHECK(!copy);
        CHECK_INT(fake_alive(), 1);
    }
    CHECK(n >= 6);
    CHECK_INT(pages_read(copy, pages_heap(copy, 0)), 5);
    hl_snapshot_release(snapshot);
    hl_sandbox_destroy(box);
    hl_sandbox_destroy(copy);
    pages_close(&pages);
}

TEST(create_without_memory_leaves_nothing)
{
    hl_status status = HL_E_MEMORY;
    hl_sandbox *box;
    uint32_t n;

    pages_open(&pages, &hv_fake, 2);
    for (n = 0; status; n++) {
        hl_cache_trim(0);
        alloc_fails_after(n);
        status = sandbox_create_on(&box, &hv_fake, pages.guest, pages.host, &pages.config, &err);
        CHECK_INT(alloc_works(), status != HL_OK);
        if (!status)
            break;
        CHECK_INT(status, HL_E_MEMORY);
        CHECK(!box);
        CHECK_INT(fake_alive(), 0);
    }
    CHECK(n >= 6);
    hl_sandbox_destroy(box);
    pages_close(&pages);
}

/* A VM that was lost, and no memory for another. */
TEST(restore_without_memory_leaves_the_sandbox_dead)
{
    hl_status status = HL_E_MEMORY;
    hl_snapshot *snapshot;
    hl_sandbox *box;
    uint32_t n;

    pages_open(&pages, &hv_fake, 2);
    for (n = 0; status; n++) {
        hl_cache_trim(0);
        snapshot = two_pages(&box);
        pages_end(box, "shut", HL_E_FAULT);
        alloc_fails_after(n);
        status = hl_sandbox_restore(box, snapshot, &err);
        CHECK_INT(alloc_works(), status != HL_OK);
        CHECK_INT(hl_sandbox_state(box), status ? HL_DEAD : HL_READY);
        if (status) {
            CHECK_INT(status, HL_E_MEMORY);
            CHECK_INT(err.status, HL_E_MEMORY);
        }
        hl_snapshot_release(snapshot);
        hl_sandbox_destroy(box);
    }
    CHECK(n >= 4);
    pages_close(&pages);
}

TEST(fill_without_memory_leaves_what_it_has_made)
{
    hl_status status = HL_E_MEMORY;
    hl_snapshot *snapshot;
    hl_sandbox *box;
    uint32_t n;

    pages_open(&pages, &hv_fake, 4);
    snapshot = two_pages(&box);
    for (n = 0; status; n++) {
        hl_cache_trim(0);
        alloc_fails_after(n);
        status = hl_cache_fill(snapshot, pages.host, NULL, 3, &err);
        CHECK_INT(alloc_works(), status != HL_OK);
        CHECK(status == HL_OK || status == HL_E_MEMORY);
        CHECK_INT(fake_alive(), 1 + pages_stats().idle);
    }
    CHECK_INT(pages_stats().idle, 3);
    hl_snapshot_release(snapshot);
    hl_sandbox_destroy(box);
    pages_close(&pages);
}

/* ---- With run-time tables ----------------------------------------------------------------- */

/* Init exports one function and imports h once more, if the init data says so. */
static hl_status init(struct fake_guest *guest, struct hv_exit *exit, hl_error *error)
{
    const hl_value late[] = {hl_str("late"), hl_str("void()")};
    const hl_value more[] = {hl_str("h"), hl_str("void()")};

    (void)exit;
    (void)error;
    if (!guest->memory[layout_gpa(guest->boot.init_data)] || guest->step == 2)
        return fake_return(guest, hl_void());
    fake_send(guest, guest->step ? HL_KIND_IMPORT : HL_KIND_EXPORT, 0, guest->step ? more : late,
              2);
    return HL_OK;
}

static hl_sandbox *box_with(uint8_t *added)
{
    pages.program.init = init;
    pages.config.init_data = added;
    pages.config.init_size = 1;
    return pages_box(&pages);
}

/* Nothing has changed then, and the status is that of the text. */
TEST(restore_without_memory_for_tables_changes_nothing)
{
    hl_status status = HL_E_MEMORY;
    hl_sandbox *box, *other;
    hl_snapshot *snapshot;
    hl_function *late;
    uint32_t n, failures = 0;

    pages_open(&pages, &hv_fake, 0);
    other = box_with(&(uint8_t){1});
    snapshot = pages_take(other);
    box = box_with(&(uint8_t){0});
    pages_write(box, pages_heap(box, 0), 5);
    for (n = 0; status; n++) {
        alloc_fails_after(n);
        status = hl_sandbox_restore(box, snapshot, &err);
        CHECK_INT(alloc_works(), status != HL_OK);
        CHECK_INT(hl_sandbox_state(box), HL_READY);
        if (!status)
            break;
        failures++;
        CHECK_INT(status, HL_E_MEMORY);
        CHECK_INT(err.status, status);
        CHECK_HAS(err.text, "no memory for ");
        CHECK_INT(pages_read(box, pages_heap(box, 0)), 5);
        CHECK_INT(hl_sandbox_find(&late, box, "late", &err), HL_E_UNKNOWN);
    }
    CHECK_INT(failures, 3); /* exports, imports, bindings */
    CHECK_INT(hl_sandbox_find(&late, box, "late", &err), HL_OK);
    CHECK_INT(pages_read(box, pages_heap(box, 0)), 0);
    hl_snapshot_release(snapshot);
    hl_sandbox_destroy(box);
    hl_sandbox_destroy(other);
    pages_close(&pages);
}

/* A function that a restore took away comes back by another handle; the old one
 * stays what it was. */
TEST(a_handle_is_never_of_another_function)
{
    hl_sandbox *box, *other;
    hl_snapshot *with, *without;
    hl_function *old, *late;

    pages_open(&pages, &hv_fake, 0);
    box = box_with(&(uint8_t){1});
    other = box_with(&(uint8_t){0});
    with = pages_take(box);
    without = pages_take(other);
    CHECK_INT(hl_sandbox_find(&old, box, "late", &err), HL_OK);
    pages_restore(box, without);
    CHECK_INT(hl_function_call(NULL, old, NULL, 0, &err), HL_E_UNKNOWN);
    CHECK_STR(err.text, "the guest no longer exports this function since it was restored");
    CHECK_INT(hl_sandbox_find(&late, box, "late", &err), HL_E_UNKNOWN);
    pages_restore(box, with);
    CHECK_INT(hl_function_call(NULL, old, NULL, 0, &err), HL_E_UNKNOWN);
    CHECK_INT(hl_sandbox_find(&late, box, "late", &err), HL_OK);
    CHECK(late != old);
    CHECK_INT(hl_function_call(NULL, late, NULL, 0, &err), HL_OK);
    hl_snapshot_release(with);
    hl_snapshot_release(without);
    hl_sandbox_destroy(box);
    hl_sandbox_destroy(other);
    pages_close(&pages);
}

/* What the host of the sandbox does not offer is a mismatch, and nothing changes. */
TEST(restore_with_an_import_that_the_host_lacks)
{
    hl_sandbox *box, *other;
    hl_snapshot *snapshot;
    hl_config config;
    hl_host *poor;

    pages_open(&pages, &hv_fake, 0);
    pages.config.trust_domain = 5;
    pages.program.import_count = 0; /* not in this image: h is a late import alone */
    hl_guest_release(pages.guest);
    pages.guest = fake_image(&pages.program);
    other = box_with(&(uint8_t){1});
    snapshot = pages_take(other);
    CHECK_INT(hl_host_create(&poor, NULL, 0, NULL), HL_OK);
    config = pages.config;
    config.init_data = &(uint8_t){0};
    CHECK_INT(sandbox_create_on(&box, &hv_fake, pages.guest, poor, &config, &err), HL_OK);
    CHECK_INT(hl_sandbox_restore(box, snapshot, &err), HL_E_MISMATCH);
    CHECK_STR(err.text, "the guest imports h: void(), which the host does not offer");
    CHECK_INT(hl_sandbox_state(box), HL_READY);
    pages_write(box, pages_heap(box, 0), 1);
    hl_snapshot_release(snapshot);
    hl_sandbox_destroy(box);
    hl_sandbox_destroy(other);
    hl_host_release(poor);
    pages_close(&pages);
}
