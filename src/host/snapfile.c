/* SPDX-License-Identifier: Apache-2.0 */
/* The parts of a snapshot file: where they lie, what they are called. */
#include "snapfile.h"

void snapfile_places(struct snapfile_places *out, const struct snapfile_header *head)
{
    const uint64_t bytes = head->page_count * HL_PAGE;

    out->region_count = head->segment_count + SNAPFILE_AREAS + head->mapped_count;
    out->chunk_count = (bytes + SNAPFILE_CHUNK - 1) / SNAPFILE_CHUNK;
    out->regions = sizeof *head;
    out->runs = out->regions + out->region_count * sizeof(struct snapfile_region);
    out->checksums = out->runs + head->run_count * sizeof(struct snapfile_run);
    out->text = out->checksums + out->chunk_count * sizeof(uint32_t);
    out->text_end = out->text + head->text_size;
    out->data = HL_ALIGN_UP(out->text_end, HL_PAGE);
    out->end = out->data + bytes;
}

uint32_t snapfile_regions(struct snapfile_region out[SNAPFILE_REGIONS_MAX],
                          const struct image *image, const struct layout *layout)
{
    static const struct {
        uint32_t kind;
        int area;
    } areas[SNAPFILE_AREAS] = {{SNAPFILE_STACK, AREA_STACK},
                               {SNAPFILE_REQUESTS, AREA_REQUESTS},
                               {SNAPFILE_REPLIES, AREA_REPLIES},
                               {SNAPFILE_INIT, AREA_INIT},
                               {SNAPFILE_HEAP, AREA_HEAP}};
    const struct image_segment *segment;
    const hl_area *area;
    uint32_t i;

    for (i = 0; i < image->segment_count; i++) {
        segment = &image->segments[i];
        *out++ = (struct snapfile_region){segment->address, segment->size, SNAPFILE_IMAGE,
                                          segment->access};
    }
    for (i = 0; i < SNAPFILE_AREAS; i++) {
        area = &layout->areas[areas[i].area];
        *out++ = (struct snapfile_region){area->address, area->size, areas[i].kind, area->access};
    }
    return image->segment_count + SNAPFILE_AREAS;
}

const char *snapfile_region_name(uint32_t kind)
{
    static const char *const names[] = {"?",       "image",     "stack", "requests",
                                        "replies", "init data", "heap",  "mapped file"};

    return names[kind < sizeof names / sizeof *names ? kind : 0];
}
