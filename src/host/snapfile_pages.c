/* SPDX-License-Identifier: Apache-2.0 */
/* Reads the pages of a snapshot file into memory that sandboxes have views of. */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "crc32c.h"
#include "error.h"
#include "snapfile.h"

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
    /* Messages are in no snapshot: no view spans them. */
    size = base_plan(&base, extents, f->head.run_count,
                     layout_gpa(f->layout.areas[AREA_REQUESTS].address));
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
