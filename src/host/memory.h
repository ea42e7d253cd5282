/* SPDX-License-Identifier: Apache-2.0 */
/* The one door to a guest's memory. Guest addresses are integers here. */
#ifndef HL_HOST_MEMORY_H
#define HL_HOST_MEMORY_H

#include <string.h>

#include "layout.h"

struct memory {
    uint8_t *base; /* guest-physical 0 */
    const struct layout *layout;
};

/* The bytes [offset, offset + size) of an area; NULL if they are not all in it.
 * For writing, or for a single read: the guest may write at the same time. */
static inline uint8_t *memory_at(const struct memory *memory, int area, uint64_t offset,
                                 uint64_t size)
{
    const struct hl_area *in = &memory->layout->areas[area];

    if (offset > in->size || size > in->size - offset)
        return NULL;
    return memory->base + layout_gpa(in->address) + offset;
}

static inline bool memory_copy_in(void *to, const struct memory *memory, int area, uint64_t offset,
                                  uint64_t size)
{
    const uint8_t *from = memory_at(memory, area, offset, size);

    if (from)
        memcpy(to, from, size);
    return from != NULL;
}
#endif
