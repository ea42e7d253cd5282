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
