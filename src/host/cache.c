/* SPDX-License-Identifier: Apache-2.0 */
/* The VM cache: a short list, the last used first. */
#include "cache.h"

#include "os/forkpage.h"

enum { LIMIT_PRESET = 16, LIMIT_MAX = 4096 };

/* What a forked child must not take over. */
struct guard {
    struct lock lock; /* of the cache */
    bool ours;        /* the list is of this process */
};

static struct {
    bool limited; /* limit is set; else the preset */
    uint32_t limit, idle;
    struct vm *first;
    uint64_t hits, misses, discarded;
} cache;

/* Takes the cache; NULL: there is none, then nothing is taken. In a forked child
 * the list names VMs of its parent: forget it. */
static struct guard *enter(void)
{
    static _Atomic(void *) page;
    struct guard *guard = forkpage_get(&page);

    if (!guard)
        return NULL;
    lock_take(&guard->lock);
    if (guard->ours)
        return guard;
    guard->ours = true;
    cache.first = NULL;
    cache.idle = 0;
    cache.hits = cache.misses = cache.discarded = 0;
    return guard;
}

static void leave(struct guard *guard)
{
    if (guard)
        lock_drop(&guard->lock);
}

static uint32_t limit(void)
{
    return cache.limited ? cache.limit : LIMIT_PRESET;
}

static struct vm **best(const struct vm_kind *kind, const struct content *content, uint64_t lineage)
{
    struct vm **link, **found = NULL;
    uint32_t rank, best_rank = 0;

    for (link = &cache.first; *link; link = &(*link)->next) {
        if (!vm_kind_equal(&(*link)->kind, kind))
            continue;
        rank = (*link)->content == content ? 3 : (*link)->lineage == lineage ? 2 : 1;
        if (rank <= best_rank)
            continue;
        best_rank = rank;
        found = link;
        if (rank == 3)
            break;
    }
    return found;
}

struct vm *cache_take(const struct vm_kind *kind, const struct content *content, uint64_t lineage)
{
    struct vm **link, *vm = NULL;
    struct guard *guard;

    guard = enter();
    link = guard ? best(kind, content, lineage) : NULL;
    if (link) {
        vm = *link;
        *link = vm->next;
        cache.idle--;
        cache.hits++;
    } else if (guard) {
        cache.misses++;
    }
    leave(guard);
    return vm;
}

uint32_t cache_room(const struct vm_kind *kind, const struct content *content, uint32_t wanted)
{
    struct guard *guard = enter();
    const struct vm *vm;
    uint32_t found = 0;

    if (!guard)
        return 0;
    if (wanted > limit())
        wanted = limit();
    for (vm = cache.first; vm; vm = vm->next)
        found += vm_kind_equal(&vm->kind, kind) && vm->content == content;
    leave(guard);
    return found < wanted ? wanted - found : 0;
}

/* Takes all but the newest `keep` out of the list; the caller destroys them. */
static struct vm *cut(uint32_t keep)
{
    struct vm **link = &cache.first, *rest;
    uint32_t i;

    for (i = 0; i < keep && *link; i++)
        link = &(*link)->next;
    rest = *link;
    *link = NULL;
    cache.discarded += cache.idle > keep ? cache.idle - keep : 0;
    cache.idle = i;
    return rest;
}

static void destroy_all(struct vm *vm)
{
    struct vm *next;

    for (; vm; vm = next) {
        next = vm->next;
        vm_destroy(vm);
    }
}

static bool cache_keeps(void)
{
    struct guard *guard = enter();
    const bool keeps = guard && limit();

    leave(guard);
    return keeps;
}

void cache_put(struct vm *vm)
{
    const bool keeps = cache_keeps(); /* decided once: one that is kept is trimmed */
    struct vm *rest = vm;
    struct guard *guard;

    if (keeps)
        vm_trim(vm);
    guard = enter();
    vm->next = NULL;
    if (guard && (vm->lost || !keeps)) {
        cache.discarded++;
    } else if (guard) {
        vm->next = cache.first;
        cache.first = vm;
        cache.idle++;
        rest = cache.idle > limit() ? cut(limit()) : NULL;
    }
    leave(guard);
    destroy_all(rest);
}

/* ---- For applications ----------------------------------------------------------------- */

void hl_cache_limit(uint32_t vms)
{
    struct guard *guard = enter();
    struct vm *rest;

    cache.limited = true;
    cache.limit = vms > LIMIT_MAX ? LIMIT_MAX : vms;
    rest = guard ? cut(cache.limit) : NULL;
    leave(guard);
    destroy_all(rest);
}

void hl_cache_trim(uint32_t keep)
{
    struct guard *guard = enter();
    struct vm *rest = guard ? cut(keep) : NULL;

    leave(guard);
    destroy_all(rest);
    if (!keep)
        hv_rest();
}

void hl_cache_get_stats(hl_cache_stats *out)
{
    struct guard *guard = enter();
    const struct vm *vm;

    *out = (hl_cache_stats){.idle = cache.idle,
                            .hits = cache.hits,
                            .misses = cache.misses,
                            .discarded = cache.discarded};
    for (vm = cache.first; vm; vm = vm->next)
        out->bytes += vm->touched.count * HL_PAGE;
    leave(guard);
}
