/* SPDX-License-Identifier: Apache-2.0 */
/* Where everything of a sandbox lies, in the guest and in its VM. */
#ifndef HL_HOST_LAYOUT_H
#define HL_HOST_LAYOUT_H

#include <hyperlight/hyperlight.h>

#include "image.h"

/* What decides the layout, all of it fixed at creation. */
struct sizes {
    uint64_t heap, stack, message; /* whole pages */
    uint64_t init_data;            /* bytes */
    uint64_t call_depth;
    uint64_t map; /* a multiple of LAYOUT_MAP_STEP */
};

enum {
    AREA_GATE,
    AREA_BOOT,
    AREA_STACK,
    AREA_REQUESTS,
    AREA_REPLIES,
    AREA_INIT,
    AREA_HEAP,
    AREA_COUNT
};

struct layout {
    struct hl_area areas[AREA_COUNT]; /* ascending; an empty one has size 0 */
    uint64_t image_gpa;               /* of image->base */
    uint64_t memory_size;             /* bytes of guest-physical memory */
    uint64_t map_address, map_size;   /* behind it: where hl_sandbox_map maps */
};

/* Mappings begin at multiples of this: then all but their ends are large pages. */
#define LAYOUT_MAP_STEP (2ull << 20)

/* docs/memory-map.md draws it. In the window, guest-physical is virtual minus
 * HL_WINDOW, guard pages included (nothing maps them, so they cost nothing);
 * an image below the window follows behind. */
void layout_plan(struct layout *out, const struct image *image, const struct sizes *sizes);

static inline uint64_t layout_gpa(uint64_t address) /* inside the window */
{
    return address - HL_WINDOW;
}
#endif
