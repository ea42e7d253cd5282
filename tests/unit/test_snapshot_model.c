/* SPDX-License-Identifier: Apache-2.0 */
/* Random histories of writes, snapshots, restores and clones against plain copies
 * of what memory should hold, on backends with and without remapping. */
#include <stdlib.h>

#include "../../src/host/arch/x86_64/system.h"
#include "pages_guest.h"

enum { PAGES_MAX = 4352, SNAPSHOTS = 8, BOXES = 3, FIRST = SYSTEM_SIZE / HL_PAGE };

/* What memory should hold: a word for each page. */
struct model {
    uint64_t words[PAGES_MAX];
};

static struct model empty; /* after create */
static struct {
    hl_sandbox *box;
    struct model model;
} boxes[BOXES];
static struct {
    hl_snapshot *snapshot;
    struct model model;
} snapshots[SNAPSHOTS];
static struct pages pages;
static uint64_t page_count, stack_top;

static bool is_filled(const uint8_t *page, uint64_t word)
{
    return !memcmp(page, &word, sizeof word) &&
           !memcmp(page, page + sizeof word, HL_PAGE - sizeof word);
}

static bool in_area(const hl_sandbox *box, int area, uint64_t page)
{
    const hl_area *in = &box->shape->layout.areas[area];

    return page * HL_PAGE - layout_gpa(in->address) < in->size;
}

/* Every page of the guest; messages hold zeros before the next call. */
static void check_memory(const hl_sandbox *box, const struct model *model)
{
    const uint8_t *memory = fake_of(box)->memory;
    uint64_t page;

    vm_lay(box->vm); /* as its next entry would */
    for (page = FIRST; page < page_count; page++)
        if (page != stack_top && !is_filled(memory + page * HL_PAGE, model->words[page]))
            FAIL("page %llu of %llu does not hold %#llx", (unsigned long long)page,
                 (unsigned long long)page_count, (unsigned long long)model->words[page]);
    CHECK(!memcmp(memory + stack_top * HL_PAGE, content_at(box->shape->start, stack_top), HL_PAGE));
}

static void learn(void)
{
    hl_sandbox *box = pages_box(&pages);
    const hl_area *stack = &box->shape->layout.areas[AREA_STACK];
    const uint64_t data = box->shape->layout.image_gpa / HL_PAGE + 1;

    page_count = box->shape->layout.memory_size / HL_PAGE;
    CHECK(page_count < PAGES_MAX);
    stack_top = layout_gpa(stack->address + stack->size) / HL_PAGE - 1;
    memset(&empty.words[data], PAGES_BASE, sizeof empty.words[0]);
    hl_sandbox_destroy(box);
}

/* ---- Steps ------------------------------------------------------------------------------- */

/* A page that the guest may write: mostly out of a few, so that some are hot. */
static uint64_t any_page(const hl_sandbox *box)
{
    const uint64_t image = box->shape->layout.image_gpa / HL_PAGE;
    uint64_t page;

    switch (random() % 4) {
    case 0:
        return image + (uint64_t)random() % 2;
    case 1:
    case 2:
        return pages_heap(box, (uint64_t)random() % 24);
    default:
        do
            page = FIRST + (uint64_t)random() % (page_count - FIRST);
        while (page == stack_top || in_area(box, AREA_REQUESTS, page) ||
               in_area(box, AREA_REPLIES, page));
        return page;
    }
}

static void write_some(uint32_t i)
{
    uint32_t n = (uint32_t)random() % 8;
    uint64_t page, word;

    while (n--) {
        page = any_page(boxes[i].box);
        word = random() % 4 ? (uint64_t)random() : 0;
        pages_write(boxes[i].box, page, word);
        boxes[i].model.words[page] = word;
    }
}

static void write_many(uint32_t i)
{
    const uint64_t heap = 12 << 20, at = (uint64_t)random() % 1000;
    uint64_t count = (uint64_t)random() % (heap / HL_PAGE - at), page;
    const uint64_t word = random() % 3 ? (uint64_t)random() : 0;

    pages_many(boxes[i].box, pages_heap(boxes[i].box, at), count, word);
    for (page = at; count; page++, count--)
        boxes[i].model.words[pages_heap(boxes[i].box, page)] = word;
}

static void take(uint32_t i, uint32_t k)
{
    hl_snapshot_release(snapshots[k].snapshot);
    snapshots[k].snapshot = pages_take(boxes[i].box);
    snapshots[k].model = boxes[i].model;
}

static void restore(uint32_t i, uint32_t k)
{
    if (!snapshots[k].snapshot)
        return;
    pages_restore(boxes[i].box, snapshots[k].snapshot);
    boxes[i].model = snapshots[k].model;
    check_memory(boxes[i].box, &boxes[i].model);
}

/* Another sandbox in its place: from nothing, or a clone. */
static void replace(uint32_t i, uint32_t k)
{
    hl_sandbox_destroy(boxes[i].box);
    if (random() % 4 && snapshots[k].snapshot) {
        boxes[i].box = pages_clone(&pages, snapshots[k].snapshot);
        boxes[i].model = snapshots[k].model;
        check_memory(boxes[i].box, &boxes[i].model);
    } else {
        boxes[i].box = pages_box(&pages);
        boxes[i].model = empty;
    }
}

static void end_badly(uint32_t i, uint32_t k)
{
    static const char *const ends[] = {"fault", "shut", "system"};

    if (!snapshots[k].snapshot)
        return;
    pages_end(boxes[i].box, ends[random() % 3], HL_E_FAULT);
    restore(i, k);
}

static void step(void)
{
    const uint32_t i = (uint32_t)random() % BOXES, k = (uint32_t)random() % SNAPSHOTS;

    switch (random() % 16) {
    case 0:
        write_many(i);
        break;
    case 1:
    case 2:
        take(i, k);
        break;
    case 3:
        replace(i, k);
        break;
    case 4:
        end_badly(i, k);
        break;
    case 5:
    case 6:
    case 7:
    case 8:
        restore(i, k);
        break;
    default:
        write_some(i);
    }
}

static void play(const struct hv_ops *hv, uint32_t idle, uint32_t steps)
{
    const uint64_t tables = SYSTEM_CR3;
    uint32_t i;

    pages_open(&pages, hv, idle);
    pages.program.user = (void *)(uintptr_t)&tables;
    learn();
    for (i = 0; i < BOXES; i++) {
        boxes[i].box = pages_box(&pages);
        boxes[i].model = empty;
    }
    for (i = 0; i < steps; i++)
        step();
    for (i = 0; i < BOXES; i++)
        hl_sandbox_destroy(boxes[i].box);
    for (i = 0; i < SNAPSHOTS; i++)
        hl_snapshot_release(snapshots[i].snapshot);
    pages_close(&pages);
}

static uint32_t steps(void)
{
    srandom(7);
    return test_full() ? 100000 : 3000;
}

TEST_SLOW(restored_memory_is_what_was_taken)
{
    play(&hv_fake, 4, steps());
}

TEST_SLOW(restored_memory_without_cache)
{
    play(&hv_fake, 0, steps());
}

/* By copying alone. */
TEST_SLOW(restored_memory_without_remapping)
{
    play(&hv_fake_pinned, 4, steps());
}
