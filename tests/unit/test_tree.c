/* SPDX-License-Identifier: Apache-2.0 */
/* The persistent tree against plain arrays. */
#include <stdlib.h>

#include "../../src/host/pages.h"
#include "../../src/host/tree.h"
#include "../test.h"
#include "alloc.h"
#include "pool.h"

enum { SLOTS = 64, VERSIONS = 12 };

/* What a version should be: pages at some numbers. */
struct model {
    struct tree_node *root;
    const uint8_t *pages[SLOTS];
};

/* The numbers in use at one height: clustered at both ends and in the middle,
 * so that paths are shared and not, in ascending order. */
static uint64_t numbers[SLOTS];

static void choose_numbers(uint32_t height)
{
    const uint64_t end = height < 16 ? 1ull << height * TREE_BITS : UINT64_MAX;
    uint32_t i;

    for (i = 0; i < SLOTS; i++)
        numbers[i] = end <= SLOTS ? i
                     : i < 20     ? i
                     : i < 44     ? end / 2 - 12 + (i - 20)
                                  : end - SLOTS + i;
}

static uint32_t slots(uint32_t height)
{
    return height == 1 ? TREE_WIDTH : SLOTS;
}

static const uint8_t *new_page(void)
{
    const uint8_t *page = pages_new();

    CHECK(page);
    return page;
}

static void check(const struct model *model, uint32_t height)
{
    uint32_t i;

    for (i = 0; i < slots(height); i++)
        CHECK(tree_find(model->root, height, numbers[i]) == model->pages[i]);
}

static void put(struct model *model, uint32_t height, uint32_t slot)
{
    const uint8_t *page = random() % 8 ? new_page() : pages_zero;
    bool grown;

    CHECK(tree_put(&model->root, height, numbers[slot], page, &grown));
    CHECK_INT(grown, !model->pages[slot]);
    model->pages[slot] = page;
}

static struct model fork_of(const struct model *from, uint32_t height)
{
    struct model copy = *from;

    copy.root = tree_fork(from->root, height);
    CHECK(copy.root && copy.root != from->root);
    return copy;
}

struct differences {
    uint64_t found[SLOTS];
    const uint8_t *page[SLOTS];
    uint32_t count;
};

static void note(void *ctx, uint64_t number, const uint8_t *page)
{
    struct differences *differences = ctx;

    CHECK(differences->count < SLOTS);
    differences->found[differences->count] = number;
    differences->page[differences->count++] = page;
}

/* Exactly the numbers at which the two models differ, ascending. */
static void check_diff(const struct model *a, const struct model *b, uint32_t height)
{
    struct differences differences = {.count = 0};
    uint32_t i, next = 0;

    tree_diff(a->root, b->root, height, note, &differences);
    for (i = 0; i < slots(height); i++) {
        if (a->pages[i] == b->pages[i])
            continue;
        CHECK(next < differences.count);
        CHECK_INT(differences.found[next], numbers[i]);
        CHECK(differences.page[next] == b->pages[i]);
        next++;
    }
    CHECK_INT(next, differences.count);
}

static void play(uint32_t height, uint32_t steps)
{
    static struct model versions[VERSIONS];
    static const struct model none;
    uint32_t step, i, k;

    choose_numbers(height);
    memset(versions, 0, sizeof versions);
    for (step = 0; step < steps; step++) {
        i = (uint32_t)random() % VERSIONS;
        k = (uint32_t)random() % VERSIONS;
        switch (random() % 8) {
        case 0:
            tree_release(versions[i].root, height);
            versions[i] = none;
            break;
        case 1:
        case 2:
            if (i == k)
                break;
            tree_release(versions[i].root, height);
            versions[i] = fork_of(&versions[k], height);
            break;
        default:
            put(&versions[i], height, (uint32_t)random() % slots(height));
        }
        if (step % 16)
            continue;
        for (i = 0; i < VERSIONS; i++)
            check(&versions[i], height);
        check_diff(&versions[k], &versions[step / 16 % VERSIONS], height);
        check_diff(&versions[k], &none, height);
        check_diff(&none, &versions[k], height);
        check_diff(&versions[k], &versions[k], height);
    }
    for (i = 0; i < VERSIONS; i++)
        tree_release(versions[i].root, height);
    check_pool_is_empty();
}

TEST(versions_hold_what_was_put)
{
    const uint32_t steps = test_full() ? 1000000 : 20000;
    uint32_t height;

    srandom(3);
    for (height = 1; height <= 7; height++)
        play(height, steps);
    play(16, steps);
}

TEST(height_is_what_numbers_need)
{
    uint32_t height;

    CHECK_INT(tree_height(0), 1);
    CHECK_INT(tree_height(1), 1);
    for (height = 1; height < 16; height++) {
        CHECK_INT(tree_height(1ull << height * TREE_BITS), height);
        CHECK_INT(tree_height((1ull << height * TREE_BITS) + 1), height + 1);
    }
    CHECK_INT(tree_height(UINT64_MAX), 16);
}

TEST(the_empty_version_has_nothing)
{
    struct differences differences = {.count = 0};

    CHECK(!tree_find(NULL, 7, 12345));
    tree_diff(NULL, NULL, 7, note, &differences);
    CHECK_INT(differences.count, 0);
    tree_release(NULL, 7);
}

/* The page that another takes the place of goes back to the pool. */
TEST(a_put_releases_the_page_before)
{
    struct model model = {NULL, {NULL}};
    const uint8_t *first;
    bool grown;

    choose_numbers(3);
    put(&model, 3, 5);
    first = new_page();
    CHECK(tree_put(&model.root, 3, numbers[7], first, &grown));
    CHECK(tree_put(&model.root, 3, numbers[7], pages_zero, &grown));
    CHECK(!grown);
    CHECK(new_page() == first); /* the pool's last freed one */
    pages_release(first);
    tree_release(model.root, 3);
}

/* A page stays while any version has it. */
TEST(a_page_lives_as_long_as_a_version_that_has_it)
{
    struct model a = {NULL, {NULL}}, b;
    uint8_t *page = pages_new();
    bool grown;

    CHECK(page);
    memset(page, 0x5a, HL_PAGE);
    choose_numbers(2);
    CHECK(tree_put(&a.root, 2, numbers[3], page, &grown));
    b = fork_of(&a, 2);
    CHECK(tree_put(&a.root, 2, numbers[3], pages_zero, &grown));
    tree_release(a.root, 2);
    CHECK(new_page() != page);
    CHECK_INT(tree_find(b.root, 2, numbers[3])[HL_PAGE - 1], 0x5a);
    tree_release(b.root, 2);
    CHECK(new_page() == page);
}

/* ---- Without memory ---------------------------------------------------------------- */

/* Each allocation of a put into a shared version fails once. */
static void starve(uint32_t height)
{
    struct model model = {NULL, {NULL}}, mine;
    const uint8_t *page = new_page();
    bool grown, done = false;
    uint32_t n, failures = 0;

    choose_numbers(height);
    put(&model, height, 0);
    put(&model, height, slots(height) - 1);
    for (n = 0; !done; n++) {
        mine = fork_of(&model, height);
        alloc_fails_after(n);
        done = tree_put(&mine.root, height, numbers[1], page, &grown);
        CHECK_INT(alloc_works(), !done);
        failures += !done;
        if (!done)
            check_diff(&model, &mine, height);
        check(&model, height);
        CHECK(tree_find(mine.root, height, numbers[1]) == (done ? page : NULL));
        tree_release(mine.root, height);
    }
    CHECK_INT(failures, height - 1); /* the root was ours, all below it were not */
    tree_release(model.root, height);
    check_pool_is_empty();
}

TEST(a_put_without_memory_changes_nothing)
{
    uint32_t height;

    for (height = 1; height <= 7; height++)
        starve(height);
}

TEST(a_put_into_nothing_without_memory_changes_nothing)
{
    const uint8_t *page = new_page();
    struct tree_node *root = NULL;
    uint32_t n;
    bool grown, done;

    choose_numbers(4);
    for (n = 0; n <= 4; n++) {
        alloc_fails_after(n);
        done = tree_put(&root, 4, numbers[30], page, &grown);
        CHECK_INT(alloc_works(), n < 4);
        CHECK_INT(done, n == 4);
        CHECK(tree_find(root, 4, numbers[30]) == (done ? page : NULL));
        if (!done) {
            tree_release(root, 4);
            root = NULL;
        }
    }
    tree_release(root, 4);
}

TEST(a_fork_without_memory_is_none)
{
    struct model model = {NULL, {NULL}};
    struct tree_node *copy;

    choose_numbers(2);
    put(&model, 2, 9);
    alloc_fails_after(0);
    copy = tree_fork(model.root, 2);
    CHECK(alloc_works());
    CHECK(!copy);
    check(&model, 2);
    tree_release(model.root, 2);
}
