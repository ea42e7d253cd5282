/* SPDX-License-Identifier: Apache-2.0 */
/* Builds the system area that the sandboxes of a shape share. */
#include "shape.h"

#include <stdlib.h>
#include <string.h>

#include "arch/x86_64/system.h"
#include "error.h"

static void write_boot(uint8_t *at, const struct image *image, const struct shape *shape)
{
    const struct hl_area *areas = shape->layout.areas;
    const struct hl_boot boot = {
        .abi = image->abi,
        .call_depth = (uint32_t)shape->sizes.call_depth,
        .requests = areas[AREA_REQUESTS].address,
        .requests_size = areas[AREA_REQUESTS].size,
        .replies = areas[AREA_REPLIES].address,
        .replies_size = areas[AREA_REPLIES].size,
        .stack = areas[AREA_STACK].address,
        .stack_size = areas[AREA_STACK].size,
        .heap = areas[AREA_HEAP].address,
        .heap_size = areas[AREA_HEAP].size,
        .init_data = areas[AREA_INIT].address,
        .init_size = shape->sizes.init_data,
    };

    memcpy(at, &boot, sizeof boot);
}

static bool map_all(struct system_tables *tables, const struct image *image,
                    const struct layout *layout)
{
    const struct image_segment *segment;
    const struct hl_area *area;
    bool fits = system_map_supervisor(tables);
    uint32_t i;

    for (i = 0; fits && i < AREA_COUNT; i++) {
        area = &layout->areas[i];
        fits = system_map(tables, area->address, layout_gpa(area->address), area->size,
                          area->access);
    }
    for (i = 0; fits && i < image->segment_count; i++) {
        segment = &image->segments[i];
        fits = system_map(tables, segment->address,
                          layout->image_gpa + (segment->address - image->base), segment->size,
                          segment->access);
    }
    return fits;
}

hl_status shape_create(struct shape **out, const struct image *image, const struct sizes *sizes,
                       hl_error *err)
{
    struct shape *shape = calloc(1, sizeof *shape);
    struct system_tables tables;
    uint8_t *system = NULL;
    hl_status status;
    bool fits;

    *out = NULL;
    if (!shape)
        return error_set(err, HL_E_MEMORY, "no memory for a shape");
    shape->sizes = *sizes;
    shape->system = OS_SHARE_NONE;
    layout_plan(&shape->layout, image, sizes);
    status = os_share_create(&shape->system, &system, SYSTEM_SIZE, err);
    if (status)
        goto fail;
    system_init(system);
    write_boot(system + layout_gpa(HL_BOOT), image, shape);
    system_tables_init(&tables, system);
    fits = map_all(&tables, image, &shape->layout);
    status = os_share_seal(&shape->system, system, err);
    if (!fits)
        status = error_set(err, HL_E_INVALID,
                           "image and sizes need more than 2 MiB of page tables");
    if (status)
        goto fail;
    *out = shape;
    return HL_OK;
fail:
    shape_free(shape);
    return status;
}

void shape_free(struct shape *shape)
{
    if (!shape)
        return;
    os_share_close(&shape->system);
    free(shape);
}
