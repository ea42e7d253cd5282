/* SPDX-License-Identifier: Apache-2.0 */
/* A set of page numbers that cannot fail to take one more. */
#ifndef HL_HOST_DIRTY_H
#define HL_HOST_DIRTY_H

#include <hyperlight/types.h>

enum { DIRTY_LISTED = 1024 };

struct dirty {
    uint64_t *bits;      /* one for each page of guest memory */
    uint64_t page_count; /* of guest memory */
    uint64_t count;      /* in the set */
    uint32_t *list;      /* the first ones, in the order they came */
    uint64_t listed;     /* room in it: DIRTY_LISTED or 0 */
};

/* Without a list it is for counting: going through it is slow. false: no memory. */
bool dirty_init(struct dirty *set, uint64_t page_count, bool listed);
void dirty_free(struct dirty *set);
void dirty_clear(struct dirty *set);

/* Numbers beyond guest memory are ignored. true: it was not in the set. */
static inline bool dirty_add(struct dirty *set, uint64_t page)
{
    const uint64_t bit = 1ull << page % 64;

    if (page >= set->page_count || set->bits[page / 64] & bit)
        return false;
    set->bits[page / 64] |= bit;
    if (set->count < set->listed)
        set->list[set->count] = (uint32_t)page;
    set->count++;
    return true;
}

/* Goes through the set: start with *at = 0; false at the end. In the order of
 * the list while that holds all, else ascending. */
bool dirty_next(const struct dirty *set, uint64_t *at, uint64_t *page);
#endif
