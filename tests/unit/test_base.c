/* SPDX-License-Identifier: Apache-2.0 */
/* Which parts of a content VMs have views of: never much that is not there. */
#include <stdlib.h>

#include "../../src/host/content.h"
#include "../../src/host/pages.h"
#include "../test.h"

enum { MEMORY_PAGES = 1 << 16, MANY = 600 }; /* more than a small tree has */
#define MEMORY ((uint64_t)MEMORY_PAGES * HL_PAGE)

/* ---- Of an image ---------------------------------------------------------------------- */

/* .bss, say, and what relocations have written in its midst. */
TEST(base_of_what_was_written)
{
    struct content *content;
    const uint8_t *bytes;
    uint8_t *memory;
    os_share share;
    int i;

    CHECK_INT(os_share_create(&share, &memory, 100 * HL_PAGE, NULL), HL_OK);
    for (i = 0; i < 3; i++)
        memory[i * HL_PAGE] = (uint8_t)(1 + i);
    memory[60 * HL_PAGE + 8] = 9;
    CHECK_INT(os_share_seal(&share, memory, NULL), HL_OK);
    CHECK_INT(os_share_map(&bytes, &share, NULL), HL_OK);
    CHECK_INT(content_create(&content, &share, bytes, 5 * HL_PAGE, MEMORY, NULL), HL_OK);
    CHECK_INT(content->base->run_count, 2);
    CHECK_INT(content->base->runs[0].gpa, 5 * HL_PAGE);
    CHECK_INT(content->base->runs[0].size, 3 * HL_PAGE);
    CHECK_INT(content->base->runs[0].offset, 0);
    CHECK_INT(content->base->runs[1].gpa, 65 * HL_PAGE);
    CHECK_INT(content->base->runs[1].size, HL_PAGE);
    CHECK_INT(content->base->runs[1].offset, 60 * HL_PAGE);
    for (i = 0; i < 3; i++)
        CHECK_INT(content_at(content, 5 + (uint64_t)i)[0], 1 + i);
    CHECK(content_at(content, 8) == pages_zero);
    CHECK_INT(content_at(content, 65)[8], 9);
    CHECK(content_at(content, 66) == pages_zero);
    content_release(content);
    os_unmap(bytes, share.size);
    os_share_close(&share);
}

static struct content *nothing(void)
{
    const os_share none = OS_SHARE_NONE;
    struct content *content;

    CHECK_INT(content_create(&content, &none, NULL, 0, MEMORY, NULL), HL_OK);
    return content;
}

TEST(base_of_nothing)
{
    struct content *content = nothing();

    CHECK_INT(content->base->run_count, 0);
    CHECK(content_at(content, 0) == pages_zero);
    content_release(content);
}

/* ---- Written out ------------------------------------------------------------------------ */

static const uint8_t *numbered(uint64_t number)
{
    uint8_t *page = pages_new();

    CHECK(page);
    memset(page, 0, HL_PAGE);
    memcpy(page, &number, sizeof number);
    return page;
}

static uint64_t number_at(const struct content *content, uint64_t page)
{
    uint64_t number;

    memcpy(&number, content_at(content, page), sizeof number);
    return number;
}

/* MANY pages, from page 100 on, each `step` behind the one before. */
static struct content *every(uint64_t step)
{
    static struct content_page pages[MANY];
    struct content *from = nothing(), *content;
    uint64_t i;

    for (i = 0; i < MANY; i++)
        pages[i] = (struct content_page){100 + i * step, numbered(100 + i * step)};
    CHECK_INT(content_derive(&content, from, pages, MANY, NULL), HL_OK);
    content_release(from);
    return content;
}

static void expect_every(const struct content *content, uint64_t step)
{
    uint64_t i;

    for (i = 0; i < MANY; i++)
        CHECK_INT(number_at(content, 100 + i * step), 100 + i * step);
}

/* What comes after it starts from what was written out, not from the old tree. */
TEST(base_is_written_out_once)
{
    struct content *content = every(1), *next, *last;
    struct base *base;
    bool whole;

    base = content_view(content, &whole);
    CHECK(whole && base != content->base);
    CHECK_INT(base_pages(base), MANY);
    CHECK_INT(content_derive(&next, content,
                             (struct content_page[]){{100, numbered(7)}, {5, numbered(8)}}, 2,
                             NULL),
              HL_OK);
    content_release(content);
    CHECK(next->base == base);
    CHECK_INT(next->pages, 2);
    CHECK(content_view(next, &whole) == base && !whole);
    CHECK_INT(content_derive(&last, next, (struct content_page[]){{100, numbered(100)}}, 1, NULL),
              HL_OK);
    CHECK_INT(number_at(next, 100), 7);
    CHECK_INT(number_at(next, 5), 8);
    CHECK_INT(number_at(next, 101), 101);
    expect_every(last, 1);
    content_release(next);
    content_release(last);
}

/* Guests would fill the holes, and every one of them would stay filled. */
TEST(base_is_not_written_out_with_many_holes)
{
    struct content *content = every(64);
    bool whole;

    CHECK(content_view(content, &whole) == content->base);
    CHECK(!whole);
    CHECK(content->flat == content->base); /* and is not tried again */
    expect_every(content, 64);
    content_release(content);
}

/* ---- Read from a file ------------------------------------------------------------------- */

static struct content *adopted(uint64_t step)
{
    struct base_extents extents = {NULL, 0, 0};
    struct base base = {.share = OS_SHARE_NONE};
    struct content *content;
    uint64_t i, size;
    const uint8_t *page;

    for (i = 0; i < MANY; i++)
        CHECK(base_extents_add(&extents, (100 + i * step) * HL_PAGE, HL_PAGE));
    size = base_plan(&base, extents.list, extents.count, 0);
    CHECK_INT(os_share_create(&base.share, NULL, size, NULL), HL_OK);
    for (i = 0; i < MANY; i++) {
        page = numbered(100 + i * step);
        size = step == 1 ? extents.list[0].offset + i * HL_PAGE : extents.list[i].offset;
        CHECK_INT(os_share_write(&base.share, page, HL_PAGE, size, NULL), HL_OK);
        pages_release(page);
    }
    CHECK_INT(os_share_seal(&base.share, NULL, NULL), HL_OK);
    CHECK_INT(content_adopt(&content, &base, MEMORY, NULL), HL_OK);
    return content;
}

TEST(base_of_a_file)
{
    struct content *content = adopted(1);

    CHECK_INT(content->pages, 0);
    CHECK_INT(content->base->run_count, 1);
    expect_every(content, 1);
    content_release(content);
}

TEST(base_of_a_file_with_many_holes)
{
    struct content *content = adopted(64);

    CHECK_INT(content->base->run_count, 0);
    CHECK_INT(content->pages, MANY);
    expect_every(content, 64);
    CHECK(content_at(content, 101) == pages_zero);
    content_release(content);
}
