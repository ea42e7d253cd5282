/* SPDX-License-Identifier: Apache-2.0 */
/* The heap: blocks with boundary tags, free ones in bins by size.
 *
 *   base                        top              high                    end
 *    | block | block | free | block | given back  | never written, all 0  |
 *
 * Blocks lie one after the other from base to top, each with a header in front of
 * its payload. A new block comes from a bin if a free one fits, otherwise top moves
 * up. Nothing above top is ever written, so a page costs nothing until a block on it
 * is handed out. No two free blocks are neighbours and none ends at top: they merge.
 */
#include "heap.h"

#include "abort.h"

#include <hyperlight/guest.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#define ALIGNMENT 16u
#define HEADER 16u    /* bytes of a header, the two fields before the links */
#define BLOCK_MIN 32u /* a free block holds its links in its payload */
#define RESERVE_MAX (UINT64_C(1) << 40)

#define USED UINT64_C(1) /* in size: handed out */
#define PREV_MASK ((UINT64_C(1) << 48) - 1)

/* Bins 0 to 63 hold one size each, a multiple of 16. Above, a doubling is cut in 8. */
#define EXACT_BINS 64u
#define CUTS 8u
#define CUTS_LOG 3u
#define BINS 320u
#define MAP_WORDS (BINS / 64)

/* How many blocks of its own bin a request looks at before it takes a larger one. */
#define LOOKS 16u

struct block {
    uint64_t size;           /* bytes with the header; USED */
    uint64_t prev;           /* size of the block before, 0: none; upper 16 bits: seal */
    struct block *next_free; /* only while free */
    struct block *prev_free;
};

_Static_assert(offsetof(struct block, next_free) == HEADER, "links are payload");
_Static_assert(sizeof(struct block) == BLOCK_MIN, "a free block holds its links");

static struct {
    char *base;
    char *top;  /* end of the last block */
    char *high; /* highest top there ever was */
    char *end;
    size_t last;             /* size of the block that ends at top, 0: none */
    uint64_t map[MAP_WORDS]; /* one bit for each bin that is not empty */
    struct block *bins[BINS];
} heap;

__attribute__((noreturn)) static void damaged(const char *text)
{
    hl_abort(HL__ABORT_HEAP, text);
}

/* ---- headers ---- */

static struct block *block_at(const void *address)
{
    return (struct block *)address;
}

static void *payload_of(struct block *block)
{
    return (char *)block + HEADER;
}

static size_t size_of(const struct block *block)
{
    return (size_t)(block->size & ~USED);
}

static bool is_used(const struct block *block)
{
    return (block->size & USED) != 0;
}

static size_t prev_of(const struct block *block)
{
    return (size_t)(block->prev & PREV_MASK);
}

static struct block *after(const struct block *block)
{
    return block_at((const char *)block + size_of(block));
}

static bool at_top(const struct block *block)
{
    return (const char *)block == heap.top;
}

static uint64_t seal_for(const struct block *block, uint64_t size, size_t prev)
{
    uint64_t mix = ((uintptr_t)block ^ (size << 16)) * UINT64_C(0x9e3779b97f4a7c15);

    mix = (mix ^ mix >> 29 ^ prev) * UINT64_C(0xbf58476d1ce4e5b9);
    return mix & ~PREV_MASK;
}

static void set_header(struct block *block, uint64_t size, size_t prev)
{
    block->size = size;
    block->prev = prev | seal_for(block, size, prev);
}

/* The header of a block that is merged away must not pass for one in use later. */
static void wipe_header(struct block *block)
{
    block->size = 0;
    block->prev = 0;
}

static void check_header(const struct block *block)
{
    size_t size = size_of(block), prev = prev_of(block);

    if (block->prev != (prev | seal_for(block, block->size, prev)) || size < BLOCK_MIN ||
        size > (size_t)(heap.top - (const char *)block) ||
        prev > (size_t)((const char *)block - heap.base))
        damaged("heap: damaged block header, or a block freed twice");
}

/* Tells the block behind `block` (or top) how large `block` is. */
static void link_after(const struct block *block)
{
    struct block *next = after(block);

    if (at_top(next))
        heap.last = size_of(block);
    else
        set_header(next, next->size, size_of(block));
}

static void set_top(const void *top)
{
    heap.top = (char *)top;
    if (heap.high < heap.top)
        heap.high = heap.top;
}

/* ---- bins ---- */

static unsigned bin_of(size_t size)
{
    uint64_t units = size / ALIGNMENT;
    unsigned log;

    if (units < EXACT_BINS)
        return (unsigned)units;
    log = 63u - (unsigned)__builtin_clzll(units);
    return EXACT_BINS + (log - 6) * CUTS + (unsigned)(units >> (log - CUTS_LOG) & (CUTS - 1));
}

static void check_link(const struct block *link)
{
    uintptr_t at = (uintptr_t)link;

    if (link != NULL &&
        (at % ALIGNMENT != 0 || at < (uintptr_t)heap.base || at >= (uintptr_t)heap.top))
        damaged("heap: a freed block was written to");
}

static void bin_insert(struct block *block)
{
    unsigned bin = bin_of(size_of(block));
    struct block *first = heap.bins[bin];

    block->next_free = first;
    block->prev_free = NULL;
    if (first != NULL)
        first->prev_free = block;
    heap.bins[bin] = block;
    heap.map[bin / 64] |= UINT64_C(1) << bin % 64;
}

static void bin_remove(struct block *block)
{
    unsigned bin = bin_of(size_of(block));
    struct block *next = block->next_free, *prev = block->prev_free;

    check_link(next);
    check_link(prev);
    if ((prev != NULL ? prev->next_free : heap.bins[bin]) != block ||
        (next != NULL && next->prev_free != block))
        damaged("heap: a freed block was written to");
    if (next != NULL)
        next->prev_free = prev;
    if (prev != NULL)
        prev->next_free = next;
    else
        heap.bins[bin] = next;
    if (heap.bins[bin] == NULL)
        heap.map[bin / 64] &= ~(UINT64_C(1) << bin % 64);
}

/* The first of at most `looks` blocks of a bin that is large enough, or NULL. */
static struct block *find_in_bin(unsigned bin, size_t size, size_t looks)
{
    struct block *block = heap.bins[bin];

    for (; block != NULL && looks > 0; block = block->next_free, looks--) {
        check_header(block);
        if (size_of(block) >= size)
            return block;
        check_link(block->next_free);
    }
    return NULL;
}

/* The first block of the lowest bin above `bin` that has one, or NULL. */
static struct block *find_above(unsigned bin)
{
    unsigned word = ++bin / 64;
    uint64_t bits;

    if (bin >= BINS)
        return NULL;
    bits = heap.map[word] & UINT64_MAX << bin % 64;
    while (bits == 0 && ++word < MAP_WORDS)
        bits = heap.map[word];
    return bits != 0 ? heap.bins[word * 64 + (unsigned)__builtin_ctzll(bits)] : NULL;
}

/* ---- taking, cutting and merging ---- */

/* Size of the block for a payload, 0 if no heap can hold it. */
static size_t block_size(size_t payload)
{
    size_t size;

    if (payload >= RESERVE_MAX)
        return 0;
    size = (payload + HEADER + ALIGNMENT - 1) & ~(size_t)(ALIGNMENT - 1);
    return size < BLOCK_MIN ? BLOCK_MIN : size;
}

static struct block *take_from_top(size_t size)
{
    struct block *block = block_at(heap.top);

    if (size > (size_t)(heap.end - heap.top))
        return NULL;
    set_header(block, size | USED, heap.last);
    set_top((char *)block + size);
    heap.last = size;
    return block;
}

static struct block *take_from_bin(struct block *block)
{
    check_header(block);
    if (is_used(block))
        damaged("heap: a freed block was written to");
    bin_remove(block);
    set_header(block, block->size | USED, prev_of(block));
    return block;
}

/* Merges the block behind into this one if it is free. */
static void absorb_next(struct block *block)
{
    struct block *next = after(block);

    if (at_top(next))
        return;
    check_header(next);
    if (prev_of(next) != size_of(block))
        damaged("heap: damaged block header");
    if (is_used(next))
        return;
    bin_remove(next);
    set_header(block, block->size + size_of(next), prev_of(block));
    link_after(block);
}

/* Gives back a used block: into its free neighbours, to top, or to a bin. */
static void release(struct block *block)
{
    absorb_next(block);
    if (prev_of(block) != 0) {
        struct block *before = block_at((char *)block - prev_of(block));

        check_header(before);
        if (size_of(before) != prev_of(block))
            damaged("heap: damaged block header");
        if (!is_used(before)) {
            bin_remove(before);
            set_header(before, size_of(before) + block->size, prev_of(before));
            wipe_header(block);
            block = before;
        }
    }
    if (at_top(after(block))) {
        heap.last = prev_of(block);
        heap.top = (char *)block;
        wipe_header(block);
        return;
    }
    set_header(block, size_of(block), prev_of(block));
    link_after(block);
    bin_insert(block);
}

/* Cuts a used block down to size; what is left over is released. */
static void trim(struct block *block, size_t size)
{
    size_t rest = size_of(block) - size;
    struct block *tail;

    if (rest < BLOCK_MIN)
        return;
    set_header(block, size | USED, prev_of(block));
    tail = after(block);
    if ((char *)tail + rest == heap.top) { /* without touching it */
        heap.top = (char *)tail;
        heap.last = size;
        return;
    }
    set_header(tail, rest | USED, size);
    link_after(tail);
    release(tail);
}

/* A used block of at least `size`, cut to it if it came from a bin, or NULL. */
static struct block *take(size_t size)
{
    unsigned bin = bin_of(size);
    struct block *block = find_in_bin(bin, size, LOOKS);

    if (block == NULL)
        block = find_above(bin);
    if (block == NULL) {
        block = take_from_top(size);
        if (block != NULL)
            return block;
        block = find_in_bin(bin, size, SIZE_MAX); /* nothing else is left */
        if (block == NULL)
            return NULL;
    }
    take_from_bin(block);
    trim(block, size);
    return block;
}

/* The block of a pointer that the guest claims to own. */
static struct block *block_of(void *payload)
{
    uintptr_t at = (uintptr_t)payload;
    struct block *block;

    if (at % ALIGNMENT != 0 || at < (uintptr_t)heap.base + HEADER || at >= (uintptr_t)heap.top)
        damaged("heap: not an allocated block, or one freed twice");
    block = block_at((char *)payload - HEADER);
    check_header(block);
    if (!is_used(block))
        damaged("heap: a block was freed twice");
    return block;
}

/* Makes a used block at least `size` large without moving it, if it can. */
static bool grow(struct block *block, size_t size)
{
    size_t more = size - size_of(block);
    struct block *next = after(block);

    if (at_top(next)) {
        if (more > (size_t)(heap.end - heap.top))
            return false;
        set_header(block, size | USED, prev_of(block));
        set_top((char *)block + size);
        heap.last = size;
        return true;
    }
    if (is_used(next) || size_of(next) < more)
        return false;
    absorb_next(block);
    return true;
}

/* ---- the C functions ---- */

void hl__heap_init(void *base, size_t size)
{
    uintptr_t start = ((uintptr_t)base + ALIGNMENT - 1) & ~(uintptr_t)(ALIGNMENT - 1);
    size_t lost = start - (uintptr_t)base;

    size = size > lost ? size - lost : 0;
    if (size > RESERVE_MAX)
        size = RESERVE_MAX;
    memset(&heap, 0, sizeof heap);
    heap.base = (char *)start;
    heap.top = heap.high = heap.base;
    heap.end = heap.base + size / ALIGNMENT * ALIGNMENT;
}

void *malloc(size_t size)
{
    size_t need = block_size(size);
    struct block *block = need != 0 ? take(need) : NULL;

    return block != NULL ? payload_of(block) : NULL;
}

void *calloc(size_t count, size_t size)
{
    char *written = heap.high; /* from here on all is zero */
    size_t total;
    char *payload;

    if (__builtin_mul_overflow(count, size, &total))
        return NULL;
    payload = malloc(total);
    if (payload != NULL && payload < written) {
        size_t dirty = (size_t)(written - payload);

        memset(payload, 0, dirty < total ? dirty : total);
    }
    return payload;
}

void free(void *payload)
{
    if (payload != NULL)
        release(block_of(payload));
}

void *realloc(void *payload, size_t size)
{
    size_t need = block_size(size);
    struct block *block;
    void *moved;

    if (payload == NULL)
        return malloc(size);
    block = block_of(payload);
    if (need == 0)
        return NULL;
    if (need <= size_of(block) || grow(block, need)) {
        trim(block, need);
        return payload;
    }
    moved = malloc(size);
    if (moved == NULL)
        return NULL;
    memcpy(moved, payload, size_of(block) - HEADER);
    free(payload);
    return moved;
}

void *aligned_alloc(size_t alignment, size_t size)
{
    size_t need = block_size(size);
    struct block *front, *block;
    uintptr_t at;

    if (alignment == 0 || (alignment & (alignment - 1)) != 0 || alignment >= RESERVE_MAX ||
        need == 0)
        return NULL;
    if (alignment <= ALIGNMENT)
        return malloc(size);
    front = take(need + alignment + BLOCK_MIN);
    if (front == NULL)
        return NULL;
    block = front;
    at = (uintptr_t)payload_of(front);
    if (at % alignment != 0) { /* cut off a free block in front */
        size_t total = size_of(front), cut;

        at = (at + BLOCK_MIN + alignment - 1) & ~(uintptr_t)(alignment - 1);
        cut = at - (uintptr_t)payload_of(front);
        block = block_at((char *)front + cut);
        set_header(front, cut | USED, prev_of(front));
        set_header(block, (total - cut) | USED, cut);
        link_after(block);
        release(front);
    }
    trim(block, need);
    return payload_of(block);
}
