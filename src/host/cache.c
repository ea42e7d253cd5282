/* SPDX-License-Identifier: Apache-2.0 */
/* The VM cache: a short list, the last used first. */
#include "cache.h"

enum { LIMIT_PRESET = 16, LIMIT_MAX = 4096 };

static struct {
    struct lock lock;
    bool limited; /* limit is set; else the preset */
    uint32_t limit, idle;
    struct vm *first;
    uint64_t process; /* whose VMs they are: a forked child must not use them */
    uint64_t hits, misses, discarded;
} cache;

static uint32_t limit(void)
{
    return cache.limited ? cache.limit : LIMIT_PRESET;
}

/* In a forked child the list names VMs of its parent: forget it. */
static void enter(void)
{
    const uint64_t process = os_process_id();

    lock_take(&cache.lock);
    if (cache.process == process)
        return;
    cache.process = process;
    cache.first = NULL;
    cache.idle = 0;
    cache.hits = cache.misses = cache.discarded = 0;
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

    enter();
    link = best(kind, content, lineage);
    if (link) {
        vm = *link;
        *link = vm->next;
        cache.idle--;
        cache.hits++;
    } else {
        cache.misses++;
    }
    lock_drop(&cache.lock);
    return vm;
}

uint32_t cache_room(const struct vm_kind *kind, const struct content *content, uint32_t wanted)
{
    const struct vm *vm;
    uint32_t found = 0;

    enter();
    if (wanted > limit())
        wanted = limit();
    for (vm = cache.first; vm; vm = vm->next)
        found += vm_kind_equal(&vm->kind, kind) && vm->content == content;
    lock_drop(&cache.lock);
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

void cache_put(struct vm *vm)
{
    struct vm *rest = vm;

    vm_trim(vm);
    enter();
    vm->next = NULL;
    if (vm->lost || !limit()) {
        cache.discarded++;
    } else {
        vm->next = cache.first;
        cache.first = vm;
        cache.idle++;
        rest = cache.idle > limit() ? cut(limit()) : NULL;
    }
    lock_drop(&cache.lock);
    destroy_all(rest);
}

/* ---- For applications ----------------------------------------------------------------- */

void hl_cache_limit(uint32_t vms)
{
    struct vm *rest;

    enter();
    cache.limited = true;
    cache.limit = vms > LIMIT_MAX ? LIMIT_MAX : vms;
    rest = cut(cache.limit);
    lock_drop(&cache.lock);
    destroy_all(rest);
}

void hl_cache_trim(uint32_t keep)
{
    struct vm *rest;

    enter();
    rest = cut(keep);
    lock_drop(&cache.lock);
    destroy_all(rest);
}

void hl_cache_get_stats(hl_cache_stats *out)
{
    const struct vm *vm;

    enter();
    *out = (hl_cache_stats){.idle = cache.idle,
                            .hits = cache.hits,
                            .misses = cache.misses,
                            .discarded = cache.discarded};
    for (vm = cache.first; vm; vm = vm->next)
        out->bytes += vm->touched.count * HL_PAGE;
    lock_drop(&cache.lock);
}
