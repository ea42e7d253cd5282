/* SPDX-License-Identifier: Apache-2.0 */
/* Loads an image and checks the result against image.h. */
#include "loader_check.h"

#include <hyperlight/hyperlight.h>
#include <stdlib.h>

#include "../../src/shared/utf8.h"
#include "../test.h"

static void check_segments(const struct image *image)
{
    const struct image_segment *segment = image->segments;
    uint64_t at = image->base, end = image->base + image->span;
    bool entry = false;
    uint32_t i;

    CHECK(image->segment_count >= 1 && image->segment_count <= IMAGE_SEGMENTS_MAX);
    CHECK(image->span && image->span <= IMAGE_SPAN_MAX && image->base % HL_PAGE == 0);
    CHECK(image->base >= HL_SLIDE ? end <= HL_SLIDE + IMAGE_SPAN_MAX
                                  : image->base >= HL_LOW_END && end <= HL_WINDOW);
    for (i = 0; i < image->segment_count; i++, segment++) {
        CHECK(segment->size && segment->size % HL_PAGE == 0 && segment->address % HL_PAGE == 0);
        CHECK(segment->address >= at && segment->size <= end - segment->address);
        CHECK(segment->access & HL_READ && segment->access <= 7);
        CHECK(~segment->access & (HL_WRITE | HL_EXECUTE));
        at = segment->address + segment->size;
        entry |= segment->access & HL_EXECUTE && image->entry >= segment->address &&
                 image->entry < at;
    }
    CHECK(at == end);
    CHECK(entry);
}

static void check_functions(const struct image_function *rows, uint32_t count,
                            const struct image *image, bool exports)
{
    char text[HL_SIGNATURE_TEXT_MAX];
    uint32_t i;

    CHECK(count <= HL_FUNCTIONS_MAX);
    for (i = 0; i < count; i++) {
        CHECK(strlen(rows[i].name) <= HL_NAME_MAX);
        CHECK(hl__utf8_valid(rows[i].name, strlen(rows[i].name)));
        if (!*rows[i].name) {
            CHECK(exports && (i == image->init || i == image->fallback));
            CHECK_STR(rows[i].signature_text, "");
            continue;
        }
        hl__signature_text(text, &rows[i].signature);
        CHECK_STR(rows[i].signature_text, text);
    }
}

static void check_image(const struct image *image)
{
    CHECK(image->abi >= HL_ABI_MINIMUM && image->abi <= HL_ABI_VERSION);
    check_segments(image);
    check_functions(image->exports, image->export_count, image, true);
    check_functions(image->imports, image->import_count, image, false);
    CHECK(image->init == HL_INDEX_NAMED || image->init < image->export_count);
    CHECK(image->fallback == HL_INDEX_NAMED || image->fallback < image->export_count);
}

static void check_failure(const struct loaded *loaded)
{
    static const struct image none;

    CHECK(loaded->status == HL_E_IMAGE || loaded->status == HL_E_ABI);
    CHECK_INT(loaded->err.status, loaded->status);
    CHECK(*loaded->err.text);
    if (!loaded->memory)
        CHECK(!memcmp(&loaded->image, &none, sizeof none));
    CHECK(!loaded->image.exports && !loaded->image.imports && !loaded->image.text);
}

void load_bytes(struct loaded *out, const void *bytes, size_t size)
{
    uint8_t *file = malloc(size + !size); /* exact, so that a sanitizer sees its end */

    memset(out, 0, sizeof *out);
    CHECK(file);
    if (size)
        memcpy(file, bytes, size);
    out->status = elf_plan(&out->image, file, size, &out->err);
    if (!out->status) {
        check_segments(&out->image);
        out->memory = calloc(1, out->image.span);
        CHECK(out->memory);
        out->status = elf_fill(&out->image, file, size, out->memory, &out->err);
    }
    free(file); /* nothing of the result may point into it */
    if (out->status) {
        check_failure(out);
        load_free(out);
    } else {
        check_image(&out->image);
    }
}

void load_built(struct loaded *out, const struct elf_build *build)
{
    load_bytes(out, build->bytes, build->size);
}

void load_free(struct loaded *loaded)
{
    image_free(&loaded->image);
    memset(&loaded->image, 0, sizeof loaded->image);
    free(loaded->memory);
    loaded->memory = NULL;
}

void check_loads(const struct elf_build *build)
{
    struct loaded loaded;

    load_built(&loaded, build);
    if (loaded.status)
        FAIL("refused: %s", loaded.err.text);
    load_free(&loaded);
}

void check_refused(const struct elf_build *build, hl_status status, const char *text)
{
    struct loaded loaded;

    load_built(&loaded, build);
    if (!loaded.status)
        FAIL("loaded, wanted \"%s\"", text);
    CHECK_STR(loaded.err.text, text);
    CHECK_INT(loaded.status, status);
}

static bool same_functions(const struct image_function *a, const struct image_function *b,
                           uint32_t count)
{
    while (count--)
        if (strcmp(a[count].name, b[count].name) ||
            strcmp(a[count].signature_text, b[count].signature_text))
            return false;
    return true;
}

bool load_same(const struct loaded *a, const struct loaded *b)
{
    const struct image *x = &a->image, *y = &b->image;

    return x->abi == y->abi && x->base == y->base && x->span == y->span && x->entry == y->entry &&
           x->segment_count == y->segment_count &&
           !memcmp(x->segments, y->segments, sizeof x->segments) &&
           x->export_count == y->export_count && x->import_count == y->import_count &&
           same_functions(x->exports, y->exports, x->export_count) &&
           same_functions(x->imports, y->imports, x->import_count) && x->init == y->init &&
           x->fallback == y->fallback && !memcmp(a->memory, b->memory, x->span);
}
