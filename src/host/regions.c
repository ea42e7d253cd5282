/* SPDX-License-Identifier: Apache-2.0 */
/* Lists a guest's memory for backends that give it addresses by themselves. */
#include "regions.h"

#include "arch/x86_64/system.h"

static enum hv_region_kind kind(uint32_t area)
{
    switch (area) {
    case AREA_GATE:
        return HV_REGION_GATE;
    case AREA_REQUESTS:
        return HV_REGION_REQUESTS;
    case AREA_REPLIES:
        return HV_REGION_REPLIES;
    default:
        return HV_REGION_MEMORY;
    }
}

uint32_t regions_list(struct hv_region out[REGIONS_MAX], const struct layout *layout,
                      const struct image *image)
{
    const struct image_segment *segment;
    const struct hl_area *area;
    uint32_t n = 0, i;

    /* Where a VM has its supervisor's pages: closed, not empty. */
    out[n++] = (struct hv_region){HL_WINDOW, 0, SYSTEM_CR3, 0, HV_REGION_MEMORY};
    for (i = 0; i < AREA_COUNT; i++) {
        area = &layout->areas[i];
        if (area->size)
            out[n++] = (struct hv_region){area->address, layout_gpa(area->address), area->size,
                                          area->access, kind(i)};
    }
    for (i = 0; i < image->segment_count; i++) {
        segment = &image->segments[i];
        out[n++] = (struct hv_region){segment->address,
                                      layout->image_gpa + (segment->address - image->base),
                                      segment->size, segment->access, HV_REGION_MEMORY};
    }
    return n;
}
