/* SPDX-License-Identifier: Apache-2.0 */
/* Mappings: counted, and read. */
#include "mapping.h"

#include <stdlib.h>
#include <string.h>

#include "error.h"

static struct mapping *make(void)
{
    struct mapping *mapping = calloc(1, sizeof *mapping);

    if (mapping) {
        atomic_init(&mapping->count, 1);
        mapping->file = OS_FILE_NONE;
        mapping->share = OS_SHARE_NONE;
    }
    return mapping;
}

struct mapping *mapping_of_file(os_file *file, const char *name)
{
    struct mapping *mapping = make();

    if (mapping) {
        mapping->name = malloc(strlen(name) + 1);
        mapping->file = *file;
    } else {
        os_file_close(file);
    }
    *file = OS_FILE_NONE;
    if (mapping && mapping->name) {
        memcpy(mapping->name, name, strlen(name) + 1);
        return mapping;
    }
    mapping_release(mapping);
    return NULL;
}

struct mapping *mapping_of_buffer(const void *data)
{
    struct mapping *mapping = make();

    if (mapping)
        mapping->data = (uint8_t *)(uintptr_t)data;
    return mapping;
}

void mapping_retain(const struct mapping *mapping)
{
    atomic_fetch_add(&((struct mapping *)(uintptr_t)mapping)->count, 1);
}

void mapping_release(const struct mapping *mapping)
{
    struct mapping *mine = (struct mapping *)(uintptr_t)mapping;

    if (!mine || atomic_fetch_sub(&mine->count, 1) != 1)
        return;
    os_file_close(&mine->file);
    free(mine->name);
    free(mine);
}

hl_status mapping_read(const struct mapping *mapping, void *to, size_t size, uint64_t at,
                       hl_error *err)
{
    const uint64_t from = mapping->offset + at;
    const uint64_t left = mapping->file.size > from ? mapping->file.size - from : 0;
    const size_t there = left < size ? (size_t)left : size;
    hl_status status = os_file_read_at(&mapping->file, to, there, from, err);

    memset((uint8_t *)to + there, 0, size - there);
    if (status == HL_E_IMAGE)
        return error_set(err, HL_E_SYSTEM, "%s is shorter than when it was mapped", mapping->name);
    return status ? error_within(err, mapping->name) : HL_OK;
}

/* ---- Copies ------------------------------------------------------------------------ */

enum { CHUNK = 64 * HL_PAGE };

static hl_status copy_part(const struct mapping *from, const os_share *to, uint64_t at,
                           uint64_t end, uint8_t *buffer, hl_error *err)
{
    hl_status status = HL_OK;
    uint64_t n;

    for (; !status && at < end; at += n) {
        n = end - at < CHUNK ? end - at : CHUNK;
        status = mapping_read(from, buffer, n, at, err);
        if (!status)
            status = os_share_write(to, buffer, n, at, err);
    }
    return status;
}

/* Holes of the file are holes of the copy. */
static hl_status copy_file(const struct mapping *from, const os_share *to, hl_error *err)
{
    uint64_t at = from->offset, end, last = from->offset + from->size;
    uint8_t *buffer = malloc(CHUNK);
    hl_status status = HL_OK;

    if (!buffer)
        return error_set(err, HL_E_MEMORY, "no memory for a mapping");
    for (; !status && os_file_written(&from->file, &at, &end) && at < last; at = end) {
        at = at / HL_PAGE * HL_PAGE;
        end = end < last ? HL_ALIGN_UP(end, HL_PAGE) : last;
        status = copy_part(from, to, at - from->offset, end - from->offset, buffer, err);
    }
    free(buffer);
    return status;
}

hl_status mapping_copy(struct mapping *mapping, hl_error *err)
{
    os_share copy;
    hl_status status = os_share_create(&copy, NULL, mapping->size, err);

    if (!status)
        status = mapping->data ? os_share_write(&copy, mapping->data, mapping->size, 0, err)
                               : copy_file(mapping, &copy, err);
    if (!status)
        status = os_share_seal(&copy, NULL, err);
    if (status) {
        os_share_close(&copy);
        return status;
    }
    os_file_close(&mapping->file);
    mapping->file = (os_file){copy.handle, copy.size};
    mapping->share = copy;
    mapping->offset = 0;
    return HL_OK;
}

/* ---- Those of a content --------------------------------------------------------------- */

struct mappings *mappings_new(void)
{
    struct mappings *mappings = calloc(1, sizeof *mappings);

    if (mappings)
        atomic_init(&mappings->count, 1);
    return mappings;
}

struct mappings *mappings_retain(const struct mappings *mappings)
{
    struct mappings *mine = (struct mappings *)(uintptr_t)mappings;

    if (mine)
        atomic_fetch_add(&mine->count, 1);
    return mine;
}

void mappings_release(const struct mappings *mappings)
{
    struct mappings *mine = (struct mappings *)(uintptr_t)mappings;
    struct mapping_state *state;
    uint32_t i;

    if (!mine || atomic_fetch_sub(&mine->count, 1) != 1)
        return;
    for (i = 0; i < MAPPINGS_MAX; i++) {
        state = &mine->at[i];
        if (state->is)
            tree_release(state->tree, mapping_height(state->is));
        mapping_release(state->is);
    }
    free(mine);
}
