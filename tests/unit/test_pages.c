/* SPDX-License-Identifier: Apache-2.0 */
/* The pool of frozen pages. */
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>

#include "../../src/host/pages.h"
#include "../test.h"

enum { CHUNK = 511 /* pages */, CHUNK_KIB = 2048, MANY = 3 * CHUNK + 1 };

static uint8_t *new_page(void)
{
    uint8_t *page = pages_new();

    CHECK(page && (uintptr_t)page % HL_PAGE == 0);
    return page;
}

static bool all_are(const uint8_t *page, uint8_t byte)
{
    return page[0] == byte && !memcmp(page, page + 1, HL_PAGE - 1);
}

/* KiB of this process's mappings that can be written. */
static long writable_kib(void)
{
    FILE *maps = fopen("/proc/self/maps", "r");
    unsigned long from, to;
    char line[512], access[5];
    long sum = 0;

    CHECK(maps);
    while (fgets(line, sizeof line, maps))
        if (sscanf(line, "%lx-%lx %4s", &from, &to, access) == 3 && access[1] == 'w' &&
            to - from < 1ul << 30) /* a sanitizer's shadow is larger */
            sum += (long)((to - from) / 1024);
    fclose(maps);
    return sum;
}

TEST(pages_do_not_overlap)
{
    static uint8_t *pages[MANY];
    uint32_t i;

    for (i = 0; i < MANY; i++) {
        pages[i] = new_page();
        memset(pages[i], (int)(i % 251), HL_PAGE);
    }
    for (i = 0; i < MANY; i++)
        CHECK(all_are(pages[i], (uint8_t)(i % 251)));
    for (i = 0; i < MANY; i++)
        pages_release(pages[i]);
}

TEST(a_page_lives_until_its_last_release)
{
    uint8_t *page = new_page(), *others[CHUNK];
    uint32_t i;

    memset(page, 7, HL_PAGE);
    pages_retain(page);
    pages_retain(page);
    pages_release(page);
    pages_release(page);
    for (i = 0; i < CHUNK; i++) {
        others[i] = new_page();
        CHECK(others[i] != page);
        memset(others[i], 9, HL_PAGE);
    }
    CHECK(all_are(page, 7));
    for (i = 0; i < CHUNK; i++)
        pages_release(others[i]);
    pages_release(page);
    CHECK(new_page() == page); /* the last one that came back */
}

TEST(the_page_of_zeros_is_not_counted)
{
    uint32_t i;

    CHECK(all_are(pages_zero, 0));
    for (i = 0; i < 10; i++)
        pages_release(pages_zero);
    pages_retain(pages_zero);
    CHECK(all_are(pages_zero, 0));
}

/* Under ThreadSanitizer the process grows by itself. */
static void need_plain_memory(void)
{
#ifdef __SANITIZE_THREAD__
    test_skip("ThreadSanitizer has its own memory");
#endif
}

/* One chunk stays, so that a page more and a page less cost no system call. */
TEST(chunks_come_and_go)
{
    static uint8_t *pages[MANY];
    uint32_t round, i;
    long before;

    need_plain_memory();
    pages_release(new_page());
    before = writable_kib();
    for (round = 0; round < 3; round++) {
        for (i = 0; i < MANY; i++)
            pages[i] = new_page();
        CHECK(writable_kib() >= before + 3 * CHUNK_KIB);
        for (i = 0; i < MANY; i++)
            pages_release(pages[round == 1 ? MANY - 1 - i : i]);
        CHECK(writable_kib() < before + CHUNK_KIB);
    }
}

TEST(freed_pages_are_used_again)
{
    static uint8_t *pages[MANY];
    uint32_t round, i;
    long before;

    need_plain_memory();
    for (i = 0; i < MANY; i++)
        pages[i] = new_page();
    before = writable_kib();
    for (round = 0; round < 1000; round++) {
        for (i = round % 7; i < MANY; i += 7)
            pages_release(pages[i]);
        for (i = round % 7; i < MANY; i += 7)
            pages[i] = new_page();
    }
    CHECK(writable_kib() < before + CHUNK_KIB);
    for (i = 0; i < MANY; i++)
        pages_release(pages[i]);
}

/* ---- Without memory ------------------------------------------------------------------- */

static void limit_address_space(bool limited)
{
    static struct rlimit before;
    struct rlimit limit;

    if (!before.rlim_max)
        CHECK_INT(getrlimit(RLIMIT_AS, &before), 0);
    limit = before;
    if (limited)
        limit.rlim_cur = 1; /* nothing more can be mapped */
    CHECK_INT(setrlimit(RLIMIT_AS, &limit), 0);
}

TEST(exhaustion_is_no_page)
{
    static uint8_t *pages[CHUNK];
    uint8_t *refused, *extra;
    uint32_t i;

    need_plain_memory();
    limit_address_space(true);
    refused = pages_new(); /* the first chunk */
    limit_address_space(false);
    CHECK(!refused);
    for (i = 0; i < CHUNK; i++) {
        if (i == 1)
            limit_address_space(true); /* the chunk is there */
        pages[i] = pages_new();
        if (!pages[i])
            break;
    }
    refused = pages_new();
    limit_address_space(false);
    CHECK_INT(i, CHUNK);
    CHECK(!refused);
    extra = new_page(); /* works again */
    for (i = 0; i < CHUNK; i++)
        pages_release(pages[i]);
    pages_release(extra);
}
