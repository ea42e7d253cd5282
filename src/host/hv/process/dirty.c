/* SPDX-License-Identifier: Apache-2.0 */
/* Which pages a child wrote: those that are its own and no longer the template's. */
#include <linux/fcntl.h>

#include "tracer_inside.h"

/* A page of a private mapping that was written is anonymous; one that was only
 * read is the file's, or the page of zeros. */

/* ---- PAGEMAP_SCAN (Linux 6.7) ---------------------------------------------------- */

struct scan_range {
    uint64_t start, end, categories;
};
struct scan {
    uint64_t size, flags, start, end, walk_end, vec, vec_len, max_pages;
    uint64_t category_inverted, category_mask, category_anyof_mask, return_mask;
};
enum {
    SCAN_FILE = 4,
    SCAN_PRESENT = 8,
    SCAN_SWAPPED = 16,
    SCAN_ZERO = 32,
    SCAN_AT_ONCE = 128,
    IOCTL_SCAN = (int)0xc0606610
};

static bool add(struct tracer_slot *to, uint64_t start, uint64_t end)
{
    if (to->range_count && to->ranges[to->range_count - 1].end == start) {
        to->ranges[to->range_count - 1].end = end;
        return true;
    }
    if (to->range_count == TRACER_RANGES)
        return false;
    to->ranges[to->range_count++] = (struct tracer_range){start, end};
    return true;
}

/* false: it cannot say. */
static bool scan(struct tracer_slot *to, int fd, uint64_t start, uint64_t end)
{
    struct scan_range found[SCAN_AT_ONCE];
    struct scan arg = {.size = sizeof arg,
                       .vec = (uint64_t)found,
                       .vec_len = SCAN_AT_ONCE,
                       .category_inverted = SCAN_FILE | SCAN_ZERO,
                       .category_mask = SCAN_FILE | SCAN_ZERO,
                       .category_anyof_mask = SCAN_PRESENT | SCAN_SWAPPED,
                       .return_mask = SCAN_PRESENT};
    long n, i;

    for (arg.start = start, arg.end = end; arg.start < end; arg.start = arg.walk_end) {
        n = SYS(ioctl, fd, IOCTL_SCAN, &arg);
        if (n < 0)
            return false;
        for (i = 0; i < n; i++)
            if (!add(to, found[i].start, found[i].end))
                return false;
    }
    return true;
}

/* ---- Older kernels: the entries themselves --------------------------------------------- */

static bool own_page(uint64_t entry)
{
    return entry >> 62 && !(entry >> 61 & 1); /* present or swapped; not a file's */
}

static bool read_entries(struct tracer_slot *to, int fd, uint64_t start, uint64_t end)
{
    enum { AT_ONCE = 512 };
    uint64_t entries[AT_ONCE], at;
    long n, i;

    for (at = start; at < end; at += AT_ONCE * TRACER_PAGE) {
        n = (long)((end - at) / TRACER_PAGE);
        n = n < AT_ONCE ? n : AT_ONCE;
        if (SYS(pread64, fd, entries, n * 8, at / TRACER_PAGE * 8) != n * 8)
            return false;
        for (i = 0; i < n; i++)
            if (own_page(entries[i]) &&
                !add(to, at + (uint64_t)i * TRACER_PAGE, at + (uint64_t)(i + 1) * TRACER_PAGE))
                return false;
    }
    return true;
}

/* ---- Both -------------------------------------------------------------------------------- */

static bool list(struct tracer_slot *to, int fd)
{
    const struct tracer_region *region = HEAD->regions;
    uint32_t i, before;
    bool whole = true;

    for (i = 0; whole && i < HEAD->region_count; i++, region++) {
        before = to->range_count;
        if (!(region->access & TRACER_WRITE) ||
            scan(to, fd, region->address, region->address + region->size))
            continue;
        to->range_count = before;
        whole = read_entries(to, fd, region->address, region->address + region->size);
    }
    return whole;
}

long child_dirty(uint32_t slot)
{
    struct child *child = &children[slot];
    struct tracer_slot *to = slot_at(slot);
    long fd;

    to->range_count = 0;
    to->everything = 0;
    if (!child->pid)
        return 0;
    if (!child->pagemap) {
        fd = proc_open(child->pid, "/pagemap", O_RDONLY);
        child->pagemap = fd >= 0 ? (int)fd + 1 : 0;
    }
    to->everything = !child->pagemap || !list(to, child->pagemap - 1);
    return 0;
}
