/* SPDX-License-Identifier: Apache-2.0 */
/* The guest's heap under load, at its end and when it is misused. */
#include "guest_libc.h"

#include <sys/mman.h>
#include <unistd.h>

#define KIB ((size_t)1024)
#define MIB (KIB * 1024)
#define GIB (MIB * 1024)
#define HEADER 16u

static size_t reserve_size;

#ifdef __SANITIZE_THREAD__ /* it decides itself what lies where */
#define RESERVE_AT NULL
#define RESERVE_FIXED 0
#else
#define RESERVE_AT ((void *)0x200000000000)
#define RESERVE_FIXED MAP_FIXED
#endif

/* At a fixed address, so that the checks in block headers always see the same. */
static char *use_reserve(size_t size)
{
    char *base = mmap(RESERVE_AT, size, PROT_READ | PROT_WRITE,
                      MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | RESERVE_FIXED, -1, 0);

    CHECK(base != MAP_FAILED);
    madvise(base, size, MADV_NOHUGEPAGE);
    reserve_size = size;
    hl__heap_init(base, size);
    return base;
}

/* Pages of the reserve that have been touched. */
static size_t touched(const char *base)
{
    size_t page = (size_t)sysconf(_SC_PAGESIZE), count = reserve_size / page, n = 0;
    unsigned char *map = malloc(count);

    CHECK(map != NULL);
    CHECK_INT(mincore((void *)base, reserve_size, map), 0);
    for (size_t i = 0; i < count; i++)
        n += map[i] & 1;
    free(map);
    return n;
}

static bool all_bytes(const unsigned char *block, unsigned char byte, size_t size)
{
    for (size_t i = 0; i < size; i++) {
        if (block[i] != byte)
            return false;
    }
    return true;
}

/* One block over the whole reserve: nothing is in use and everything has merged. */
static void check_all_free(char *base)
{
    char *whole = hl_t_malloc(reserve_size - HEADER);

    CHECK(whole == base + HEADER);
    hl_t_free(whole);
}

/* ---- use ---- */

struct slot {
    unsigned char *block;
    size_t size;
    unsigned char byte;
};

static size_t random_size(size_t max)
{
    return random_below(8) == 0 ? random_below(max) : random_below(200);
}

static void drop(struct slot *slot)
{
    if (slot->block != NULL)
        CHECK(all_bytes(slot->block, slot->byte, slot->size));
    hl_t_free(slot->block);
    slot->block = NULL;
}

static void allocate(struct slot *slot, size_t size)
{
    size_t alignment = (size_t)1 << random_below(13);

    switch (random_below(4)) {
    case 0:
        slot->block = hl_t_calloc(1, size);
        if (slot->block != NULL)
            CHECK(all_bytes(slot->block, 0, size));
        break;
    case 1:
        slot->block = hl_t_aligned_alloc(alignment, size);
        CHECK_INT((uintptr_t)slot->block % alignment, 0);
        break;
    default:
        slot->block = hl_t_malloc(size);
        break;
    }
    slot->size = size;
}

static void resize(struct slot *slot, size_t size)
{
    size_t kept = size < slot->size ? size : slot->size;
    unsigned char *block = hl_t_realloc(slot->block, size);

    if (block == NULL)
        return;
    CHECK(all_bytes(block, slot->byte, kept));
    slot->block = block;
    slot->size = size;
}

/* Random calls on 300 slots, each block full of its slot's byte; returns the refusals. */
static size_t stress(char *base, unsigned rounds, size_t max)
{
    static struct slot slots[300];
    size_t refused = 0;

    for (unsigned round = 0; round < rounds; round++) {
        struct slot *slot = &slots[random_below(300)];

        if (slot->block == NULL)
            allocate(slot, random_size(max));
        else if (random_below(3) == 0)
            resize(slot, random_size(max));
        else
            drop(slot);
        if (slot->block == NULL) {
            refused++;
            continue;
        }
        CHECK((char *)slot->block >= base + HEADER);
        CHECK((char *)slot->block + slot->size <= base + reserve_size);
        CHECK_INT((uintptr_t)slot->block % 16, 0);
        slot->byte = (unsigned char)(random_bits() >> 33 | 1);
        memset(slot->block, slot->byte, slot->size);
    }
    for (size_t i = 0; i < 300; i++)
        drop(&slots[i]);
    return refused;
}

TEST(guest_heap_keeps_every_block_intact_under_load)
{
    char *base = use_reserve(64 * MIB);

    stress(base, test_full() ? 3000000 : 100000, 100 * KIB);
    check_all_free(base);
}

TEST(guest_heap_keeps_every_block_intact_when_nearly_full)
{
    char *base = use_reserve(128 * KIB);

    CHECK(stress(base, test_full() ? 3000000 : 200000, 4 * KIB) > 1000);
    check_all_free(base);
}

TEST(guest_heap_does_not_grow_when_the_load_does_not)
{
    static void *blocks[1000];
    char *base = use_reserve(64 * MIB);
    size_t first = 0;

    for (unsigned round = 0; round < 200; round++) {
        for (size_t i = 0; i < 1000; i++)
            blocks[i] = hl_t_malloc(1000 + random_below(2000));
        for (size_t i = 0; i < 1000; i++)
            memset(blocks[i], 1, 1000);
        for (size_t i = 0; i < 1000; i++) {
            size_t other = random_below(1000);
            void *kept = blocks[i];

            blocks[i] = blocks[other];
            blocks[other] = kept;
        }
        for (size_t i = 0; i < 1000; i++)
            hl_t_free(blocks[i]);
        if (round == 0)
            first = touched(base);
    }
    CHECK(touched(base) < first + first / 4);
}

TEST(guest_heap_reuses_what_was_freed_before_it_takes_fresh_memory)
{
    char *base = use_reserve(1 * MIB), *a, *b, *kept;

    for (size_t size = 1; size < 300000; size = size * 3 / 2 + 1) {
        a = hl_t_malloc(size);
        kept = hl_t_malloc(1);
        hl_t_free(a);
        b = hl_t_malloc(size);
        CHECK(a == b);
        hl_t_free(b);
        hl_t_free(kept);
        check_all_free(base);
    }
}

TEST(guest_heap_merges_free_neighbours_on_both_sides)
{
    static const unsigned char orders[6][3] = {{0, 1, 2}, {0, 2, 1}, {1, 0, 2},
                                               {1, 2, 0}, {2, 0, 1}, {2, 1, 0}};
    char *base = use_reserve(1 * MIB), *blocks[3], *kept;

    for (size_t i = 0; i < 6; i++) {
        for (size_t n = 0; n < 3; n++)
            blocks[n] = hl_t_malloc(112);
        kept = hl_t_malloc(1);
        for (size_t n = 0; n < 3; n++)
            hl_t_free(blocks[orders[i][n]]);
        CHECK(hl_t_malloc(3 * 128 - HEADER) == blocks[0]);
        hl_t_free(blocks[0]);
        hl_t_free(kept);
        check_all_free(base);
    }
}

TEST(guest_heap_costs_nothing_until_touched)
{
    char *base = use_reserve(2 * GIB), *block;

    CHECK_INT(touched(base), 0);
    CHECK(hl_t_malloc(100) != NULL);
    CHECK_INT(touched(base), 1);
    block = hl_t_malloc(512 * MIB);
    CHECK(block != NULL);
    CHECK_INT(touched(base), 1);
    CHECK(hl_t_calloc(512, MIB) != NULL);
    CHECK_INT(touched(base), 2);
    CHECK(hl_t_aligned_alloc(64 * MIB, 100) != NULL);
    CHECK(touched(base) <= 5);
    hl_t_free(block);
    CHECK(touched(base) <= 6);
}

TEST(guest_heap_shrinks_without_touching_what_it_gives_back)
{
    char *base = use_reserve(64 * MIB), *block = hl_t_malloc(48 * MIB);

    CHECK(hl_t_realloc(block, 20 * MIB) == block);
    CHECK_INT(touched(base), 1);
    hl_t_free(block);
    CHECK_INT(touched(base), 1);
}

TEST(guest_calloc_clears_memory_that_was_used_before)
{
    unsigned char *block;

    use_reserve(1 * MIB);
    for (size_t size = 1; size < 900000; size = size * 2 + 1) {
        block = hl_t_malloc(size);
        memset(block, 0xaa, size);
        hl_t_free(block);
        block = hl_t_calloc(size + 50000, 1); /* partly fresh */
        CHECK(block != NULL);
        CHECK(all_bytes(block, 0, size + 50000));
        memset(block, 0xaa, size + 50000);
        hl_t_free(block);
        block = hl_t_calloc(1, size);
        CHECK(all_bytes(block, 0, size));
        hl_t_free(block);
    }
}

TEST(guest_realloc_stays_in_place_when_it_can)
{
    char *base = use_reserve(1 * MIB), *a, *b, *c;

    a = hl_t_malloc(1000);
    CHECK(hl_t_realloc(a, 100 * KIB) == a); /* into fresh memory */
    b = hl_t_malloc(1000);
    CHECK(hl_t_realloc(a, 1000) == a);     /* shrinks */
    CHECK(hl_t_realloc(a, 50 * KIB) == a); /* into the free block behind */
    c = hl_t_malloc(40 * KIB);
    CHECK(c > a && c < b); /* the rest of that is free */
    strcpy(a, "moved");
    c = hl_t_realloc(a, 60 * KIB);
    CHECK(c > b);
    CHECK_STR(c, "moved");
    CHECK(hl_t_realloc(c, 2 * MIB) == NULL);
    CHECK_STR(c, "moved");
    c = hl_t_realloc(c, 0);
    CHECK(c != NULL);
    CHECK(hl_t_realloc(NULL, 10) != NULL);
    CHECK(base != NULL);
}

/* ---- limits ---- */

TEST(guest_heap_gives_null_when_it_is_exhausted_and_works_on)
{
    char *base = use_reserve(256 * KIB);
    size_t count = 0;
    void *last = NULL, *block;

    for (;;) {
        block = hl_t_malloc(48);
        if (block == NULL)
            break;
        memset(block, 0x55, 48);
        *(void **)block = last;
        last = block;
        count++;
    }
    CHECK_INT(count, 256 * KIB / 64);
    CHECK(hl_t_calloc(1, 1) == NULL);
    CHECK(hl_t_aligned_alloc(64, 1) == NULL);
    CHECK(hl_t_realloc(last, 49) == NULL);
    for (; last != NULL; last = block) {
        block = *(void **)last;
        hl_t_free(last);
    }
    check_all_free(base);
}

TEST(guest_heap_refuses_sizes_that_overflow)
{
    char *base = use_reserve(64 * KIB), *block = hl_t_malloc(10);
    volatile size_t huge = SIZE_MAX; /* or the compiler warns */

    for (size_t less = 0; less < 100; less++) {
        CHECK(hl_t_malloc(huge - less) == NULL);
        CHECK(hl_t_calloc(1, huge - less) == NULL);
        CHECK(hl_t_realloc(block, huge - less) == NULL);
        CHECK(hl_t_aligned_alloc(64, huge - less) == NULL);
        CHECK(hl_t_aligned_alloc((size_t)1 << (less % 64), huge / 2 - less) == NULL);
    }
    CHECK(hl_t_calloc(huge / 2, 3) == NULL);
    CHECK(hl_t_calloc(huge / 16 + 2, 16) == NULL);
    CHECK(hl_t_malloc(64 * KIB - 47) == NULL);
    hl_t_free(block);
    CHECK(hl_t_malloc(64 * KIB - 15) == NULL);
    check_all_free(base);
}

TEST(guest_heap_is_empty_before_it_is_given_memory)
{
    char tiny[64];

    CHECK(hl_t_malloc(1) == NULL);
    for (size_t size = 0; size < 32; size++) {
        hl__heap_init(tiny, size);
        CHECK(hl_t_malloc(1) == NULL);
    }
    hl__heap_init(tiny + 1, 63);
    CHECK(hl_t_malloc(0) != NULL);
    hl_t_free(NULL);
}

TEST(guest_malloc_of_nothing_gives_pointers_of_their_own)
{
    use_reserve(64 * KIB);
    CHECK(hl_t_malloc(0) != hl_t_malloc(0));
    CHECK(hl_t_calloc(0, 5) != hl_t_calloc(5, 0));
}

TEST(guest_aligned_alloc_aligns_and_refuses_what_is_no_alignment)
{
    static const size_t wrong[] = {0, 3, 24, 4097};
    char *base = use_reserve(64 * MIB), *block;

    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        volatile size_t alignment = wrong[i];

        CHECK(hl_t_aligned_alloc(alignment, 8) == NULL);
    }
    for (size_t alignment = 1; alignment <= 16 * MIB; alignment *= 2) {
        for (size_t size = 0; size < 100; size += 33) {
            char *before = hl_t_malloc(size);

            block = hl_t_aligned_alloc(alignment, size);
            CHECK(block != NULL);
            CHECK_INT((uintptr_t)block % alignment, 0);
            memset(block, 1, size);
            hl_t_free(before);
            hl_t_free(block);
            check_all_free(base);
        }
    }
}

/* ---- misuse ---- */

TEST(guest_heap_detects_a_double_free)
{
    static char *a, *b, *c;

    use_reserve(64 * KIB);
    a = hl_t_malloc(100);
    b = hl_t_malloc(100);
    c = hl_t_malloc(100);
    hl_t_free(a);
    CHECK_ABORTS(-3, "heap: a block was freed twice", hl_t_free(a));
    hl_t_free(b); /* merges into a */
    CHECK_ABORTS(-3, "freed twice", hl_t_free(b));
    CHECK_ABORTS(-3, "freed twice", b = hl_t_realloc(b, 5));
    hl_t_free(c); /* the last one */
    CHECK_ABORTS(-3, "freed twice", hl_t_free(c));
    CHECK_ABORTS(-3, "freed twice", hl_t_free(a));
}

TEST(guest_heap_detects_pointers_that_are_not_its_own)
{
    static char *block, other[64];

    use_reserve(64 * KIB);
    block = hl_t_calloc(1, 100);
    CHECK(hl_t_malloc(1) != NULL);
    CHECK_ABORTS(-3, "heap: ", hl_t_free(other));
    CHECK_ABORTS(-3, "heap: ", hl_t_free(block + 1));
    CHECK_ABORTS(-3, "heap: ", hl_t_free(block + 16));
    CHECK_ABORTS(-3, "heap: ", hl_t_free(block + 32));
    CHECK_ABORTS(-3, "heap: ", hl_t_free(block - 16));
    CHECK_ABORTS(-3, "heap: ", hl_t_free((char *)16));
    hl_t_free(block);
}

TEST(guest_heap_detects_a_write_beyond_a_block)
{
    static char *a, *b;

    for (volatile size_t beyond = 0; beyond < 16; beyond++) {
        use_reserve(64 * KIB);
        a = hl_t_malloc(32);
        b = hl_t_malloc(32);
        CHECK(hl_t_malloc(1) != NULL);
        a[32 + beyond] ^= 0x41;
        CHECK_ABORTS(-3, "heap: damaged block header", hl_t_free(b));
        CHECK_ABORTS(-3, "heap: damaged block header", hl_t_free(a));
    }
}

TEST(guest_heap_detects_a_write_into_a_freed_block)
{
    static char *a, *b, *wrong;

    for (volatile size_t at = 0; at < 16; at += 8) {
        use_reserve(64 * KIB);
        a = hl_t_malloc(100);
        b = hl_t_malloc(100);
        CHECK(hl_t_malloc(1) != NULL);
        hl_t_free(a);
        memcpy(a + at, "junkjunk", 8);
        CHECK_ABORTS(-3, "heap: a freed block was written to", wrong = hl_t_malloc(100));
        wrong = b; /* a pointer into the heap, but to no free block */
        memcpy(a + at, &wrong, sizeof wrong);
        CHECK_ABORTS(-3, "heap: a freed block was written to", wrong = hl_t_malloc(100));
        CHECK_ABORTS(-3, "heap: a freed block was written to", hl_t_free(b));
    }
}
