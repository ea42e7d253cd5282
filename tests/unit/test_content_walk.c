/* SPDX-License-Identifier: Apache-2.0 */
/* Contents: a base with holes, a tree of changed pages, and walking both. */
#include "../../src/host/content.h"

#include <stdlib.h>

#include "../../src/host/pages.h"
#include "../test.h"

#define MEMORY (1ull << 36) /* bytes: what a large heap makes */

/* Views of pages 8 to 27 and 1000 to 1003; of those written are 8, 9, 20 and
 * all of the second. Each written page has its number in every byte but 9,
 * which was written with zeros. */
static struct content *make_base(void)
{
    static const struct base_run extents[] = {
        {8 * HL_PAGE, 2 * HL_PAGE, 0},
        {20 * HL_PAGE, HL_PAGE, 12 * HL_PAGE},
        {1000 * HL_PAGE, 4 * HL_PAGE, 20 * HL_PAGE},
    };
    struct base base = {
        .run_count = 2,
        .extent_count = 3,
        .runs = {{8 * HL_PAGE, 20 * HL_PAGE, 0}, {1000 * HL_PAGE, 4 * HL_PAGE, 20 * HL_PAGE}},
    };
    struct base_run *copy = malloc(sizeof extents);
    uint8_t page[HL_PAGE];
    struct content *content;
    uint32_t i, k;

    CHECK(copy);
    memcpy(copy, extents, sizeof extents);
    base.extents = copy;
    CHECK_INT(os_share_create(&base.share, NULL, 24 * HL_PAGE, NULL), HL_OK);
    for (i = 0; i < 3; i++)
        for (k = 0; k < extents[i].size / HL_PAGE; k++) {
            memset(page, (int)(extents[i].gpa / HL_PAGE + k), sizeof page);
            if (extents[i].gpa / HL_PAGE + k == 9)
                memset(page, 0, sizeof page);
            CHECK_INT(os_share_write(&base.share, page, sizeof page,
                                     extents[i].offset + k * HL_PAGE, NULL),
                      HL_OK);
        }
    CHECK_INT(os_share_seal(&base.share, NULL, NULL), HL_OK);
    CHECK_INT(content_adopt(&content, &base, MEMORY, NULL), HL_OK);
    return content;
}

static struct content_page changed(uint64_t number)
{
    uint8_t *page = pages_new();

    CHECK(page);
    memset(page, (int)number, HL_PAGE);
    page[0] = 0xee;
    return (struct content_page){number, page};
}

struct seen {
    uint64_t numbers[32];
    uint8_t first[32];
    uint32_t count, most;
};

static bool see(void *ctx, uint64_t number, const uint8_t *bytes)
{
    struct seen *seen = ctx;

    CHECK(seen->count < 32);
    seen->numbers[seen->count] = number;
    seen->first[seen->count++] = bytes[0];
    CHECK_INT(bytes[HL_PAGE - 1], (uint8_t)number);
    return seen->count != seen->most;
}

static void check_each(const struct content *content, uint64_t first, uint64_t end,
                       const uint64_t wanted[], uint32_t count)
{
    struct seen seen = {.count = 0};
    uint32_t i;

    CHECK(content_each(content, first, end, see, &seen));
    CHECK_INT(seen.count, count);
    for (i = 0; i < count; i++)
        CHECK_INT(seen.numbers[i], wanted[i]);
}

TEST(content_of_a_base_with_holes)
{
    static const uint64_t all[] = {8, 20, 1000, 1001, 1002, 1003};
    struct content *content = make_base();

    CHECK_INT(content_at(content, 8)[5], 8);
    CHECK_INT(content_at(content, 20)[5], 20);
    CHECK_INT(content_at(content, 1003)[5], (uint8_t)1003);
    CHECK(content_at(content, 7) == pages_zero);
    CHECK(content_at(content, 15) == pages_zero); /* a hole: never touched */
    CHECK(content_at(content, 21) == pages_zero);
    CHECK(content_at(content, 1004) == pages_zero);
    CHECK(content_at(content, 0) == pages_zero);
    CHECK(content_at(content, MEMORY / HL_PAGE - 1) == pages_zero);
    check_each(content, 0, MEMORY / HL_PAGE, all, 6);
    check_each(content, 8, 21, all, 2);
    check_each(content, 9, 20, all, 0);
    check_each(content, 1001, 1003, all + 3, 2);
    content_release(content);
}

/* The tree's pages stand in for the base's, also where they make it zero. */
TEST(content_each_merges_base_and_tree)
{
    static const uint64_t all[] = {0, 8, 9, 15, 20, 1001, 1003, 5000, (1 << 24) - 1};
    struct content_page pages[] = {
        changed(0),    changed(9),         changed(15),           changed(1003),
        changed(5000), {1000, pages_zero}, {1002, pages_zero},    {77, pages_zero},
        changed(20),   changed(8),         changed((1 << 24) - 1)};
    struct content *base = make_base(), *content;
    struct seen seen = {.count = 0};

    CHECK_INT(content_derive(&content, base, pages, 11, NULL), HL_OK);
    content_release(base);
    check_each(content, 0, MEMORY / HL_PAGE, all, 9);
    check_each(content, 9, 1002, all + 2, 4);
    check_each(content, 5001, (1 << 24) - 1, all, 0);
    CHECK(content_each(content, 0, 20, see, &seen));
    CHECK_INT(seen.count, 4);
    CHECK_INT(seen.first[1], 0xee);
    content_release(content);
}

TEST(content_each_ends_when_told)
{
    struct seen seen = {.most = 3};
    struct content *content = make_base();

    CHECK(!content_each(content, 0, MEMORY / HL_PAGE, see, &seen));
    CHECK_INT(seen.count, 3);
    content_release(content);
}

/* A page a step of two, three, five ... through all heights of the tree. */
TEST(content_each_sees_what_was_put)
{
    enum { COUNT = 3000 };
    static struct content_page pages[COUNT];
    struct content *base = make_base(), *content;
    uint64_t number = 1 << 12, at = 0, found;
    uint32_t i;

    for (i = 0; i < COUNT; i++) {
        number += 1 + i * 2654435761u % 5000;
        pages[i] = changed(number);
    }
    CHECK_INT(content_derive(&content, base, pages, COUNT, NULL), HL_OK);
    for (i = 0; i < COUNT; i++, at = found + 1) {
        CHECK(tree_next(&found, content->tree, content->height, at) == pages[i].bytes);
        CHECK_INT(found, pages[i].number);
    }
    CHECK(!tree_next(&found, content->tree, content->height, at));
    CHECK(!tree_next(&found, content->tree, content->height, UINT64_MAX));
    content_release(content);
    content_release(base);
}
