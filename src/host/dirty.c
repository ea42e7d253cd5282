/* SPDX-License-Identifier: Apache-2.0 */
/* The set of dirty pages: a list while it is short, always a bitmap. */
#include "dirty.h"
#include "../shared/hot.h"

#include <stdlib.h>
#include <string.h>

static uint64_t words(const struct dirty *set)
{
    return (set->page_count + 63) / 64;
}

bool dirty_init(struct dirty *set, uint64_t page_count, bool listed)
{
    set->page_count = page_count;
    set->count = 0;
    set->bits = calloc(words(set) + 1, sizeof *set->bits);
    set->listed = listed ? DIRTY_LISTED : 0;
    set->list = listed ? malloc(DIRTY_LISTED * sizeof *set->list) : NULL;
    return set->bits && (set->list || !listed);
}

void dirty_free(struct dirty *set)
{
    free(set->bits);
    free(set->list);
    set->bits = NULL;
    set->list = NULL;
}

void dirty_clear(struct dirty *set)
{
    uint64_t i;

    if (set->count > set->listed)
        memset(set->bits, 0, words(set) * sizeof *set->bits);
    else
        for (i = 0; i < set->count; i++)
            set->bits[set->list[i] / 64] = 0;
    set->count = 0;
}

HL__HOT bool dirty_next(const struct dirty *set, uint64_t *at, uint64_t *page)
{
    uint64_t i, rest;

    if (set->count <= set->listed) {
        if (*at >= set->count)
            return false;
        *page = set->list[(*at)++];
        return true;
    }
    for (i = *at / 64; i < words(set); i++) {
        rest = set->bits[i] & ~0ull << (i == *at / 64 ? *at % 64 : 0);
        if (!rest)
            continue;
        *page = i * 64 + (uint64_t)__builtin_ctzll(rest);
        *at = *page + 1;
        return true;
    }
    return false;
}
