/* SPDX-License-Identifier: Apache-2.0 */
/* Reads the pages of a snapshot file into memory that sandboxes have views of. */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "crc32c.h"
#include "error.h"
#include "snapfile.h"

/* A view costs each VM a mapping; zeros within one cost memory only if a guest
 * looks at them. */
#define HOLE_MAX (32ull * HL_PAGE) /* bytes of zeros that do not part two views */
#define PART_ALWAYS UINT64_MAX

/* ---- Where the pages go ---------------------------------------------------------- */

/* The file's runs by guest-physical address: a fixed image, which comes first
 * in the file, lies behind everything else. *first: which is the file's first. */
static struct base_run *make_extents(uint32_t *first, const struct snapfile *f)
{
    const uint32_t count = f->head.run_count;
    struct base_run *extents = calloc(count, sizeof *extents);
    uint32_t below = 0, i;

    while (below < count && f->runs[below].address < HL_WINDOW)
        below++;
    *first = count - below;
    for (i = 0; extents && i < count; i++)
        extents[(i + *first) % count] = (struct base_run){
            snapfile_gpa(&f->image, &f->layout, f->runs[i].address), f->runs[i].size, 0};
    return extents;
}

/* Zeros before an extent; messages, which are in no snapshot, always part. */
static uint64_t gap_before(const struct snapfile *f, const struct base_run *extent)
{
    const uint64_t messages = layout_gpa(f->layout.areas[AREA_REQUESTS].address);
    const uint64_t end = extent[-1].gpa + extent[-1].size;

    return end <= messages && extent->gpa > messages ? PART_ALWAYS : extent->gpa - end;
}

struct part {
    uint32_t at; /* extent that begins a view */
    uint64_t gap;
};

/* The largest gaps that part views, ascending by place; their number. */
static uint32_t choose_parts(struct part parts[BASE_RUNS_MAX - 1], const struct snapfile *f,
                             const struct base_run *extents)
{
    uint32_t count = 0, i, k, least;
    uint64_t gap;

    for (i = 1; i < f->head.run_count; i++) {
        gap = gap_before(f, &extents[i]);
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

/* Views over all extents; the size of the share behind them. */
static uint64_t plan_views(struct base *base, struct base_run *extents, const struct snapfile *f)
{
    struct part parts[BASE_RUNS_MAX - 1];
    const uint32_t count = choose_parts(parts, f, extents);
    struct base_run *view = base->runs;
    uint64_t size = 0;
    uint32_t i, next = 0;

    *view = (struct base_run){extents[0].gpa, 0, 0};
    for (i = 0; i < f->head.run_count; i++) {
        if (next < count && parts[next].at == i) {
            next++;
            size += view->size;
            *++view = (struct base_run){extents[i].gpa, 0, size};
        }
        view->size = extents[i].gpa + extents[i].size - view->gpa;
        extents[i].offset = view->offset + (extents[i].gpa - view->gpa);
    }
    base->run_count = count + 1;
    base->extents = extents;
    base->extent_count = f->head.run_count;
    return size + view->size;
}

/* ---- Moving them --------------------------------------------------------------------- */

struct target { /* where the next page goes */
    const struct base *base;
    uint32_t extent;
    uint64_t done; /* bytes of it */
};

static hl_status place(struct target *target, const uint8_t *bytes, size_t size, hl_error *err)
{
    hl_status status = HL_OK;
    const struct base_run *extent;
    size_t part;

    for (; !status && size; bytes += part, size -= part) {
        extent = &target->base->extents[target->extent];
        part = extent->size - target->done < size ? (size_t)(extent->size - target->done) : size;
        status = os_share_write(&target->base->share, bytes, part, extent->offset + target->done,
                                err);
        target->done += part;
        if (target->done == extent->size) {
            target->done = 0;
            target->extent = (target->extent + 1) % target->base->extent_count;
        }
    }
    return status;
}

static hl_status move_chunk(struct target *target, const struct snapfile *f, uint64_t number,
                            uint8_t *buffer, hl_error *err)
{
    const uint64_t at = f->places.data + number * SNAPFILE_CHUNK;
    const uint64_t left = f->places.end - at;
    const size_t size = left < SNAPFILE_CHUNK ? (size_t)left : SNAPFILE_CHUNK;
    hl_status status = os_file_read_at(&f->file, buffer, size, at, err);
    uint32_t sum;

    if (status)
        return status;
    sum = crc32c(0, buffer, size);
    if (sum != f->checksums[number])
        return error_set(err, HL_E_IMAGE,
                         "chunk %" PRIu64 " (bytes %" PRIu64 " to %" PRIu64
                         "): checksum is 0x%08x, the table has 0x%08x",
                         number, at, at + size - 1, sum, f->checksums[number]);
    return place(target, buffer, size, err);
}

static hl_status move_all(const struct base *base, uint32_t first, const struct snapfile *f,
                          hl_error *err)
{
    struct target target = {base, first % base->extent_count, 0};
    uint8_t *buffer = malloc(SNAPFILE_CHUNK);
    hl_status status = HL_OK;
    uint64_t i;

    if (!buffer)
        return error_set(err, HL_E_MEMORY, "no memory for a chunk of pages");
    for (i = 0; !status && i < f->places.chunk_count; i++)
        status = move_chunk(&target, f, i, buffer, err);
    free(buffer);
    return status;
}

hl_status snapfile_read_pages(struct content **out, const struct snapfile *f, hl_error *err)
{
    struct base base = {.share = OS_SHARE_NONE};
    uint32_t first;
    struct base_run *extents = make_extents(&first, f);
    hl_status status;
    uint64_t size;

    *out = NULL;
    if (!extents)
        return error_set(err, HL_E_MEMORY, "no memory for %u runs of pages", f->head.run_count);
    size = plan_views(&base, extents, f);
    status = os_share_create(&base.share, NULL, size, err);
    if (!status)
        status = move_all(&base, first, f, err);
    if (!status)
        status = os_share_seal(&base.share, NULL, err);
    if (!status)
        return content_adopt(out, &base, f->layout.memory_size, err);
    os_share_close(&base.share);
    free(extents);
    return status;
}
