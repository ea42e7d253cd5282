/* SPDX-License-Identifier: Apache-2.0 */
/* Lays out a sandbox: image, stack, messages, init data, heap. */
#include "layout.h"

enum {
    GUARD = HL_PAGE,
    STACK_GUARD = 16 * HL_PAGE /* a large frame must not step over it */
};

static uint64_t place(struct layout *layout, int area, const char *name, uint64_t at, uint64_t size,
                      uint32_t access)
{
    size = HL_ALIGN_UP(size, HL_PAGE);
    layout->areas[area] = (struct hl_area){name, at, size, access};
    return at + size + GUARD;
}

void layout_plan(struct layout *out, const struct image *image, const struct sizes *sizes)
{
    const bool inside = image->base >= HL_WINDOW;
    uint64_t at = inside ? image->base + image->span : HL_SLIDE;

    place(out, AREA_GATE, "gate", HL_GATE, HL_PAGE, HL_READ | HL_EXECUTE);
    place(out, AREA_BOOT, "boot block", HL_BOOT, HL_PAGE, HL_READ);
    at = place(out, AREA_STACK, "stack", at + STACK_GUARD, sizes->stack, HL_READ | HL_WRITE);
    at = place(out, AREA_REQUESTS, "requests", at, sizes->message, HL_READ);
    at = place(out, AREA_REPLIES, "replies", at, sizes->message, HL_READ | HL_WRITE);
    at = place(out, AREA_INIT, "init data", at, sizes->init_data, HL_READ);
    if (sizes->heap >= 2u << 20) /* lets the tables use 2 MiB entries */
        at = HL_ALIGN_UP(at, 2u << 20);
    at = place(out, AREA_HEAP, "heap", at, sizes->heap, HL_READ | HL_WRITE);
    at = layout_gpa(at);
    out->image_gpa = inside ? layout_gpa(image->base) : at;
    out->memory_size = inside ? at : at + image->span;
    out->map_address = HL_WINDOW + HL_ALIGN_UP(out->memory_size, LAYOUT_MAP_STEP);
    out->map_size = sizes->map;
}
