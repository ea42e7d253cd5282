/* SPDX-License-Identifier: Apache-2.0 */
/* Builds the system area that the sandboxes of a shape share. */
#include "shape.h"

#include <stdlib.h>
#include <string.h>

#include "arch/x86_64/system.h"
#include "error.h"
#include "mapping.h"
#include "pages.h"

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
    return fits && system_prepare(tables, layout->map_address, layout->map_size);
}

/* What lies on the stack of a guest that the gate will start. */
static hl_status write_start(struct shape *shape, const struct image *image,
                             const os_share *contents, const uint8_t *bytes, hl_error *err)
{
    const struct hl_area *stack = &shape->layout.areas[AREA_STACK];
    const uint64_t end = stack->address + stack->size;
    const struct gate_frame frame = {
        .mxcsr = GATE_MXCSR_INIT, .x87_control = GATE_X87_INIT, .rip = image->entry};
    struct content_page page = {layout_gpa(end) / HL_PAGE - 1, NULL};
    struct content *plain;
    hl_status status;
    uint8_t *top;

    status = content_create(&plain, contents, bytes, shape->layout.image_gpa,
                            shape->layout.memory_size, err);
    if (status)
        return status;
    top = pages_new();
    if (!top) {
        content_release(plain);
        return error_set(err, HL_E_MEMORY, "no memory for a stack");
    }
    memset(top, 0, HL_PAGE);
    memcpy(top + HL_PAGE - sizeof frame, &frame, sizeof frame);
    page.bytes = top;
    shape->start_rsp = end - sizeof frame;
    status = content_derive(&shape->start, plain, &page, 1, err);
    content_release(plain);
    return status;
}

hl_status shape_create(struct shape **out, const struct image *image, const os_share *contents,
                       const uint8_t *bytes, const struct sizes *sizes, hl_error *err)
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
    shape->tails = system_tails(&tables, MAPPINGS_MAX);
    status = os_share_seal(&shape->system, system, err);
    if (!fits || !shape->tails)
        status = error_set(err, HL_E_INVALID,
                           "image and sizes need more than 2 MiB of page tables");
    shape->table_size = (uint64_t)tables.used * HL_PAGE;
    if (!status)
        status = os_share_map(&shape->bytes, &shape->system, err);
    if (!status && bytes)
        status = write_start(shape, image, contents, bytes, err);
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
    content_release(shape->start);
    os_unmap(shape->bytes, shape->system.size);
    os_share_close(&shape->system);
    free(shape);
}
