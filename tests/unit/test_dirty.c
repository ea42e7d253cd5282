/* SPDX-License-Identifier: Apache-2.0 */
/* The set of dirty pages: a list, then a bitmap. */
#include <stdlib.h>

#include "../../src/host/dirty.h"
#include "../test.h"

enum { PAGES = 5000 };

static struct dirty empty(uint64_t pages)
{
    struct dirty set;

    CHECK(dirty_init(&set, pages, true));
    CHECK_INT(set.count, 0);
    return set;
}

/* What the set holds, each number once, into found[]. */
static void collect(bool found[PAGES], const struct dirty *set)
{
    uint64_t at = 0, page = 0, count = 0;

    memset(found, 0, PAGES);
    while (dirty_next(set, &at, &page)) {
        CHECK(page < set->page_count);
        CHECK(!found[page]);
        found[page] = true;
        count++;
    }
    CHECK_INT(count, set->count);
    CHECK(!dirty_next(set, &at, &page)); /* the end stays the end */
}

TEST(an_empty_set_has_no_next)
{
    struct dirty set = empty(PAGES);
    bool found[PAGES];

    collect(found, &set);
    dirty_clear(&set);
    collect(found, &set);
    dirty_free(&set);
    set = empty(0);
    CHECK(!dirty_add(&set, 0));
    collect(found, &set);
    dirty_free(&set);
}

TEST(a_short_set_keeps_the_order_of_arrival)
{
    static const uint64_t numbers[] = {4999, 0, 64, 63, 65, 1};
    struct dirty set = empty(PAGES);
    uint64_t at = 0, page;
    size_t i;

    for (i = 0; i < 6; i++)
        CHECK(dirty_add(&set, numbers[i]));
    for (i = 0; i < 6; i++) {
        CHECK(dirty_next(&set, &at, &page));
        CHECK_INT(page, numbers[i]);
    }
    CHECK(!dirty_next(&set, &at, &page));
    dirty_free(&set);
}

TEST(a_number_counts_once)
{
    struct dirty set = empty(PAGES);

    CHECK(dirty_add(&set, 70));
    CHECK(!dirty_add(&set, 70));
    CHECK(dirty_add(&set, 71));
    CHECK_INT(set.count, 2);
    dirty_clear(&set);
    CHECK(dirty_add(&set, 70));
    CHECK_INT(set.count, 1);
    dirty_free(&set);
}

TEST(numbers_beyond_the_end_are_ignored)
{
    struct dirty set = empty(65);

    CHECK(dirty_add(&set, 64));
    CHECK(!dirty_add(&set, 65));
    CHECK(!dirty_add(&set, 127)); /* in the last word, but no page */
    CHECK(!dirty_add(&set, 128));
    CHECK(!dirty_add(&set, UINT64_MAX));
    CHECK_INT(set.count, 1);
    dirty_free(&set);
}

/* Beyond DIRTY_LISTED numbers the bitmap is gone through, ascending. */
TEST(a_long_set_is_ascending)
{
    struct dirty set = empty(PAGES);
    uint64_t at = 0, page, before = 0;
    uint32_t i, step;

    for (i = 0; i <= DIRTY_LISTED; i++)
        CHECK(dirty_add(&set, (i * 3571ull) % PAGES));
    CHECK_INT(set.count, DIRTY_LISTED + 1);
    for (step = 0; dirty_next(&set, &at, &page); step++) {
        CHECK(!step || page > before);
        before = page;
    }
    CHECK_INT(step, DIRTY_LISTED + 1);
    dirty_free(&set);
}

TEST(the_list_holds_up_to_its_size)
{
    struct dirty set = empty(PAGES);
    uint64_t at = 0, page;
    uint32_t i;

    for (i = 0; i < DIRTY_LISTED; i++)
        CHECK(dirty_add(&set, PAGES - 1 - i));
    for (i = 0; i < DIRTY_LISTED; i++) {
        CHECK(dirty_next(&set, &at, &page));
        CHECK_INT(page, PAGES - 1 - i);
    }
    CHECK(!dirty_next(&set, &at, &page));
    dirty_free(&set);
}

/* Against a plain array, over sets of all lengths, each cleared. */
TEST(holds_what_was_added)
{
    static bool model[PAGES], found[PAGES];
    struct dirty set = empty(PAGES);
    uint32_t round, i, page, adds;

    srandom(1);
    for (round = 0; round < 200; round++) {
        memset(model, 0, sizeof model);
        adds = (uint32_t)random() % (round % 2 ? 100 : 3 * DIRTY_LISTED);
        for (i = 0; i < adds; i++) {
            page = (uint32_t)random() % PAGES;
            CHECK_INT(dirty_add(&set, page), !model[page]);
            model[page] = true;
        }
        collect(found, &set);
        CHECK(!memcmp(found, model, sizeof model));
        dirty_clear(&set);
        collect(found, &set);
    }
    dirty_free(&set);
}

/* The last page lies in the last bit of a word, or alone in its word. */
TEST(every_size_has_its_last_page)
{
    struct dirty set;
    uint64_t size, i, at, page;

    for (size = DIRTY_LISTED + 1; size < DIRTY_LISTED + 200; size++) {
        set = empty(size);
        for (i = 0; i < size; i++)
            CHECK(dirty_add(&set, i));
        for (i = at = 0; i < size; i++) {
            CHECK(dirty_next(&set, &at, &page));
            CHECK_INT(page, i);
        }
        CHECK(!dirty_next(&set, &at, &page));
        dirty_free(&set);
    }
}
