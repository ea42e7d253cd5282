/* SPDX-License-Identifier: Apache-2.0 */
/* Chooses the views that VMs have of a base. */
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "../shared/abi.h"
#include "content.h"

/* A view costs each VM a mapping; zeros within one cost memory only if a guest
 * looks at them. */
#define HOLE_MAX (32ull * HL_PAGE) /* bytes of zeros that do not part two views */
#define PART_ALWAYS UINT64_MAX

/* Views may come to take so much more memory than they hold. */
enum { SPREAD_MAX = 4 };
#define SPREAD_FREE (8ull << 20)

uint64_t base_pages(const struct base *base)
{
    uint64_t pages = 0;
    uint32_t i;

    for (i = 0; i < base->extent_count; i++)
        pages += base->extents[i].size / HL_PAGE;
    return pages;
}

bool base_is_sparse(const struct base *base)
{
    uint64_t spread = 0;
    uint32_t i;

    for (i = 0; i < base->run_count; i++)
        spread += base->runs[i].size;
    return spread > SPREAD_FREE + SPREAD_MAX * base_pages(base) * HL_PAGE;
}

bool base_extents_add(struct base_extents *extents, uint64_t gpa, uint64_t size)
{
    struct base_run *last = extents->count ? &extents->list[extents->count - 1] : NULL, *list;

    if (last && last->gpa + last->size == gpa) {
        last->size += size;
        return true;
    }
    if (extents->count == extents->room) {
        extents->room = extents->room ? 2 * extents->room : 64;
        list = realloc(extents->list, extents->room * sizeof *list);
        if (!list)
            return false;
        extents->list = list;
    }
    assert(extents->list);
    extents->list[extents->count++] = (struct base_run){gpa, size, 0};
    return true;
}

/* Zeros before an extent; those around `apart` always part. */
static uint64_t gap_before(const struct base_run *extent, uint64_t apart)
{
    const uint64_t end = extent[-1].gpa + extent[-1].size;

    return end <= apart && extent->gpa > apart ? PART_ALWAYS : extent->gpa - end;
}

struct part {
    uint32_t at; /* extent that begins a view */
    uint64_t gap;
};

/* The largest gaps that part views, ascending by place; their number. */
static uint32_t choose_parts(struct part parts[BASE_RUNS_MAX - 1], const struct base_run *extents,
                             uint32_t extent_count, uint64_t apart)
{
    uint32_t count = 0, i, k, least;
    uint64_t gap;

    for (i = 1; i < extent_count; i++) {
        gap = gap_before(&extents[i], apart);
        if (gap <= HOLE_MAX)
            continue;
        if (count == BASE_RUNS_MAX - 1) {
            for (least = 0, k = 1; k < count; k++)
                least = parts[k].gap < parts[least].gap ? k : least;
            if (parts[least].gap >= gap)
                continue;
            count--;
            memmove(&parts[least], &parts[least + 1], (count - least) * sizeof *parts);
        }
        parts[count++] = (struct part){i, gap};
    }
    return count;
}

uint64_t base_plan(struct base *base, struct base_run *extents, uint32_t count, uint64_t apart)
{
    struct part parts[BASE_RUNS_MAX - 1];
    const uint32_t part_count = choose_parts(parts, extents, count, apart);
    struct base_run *view = base->runs;
    uint64_t size = 0;
    uint32_t i, next = 0;

    *view = (struct base_run){extents[0].gpa, 0, 0};
    for (i = 0; i < count; i++) {
        if (next < part_count && parts[next].at == i) {
            next++;
            size += view->size;
            *++view = (struct base_run){extents[i].gpa, 0, size};
        }
        view->size = extents[i].gpa + extents[i].size - view->gpa;
        extents[i].offset = view->offset + (extents[i].gpa - view->gpa);
    }
    base->run_count = part_count + 1;
    base->extents = extents;
    base->extent_count = count;
    return size + view->size;
}
