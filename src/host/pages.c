/* SPDX-License-Identifier: Apache-2.0 */
/* The pool behind frozen pages: chunks of 2 MiB, so that mappings stay few. */
#include "pages.h"

#include <stdatomic.h>

#include "os/lock.h"
#include "os/os.h"

#define CHUNK_SIZE (2ull << 20) /* and its alignment */
enum { PER_CHUNK = 511, NONE = UINT16_MAX };

/* A chunk's first page; the others are given out. */
struct chunk {
    uint8_t *reserved;          /* its address space, twice its size */
    struct chunk *next, **link; /* in the list of chunks with free pages */
    uint32_t used;
    uint16_t first_free, fresh; /* fresh: from this one on never used */
    uint16_t next_free[PER_CHUNK];
    _Atomic uint32_t counts[PER_CHUNK];
};
_Static_assert(sizeof(struct chunk) <= HL_PAGE, "a chunk's head is a page");

static struct {
    struct lock lock; /* of the list and all chunk heads but the counts */
    struct chunk *partial;
} pool;

_Alignas(64) const uint8_t pages_zero[HL_PAGE];

static struct chunk *chunk_of(const uint8_t *page)
{
    return (struct chunk *)((uintptr_t)page & ~(uintptr_t)(CHUNK_SIZE - 1));
}

static uint32_t index_of(const uint8_t *page)
{
    return (uint32_t)((uintptr_t)page % CHUNK_SIZE / HL_PAGE) - 1;
}

static void link_chunk(struct chunk *chunk)
{
    chunk->next = pool.partial;
    chunk->link = &pool.partial;
    if (chunk->next)
        chunk->next->link = &chunk->next;
    pool.partial = chunk;
}

static void unlink_chunk(struct chunk *chunk)
{
    *chunk->link = chunk->next;
    if (chunk->next)
        chunk->next->link = chunk->link;
}

static struct chunk *make_chunk(void)
{
    struct chunk *chunk;
    uint8_t *reserved;

    if (os_reserve(&reserved, 2 * CHUNK_SIZE, NULL))
        return NULL;
    chunk = chunk_of(reserved + CHUNK_SIZE - 1);
    if (os_commit((uint8_t *)chunk, CHUNK_SIZE, NULL)) {
        os_release(reserved, 2 * CHUNK_SIZE);
        return NULL;
    }
    os_conceal((uint8_t *)chunk, CHUNK_SIZE); /* a forked child has guests and snapshots, too */
    chunk->reserved = reserved;
    chunk->first_free = NONE;
    link_chunk(chunk);
    return chunk;
}

static uint32_t take_index(struct chunk *chunk)
{
    uint32_t index = chunk->first_free;

    if (index == NONE)
        index = chunk->fresh++;
    else
        chunk->first_free = chunk->next_free[index];
    if (++chunk->used == PER_CHUNK)
        unlink_chunk(chunk);
    return index;
}

uint8_t *pages_new(void)
{
    struct chunk *chunk;
    uint32_t index = 0;

    lock_take(&pool.lock);
    chunk = pool.partial ? pool.partial : make_chunk();
    if (chunk)
        index = take_index(chunk);
    lock_drop(&pool.lock);
    if (!chunk)
        return NULL;
    atomic_store_explicit(&chunk->counts[index], 1, memory_order_relaxed);
    return (uint8_t *)chunk + (index + 1) * HL_PAGE;
}

void pages_retain(const uint8_t *page)
{
    if (page != pages_zero)
        atomic_fetch_add_explicit(&chunk_of(page)->counts[index_of(page)], 1, memory_order_relaxed);
}

/* The last partial chunk stays, so that take and release do not map and unmap. */
static void give_back(struct chunk *chunk, uint32_t index)
{
    struct chunk *empty = NULL;

    lock_take(&pool.lock);
    chunk->next_free[index] = chunk->first_free;
    chunk->first_free = (uint16_t)index;
    if (chunk->used-- == PER_CHUNK)
        link_chunk(chunk);
    if (!chunk->used && (chunk->next || pool.partial != chunk)) {
        unlink_chunk(chunk);
        empty = chunk;
    }
    lock_drop(&pool.lock);
    if (empty)
        os_release(empty->reserved, 2 * CHUNK_SIZE);
}

void pages_release(const uint8_t *page)
{
    struct chunk *chunk = chunk_of(page);
    const uint32_t index = index_of(page);

    if (page != pages_zero &&
        atomic_fetch_sub_explicit(&chunk->counts[index], 1, memory_order_acq_rel) == 1)
        give_back(chunk, index);
}
