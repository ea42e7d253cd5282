/* SPDX-License-Identifier: Apache-2.0 */
/* Loads arbitrary bytes as an ELF guest image. */
#include <stdlib.h>
#include <string.h>

#include <hyperlight/hyperlight.h>

#include "../src/host/image.h"
#include "fuzz.h"

#define SPAN_MAX (4u << 20) /* larger images are planned, not filled: it takes too long */

static void check_segments(const struct image *image)
{
    uint64_t at = image->base;
    uint32_t i;

    FUZZ_CHECK(image->segment_count && image->segment_count <= IMAGE_SEGMENTS_MAX);
    FUZZ_CHECK(image->span <= IMAGE_SPAN_MAX && image->base >= HL_LOW_END);
    for (i = 0; i < image->segment_count; i++) {
        const struct image_segment *segment = &image->segments[i];

        FUZZ_CHECK(!((segment->address | segment->size) % HL_PAGE) && segment->size);
        FUZZ_CHECK(segment->address >= at);
        FUZZ_CHECK(~segment->access & (HL_WRITE | HL_EXECUTE));
        at = segment->address + segment->size;
    }
    FUZZ_CHECK(at == image->base + image->span);
}

/* Reads every name, so that a sanitizer sees a bad one. */
static void check_functions(const struct image_function *rows, uint32_t count)
{
    FUZZ_CHECK(count <= HL_FUNCTIONS_MAX);
    while (count--) {
        FUZZ_CHECK(strlen(rows[count].name) <= HL_NAME_MAX);
        FUZZ_CHECK(strlen(rows[count].signature_text) < HL_SIGNATURE_TEXT_MAX);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct image image;
    hl_error err;
    uint8_t *memory;

    if (elf_plan(&image, data, size, &err)) {
        FUZZ_CHECK(*err.text);
        return 0;
    }
    check_segments(&image);
    if (image.span > SPAN_MAX)
        return 0;
    memory = calloc(1, image.span);
    FUZZ_CHECK(memory);
    if (elf_fill(&image, data, size, memory, &err)) {
        FUZZ_CHECK(*err.text);
    } else {
        free(memory); /* names may not point there */
        memory = NULL;
        check_functions(image.exports, image.export_count);
        check_functions(image.imports, image.import_count);
    }
    free(memory);
    image_free(&image);
    return 0;
}
