/* SPDX-License-Identifier: Apache-2.0 */
/* Reads the pages of a snapshot file into memory that sandboxes have views of. */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "crc32c.h"
#include "error.h"
#include "page_copy.h"
#include "snapfile.h"

/* ---- Where the pages go ---------------------------------------------------------- */

/* The file's runs by guest-physical address: a fixed image, which comes first
 * in the file, lies behind the rest of guest memory. *first: which of that is
 * the file's first. Then those of mapped files. */
static struct base_run *make_extents(uint32_t *first, const struct snapfile *f)
{
    const uint32_t count = f->memory_runs;
    struct base_run *extents = calloc(f->head.run_count, sizeof *extents);
    uint32_t below = 0, i;

    while (below < count && f->runs[below].address < HL_WINDOW)
        below++;
    *first = count - below;
    for (i = 0; extents && i < f->head.run_count; i++)
        extents[i < count ? (i + *first) % count : i] = (struct base_run){
            snapfile_gpa(&f->image, &f->layout, f->runs[i].address), f->runs[i].size, 0};
    return extents;
}

/* Mapped files lie whole behind the memory in the same share. */
static uint64_t place_mapped(struct base_run *extents, const struct snapfile *f, uint64_t size)
{
    uint32_t i = f->head.segment_count + SNAPFILE_AREAS, run = f->memory_runs;
    const struct snapfile_region *region;

    for (; i < f->places.region_count; i++) {
        region = &f->regions[i];
        for (; run < f->head.run_count && f->runs[run].address - region->address < region->size;
             run++)
            extents[run].offset = size + (f->runs[run].address - region->address);
        size += region->size;
    }
    return size;
}

static hl_status no_memory_for_mappings(const struct snapfile *f, hl_error *err)
{
    return error_set(err, HL_E_MEMORY, "no memory for %u mapped files", f->head.mapped_count);
}

static hl_status make_mappings(struct mappings **out, const struct snapfile *f,
                               const os_share *share, uint64_t at, hl_error *err)
{
    const uint32_t first = f->head.segment_count + SNAPFILE_AREAS;
    const struct snapfile_region *region;
    struct mapping *mapping;
    hl_status status;
    os_file file;
    uint32_t i;

    if (!f->head.mapped_count)
        return HL_OK;
    *out = mappings_new();
    if (!*out)
        return no_memory_for_mappings(f, err);
    for (i = first; i < f->places.region_count; i++) {
        region = &f->regions[i];
        status = os_share_file(&file, share, err);
        if (status)
            return status;
        mapping = mapping_of_file(&file, "a file in a snapshot");
        if (!mapping)
            return no_memory_for_mappings(f, err);
        mapping->address = region->address;
        mapping->size = region->size;
        mapping->writable = region->access & HL_WRITE;
        mapping->offset = at;
        mapping->share = (os_share){mapping->file.handle, share->size, share->id};
        (*out)->at[i - first].is = mapping;
        at += region->size;
    }
    return HL_OK;
}

/* ---- Moving them --------------------------------------------------------------------- */

struct target { /* where the next page goes */
    const struct base *base;
    uint32_t first, run; /* which extent is the first run's; the next page's run */
    uint64_t done;       /* bytes of it */
};

static const struct base_run *extent_of(const struct target *target)
{
    const uint32_t count = target->base->extent_count;

    return &target->base->extents[target->run < count ? (target->run + target->first) % count
                                                      : target->run];
}

static hl_status place(struct target *target, const uint8_t *bytes, size_t size, hl_error *err)
{
    hl_status status = HL_OK;
    const struct base_run *extent;
    size_t part;

    for (; !status && size; bytes += part, size -= part) {
        extent = extent_of(target);
        part = extent->size - target->done < size ? (size_t)(extent->size - target->done) : size;
        status = os_share_write(&target->base->share, bytes, part, extent->offset + target->done,
                                err);
        target->done += part;
        if (target->done == extent->size) {
            target->done = 0;
            target->run++;
        }
    }
    return status;
}

/* Files that take little of a disk must not take much memory. */
static hl_status refuse_zeros(const uint8_t *pages, size_t size, uint64_t at, hl_error *err)
{
    size_t i;

    for (i = 0; i < size; i += HL_PAGE)
        if (page_is_zero(pages + i))
            return error_set(err, HL_E_IMAGE,
                             "the page at byte %" PRIu64 " is all zeros, wanted only pages that "
                             "are not",
                             at + i);
    return HL_OK;
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
    status = refuse_zeros(buffer, size, at, err);
    return status ? status : place(target, buffer, size, err);
}

static hl_status move_all(const struct base *base, uint32_t first, const struct snapfile *f,
                          hl_error *err)
{
    struct target target = {base, first, 0, 0};
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
    struct mappings *mappings = NULL;
    uint32_t first;
    struct base_run *extents = make_extents(&first, f);
    hl_status status;
    uint64_t size;

    *out = NULL;
    if (!extents)
        return error_set(err, HL_E_MEMORY, "no memory for %u runs of pages", f->head.run_count);
    /* Messages are in no snapshot: no view spans them. */
    size = base_plan(&base, extents, f->memory_runs,
                     layout_gpa(f->layout.areas[AREA_REQUESTS].address));
    status = os_share_create(&base.share, NULL, place_mapped(extents, f, size), err);
    if (!status)
        status = move_all(&base, first, f, err);
    if (!status)
        status = os_share_seal(&base.share, NULL, err);
    if (!status)
        status = make_mappings(&mappings, f, &base.share, size, err);
    if (status) {
        os_share_close(&base.share);
        free(extents);
    } else {
        status = content_adopt(out, &base, f->layout.memory_size, err);
    }
    if (status)
        mappings_release(mappings);
    else
        content_set_mappings(*out, mappings);
    return status;
}
