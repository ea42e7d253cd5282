/* SPDX-License-Identifier: Apache-2.0 */
/* Contents: a base and the pages that took the place of its pages. */
#include <stdlib.h>

#include "../../src/host/content.h"
#include "../../src/host/pages.h"
#include "../test.h"
#include "alloc.h"
#include "pool.h"

/* The base: three pages at guest-physical page 5. */
enum { BASE_PAGES = 3, BASE_AT = 5, GUEST_PAGES = 300 };

static os_share share;
static const uint8_t *bytes;

static struct content *plain(void)
{
    struct content *content;
    uint8_t *memory;
    uint32_t i;

    if (!bytes) {
        CHECK_INT(os_share_create(&share, &memory, BASE_PAGES * HL_PAGE, NULL), HL_OK);
        for (i = 0; i < BASE_PAGES; i++)
            memset(memory + i * HL_PAGE, 0x10 + (int)i, HL_PAGE);
        CHECK_INT(os_share_seal(&share, memory, NULL), HL_OK);
        CHECK_INT(os_share_map(&bytes, &share, NULL), HL_OK);
    }
    CHECK_INT(
        content_create(&content, &share, bytes, BASE_AT * HL_PAGE, GUEST_PAGES * HL_PAGE, NULL),
        HL_OK);
    return content;
}

static const uint8_t *page_of(uint8_t byte)
{
    uint8_t *page = pages_new();

    CHECK(page);
    memset(page, byte, HL_PAGE);
    return page;
}

static struct content *derive(const struct content *from, const struct content_page *pages,
                              uint32_t count)
{
    struct content *content;
    hl_error err;

    CHECK_INT(content_derive(&content, from, pages, count, &err), HL_OK);
    return content;
}

/* Its page is all this byte. */
static void expect(const struct content *content, uint64_t number, uint8_t byte)
{
    const uint8_t *page = content_at(content, number);

    CHECK_INT(page[0], byte);
    CHECK(!memcmp(page, page + 1, HL_PAGE - 1));
}

TEST(the_base_lies_in_zeros)
{
    struct content *content = plain();
    uint64_t i;

    for (i = 0; i < GUEST_PAGES; i++) {
        if (i >= BASE_AT && i < BASE_AT + BASE_PAGES) {
            expect(content, i, (uint8_t)(0x10 + i - BASE_AT));
            CHECK(content_at(content, i) == content_base_at(content, i));
        } else {
            CHECK(content_at(content, i) == pages_zero);
            CHECK(content_base_at(content, i) == pages_zero);
        }
    }
    CHECK_INT(content->pages, 0);
    content_release(content);
}

/* Several runs of one share: each edge, and what lies between them. */
TEST(runs_end_where_they_end)
{
    struct content *content = plain();
    struct base *base = content->base;
    struct base_run *extents = malloc(3 * sizeof *extents);

    CHECK(extents);
    extents[0] = (struct base_run){HL_PAGE, HL_PAGE, 2 * HL_PAGE};
    extents[1] = (struct base_run){2 * HL_PAGE, HL_PAGE, 0};
    extents[2] = (struct base_run){9 * HL_PAGE, 2 * HL_PAGE, HL_PAGE};
    free((void *)(uintptr_t)base->extents);
    base->extents = extents;
    base->extent_count = 3;
    CHECK(content_at(content, 0) == pages_zero);
    expect(content, 1, 0x12);
    expect(content, 2, 0x10);
    CHECK(content_at(content, 3) == pages_zero);
    CHECK(content_at(content, 8) == pages_zero);
    expect(content, 9, 0x11);
    expect(content, 10, 0x12);
    CHECK(content_at(content, 11) == pages_zero);
    content_release(content);
}

TEST(derived_pages_take_the_place_of_others)
{
    struct content *first = plain(), *second, *third;

    second = derive(first,
                    (struct content_page[]){{BASE_AT, page_of(0x21)},
                                            {BASE_AT + 1, pages_zero},
                                            {0, page_of(0x22)},
                                            {GUEST_PAGES - 1, page_of(0x23)}},
                    4);
    third = derive(
        second,
        (struct content_page[]){{BASE_AT, page_of(0x31)}, {0, pages_zero}, {100, page_of(0x32)}},
        3);
    CHECK_INT(first->pages, 0);
    CHECK_INT(second->pages, 4);
    CHECK_INT(third->pages, 5);
    expect(first, BASE_AT, 0x10);
    expect(first, BASE_AT + 1, 0x11);
    expect(second, BASE_AT, 0x21);
    expect(second, BASE_AT + 1, 0); /* zeros hide the base */
    CHECK(content_at(second, BASE_AT + 1) == pages_zero);
    expect(second, BASE_AT + 2, 0x12);
    expect(second, 0, 0x22);
    expect(second, 100, 0);
    expect(third, BASE_AT, 0x31);
    expect(third, BASE_AT + 1, 0);
    expect(third, 0, 0);
    expect(third, 100, 0x32);
    expect(third, GUEST_PAGES - 1, 0x23);
    expect(third, BASE_AT + 2, 0x12);
    CHECK(content_base_at(third, BASE_AT) == content_base_at(first, BASE_AT));
    content_release(first);
    content_release(second);
    content_release(third);
    check_pool_is_empty();
}

TEST(derived_of_nothing_is_equal)
{
    struct content *first = plain(), *second = derive(first, NULL, 0);

    CHECK(second != first);
    CHECK(second->base == first->base);
    expect(second, BASE_AT, 0x10);
    content_release(first);
    content_release(second);
}

/* What others still need stays, whichever goes first. */
TEST(contents_may_be_released_in_any_order)
{
    struct content *all[4];
    uint32_t order, i, k;

    for (order = 0; order < 24; order++) {
        all[0] = plain();
        for (i = 1; i < 4; i++)
            all[i] = derive(all[i - 1],
                            (struct content_page[]){{40, page_of((uint8_t)i)},
                                                    {40 + i, page_of((uint8_t)(0x40 + i))}},
                            2);
        for (i = 4, k = order; i; k /= i--) {
            uint32_t which = k % i, live, at;

            for (live = at = 0; at < 4; at++) {
                if (!all[at])
                    continue;
                expect(all[at], 40, (uint8_t)at);
                expect(all[at], 41, at ? 0x41 : 0);
                expect(all[at], BASE_AT, 0x10);
                if (live++ == which) {
                    content_release(all[at]);
                    all[at] = NULL;
                }
            }
        }
        check_pool_is_empty();
    }
}

TEST(a_retained_content_stays)
{
    struct content *content = plain();

    content_retain(content);
    content_release(content);
    expect(content, BASE_AT + 2, 0x12);
    content_release(content);
    content_release(NULL);
}

/* ---- Without memory --------------------------------------------------------------------- */

TEST(create_without_memory)
{
    struct content *content = plain(), *made;
    hl_error err;
    uint32_t n;

    for (n = 0; n < 2; n++) {
        made = content;
        alloc_fails_after(n);
        CHECK_INT(content_create(&made, &share, bytes, 0, GUEST_PAGES * HL_PAGE, &err),
                  HL_E_MEMORY);
        CHECK(alloc_works());
        CHECK_STR(err.text, "no memory for a guest's contents");
        CHECK(!made);
    }
    content_release(content);
}

/* The pages given are released, the content they were derived from is as before. */
TEST(derive_without_memory)
{
    struct content *first = plain(), *from, *made;
    const struct content_page one = {0, page_of(1)};
    struct content_page pages[4];
    uint8_t *freed[4], *again;
    hl_status status = HL_E_MEMORY;
    hl_error err;
    uint32_t n, i;

    from = derive(first, &one, 1);
    for (n = 0; status; n++) {
        for (i = 0; i < 4; i++)
            pages[i] = (struct content_page){i * 80, page_of((uint8_t)(i + 2))};
        alloc_fails_after(n);
        status = content_derive(&made, from, pages, 4, &err);
        CHECK_INT(alloc_works(), status != HL_OK);
        expect(from, 0, 1);
        expect(from, 80, 0);
        if (!status)
            break;
        CHECK_INT(status, HL_E_MEMORY);
        CHECK_STR(err.text, "no memory for a guest's contents");
        CHECK(!made);
        for (i = 0; i < 4; i++) { /* all four come back from the pool */
            again = freed[i] = pages_new();
            CHECK(again == pages[0].bytes || again == pages[1].bytes || again == pages[2].bytes ||
                  again == pages[3].bytes);
        }
        for (i = 0; i < 4; i++)
            pages_release(freed[i]);
    }
    CHECK(n > 3); /* content, root, paths */
    expect(made, 80, 3);
    content_release(made);
    content_release(from);
    content_release(first);
    check_pool_is_empty();
}
