/* SPDX-License-Identifier: Apache-2.0 */
/* Frozen pages, snapshots and the cache in the hands of several threads. */
#include <pthread.h>
#include <stdlib.h>

#include "../../src/host/pages.h"
#include "pages_guest.h"
#include "pool.h"

enum { THREADS = 4 };

static void run_all(void *(*body)(void *), void *args[THREADS])
{
    pthread_t threads[THREADS];
    int i;

    for (i = 0; i < THREADS; i++)
        CHECK_INT(pthread_create(&threads[i], NULL, body, args ? args[i] : NULL), 0);
    for (i = 0; i < THREADS; i++)
        CHECK_INT(pthread_join(threads[i], NULL), 0);
}

/* ---- Pages -------------------------------------------------------------------------------- */

static _Atomic(uint8_t *) exchanged[64];

/* Each thread makes pages, leaves them for others, and releases what it finds:
 * chunks come and go under all of them. */
static void *exchange_pages(void *unused)
{
    unsigned seed = (unsigned)(uintptr_t)&seed;
    uint8_t *page, *mine[700];
    uint32_t i, round;

    (void)unused;
    for (round = 0; round < 20; round++) {
        for (i = 0; i < 700; i++) {
            page = pages_new();
            CHECK(page);
            page[0] = page[HL_PAGE - 1] = (uint8_t)i;
            pages_retain(page);
            mine[i] = page;
            page = atomic_exchange(&exchanged[(uint32_t)rand_r(&seed) % 64], page);
            if (!page)
                continue;
            CHECK(page[0] == page[HL_PAGE - 1]);
            pages_release(page);
        }
        for (i = 0; i < 700; i++) {
            CHECK_INT(mine[i][0], (uint8_t)i);
            pages_release(mine[i]);
        }
    }
    return NULL;
}

TEST(pages_pass_between_threads)
{
    uint8_t *page;
    int i;

    run_all(exchange_pages, NULL);
    for (i = 0; i < 64; i++) {
        page = atomic_load(&exchanged[i]);
        if (page)
            pages_release(page);
    }
    check_pool_is_empty();
}

/* ---- Snapshots ------------------------------------------------------------------------------ */

static struct pages pages;
static hl_snapshot *shared;

/* All work on what they derive from the one snapshot. */
static void *branch_off(void *unused)
{
    hl_snapshot *mine = shared, *next;
    hl_sandbox *box, *copy;
    uint64_t i;

    (void)unused;
    fake_use(&pages.program);
    hl_cache_limit(THREADS);
    box = pages_clone(&pages, shared);
    for (i = 1; i < 60; i++) {
        pages_write(box, pages_heap(box, i % 40), i);
        pages_write(box, pages_heap(box, 50), i);
        next = pages_take(box);
        if (mine != shared)
            hl_snapshot_release(mine);
        mine = next;
        copy = pages_clone(&pages, i % 2 ? mine : shared);
        CHECK_INT(pages_read(copy, pages_heap(copy, 50)), i % 2 ? i : 77);
        CHECK_INT(pages_read(copy, pages_heap(copy, 60)), 78);
        pages_restore(copy, i % 2 ? shared : mine);
        CHECK_INT(pages_read(copy, pages_heap(copy, 50)), i % 2 ? 77 : i);
        hl_sandbox_destroy(copy);
        if (i % 10)
            continue;
        pages_restore(box, shared);
        CHECK_INT(pages_read(box, pages_heap(box, 50)), 77);
        CHECK_INT(pages_read(box, pages_heap(box, 1)), 0);
    }
    hl_sandbox_destroy(box);
    hl_snapshot_release(mine);
    return NULL;
}

TEST(threads_branch_off_one_snapshot)
{
    hl_sandbox *box;

    pages_open(&pages, &hv_fake, THREADS);
    box = pages_box(&pages);
    pages_write(box, pages_heap(box, 50), 77);
    pages_write(box, pages_heap(box, 60), 78);
    shared = pages_take(box);
    hl_sandbox_destroy(box);
    run_all(branch_off, NULL);
    hl_snapshot_release(shared);
    pages_close(&pages);
}

/* ---- The cache -------------------------------------------------------------------- */

static atomic_bool over;

static void *make_and_end(void *which)
{
    hl_sandbox *box;
    int i;

    fake_use(&pages.program);
    for (i = 0; i < 150; i++) {
        box = which ? pages_clone(&pages, shared) : pages_box(&pages);
        CHECK_INT(pages_read(box, pages_heap(box, 0)), which ? 9 : 0);
        pages_write(box, pages_heap(box, 0), 10);
        if (i % 8 == 0)
            pages_end(box, i % 16 ? "shut" : "fault", HL_E_FAULT);
        hl_sandbox_destroy(box);
    }
    atomic_store(&over, true);
    return NULL;
}

static void *disturb(void *unused)
{
    hl_cache_stats stats;
    uint32_t i;

    (void)unused;
    fake_use(&pages.program);
    for (i = 0; !atomic_load(&over); i++) {
        hl_cache_limit(i % 4);
        hl_cache_get_stats(&stats);
        CHECK(stats.idle <= THREADS);
        CHECK_INT(hl_cache_fill(shared, pages.host, NULL, 2, NULL), HL_OK);
        hl_cache_trim(1);
    }
    return NULL;
}

/* A VM serves one sandbox at a time, whatever the others do to the cache. */
TEST(threads_share_the_cache)
{
    void *which[THREADS] = {NULL, &pages, NULL, &pages};
    pthread_t disturber;
    hl_sandbox *box;

    pages_open(&pages, &hv_fake, THREADS);
    box = pages_box(&pages);
    pages_write(box, pages_heap(box, 0), 9);
    shared = pages_take(box);
    hl_sandbox_destroy(box);
    CHECK_INT(pthread_create(&disturber, NULL, disturb, NULL), 0);
    run_all(make_and_end, which);
    CHECK_INT(pthread_join(disturber, NULL), 0);
    hl_snapshot_release(shared);
    pages_close(&pages);
}
