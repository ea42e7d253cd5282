/* SPDX-License-Identifier: Apache-2.0 */
/* Reads the export and import tables of a loaded image. */
#include "image_tables.h"

#include <hyperlight/hyperlight.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "../shared/utf8.h"
#include "error.h"
#include "names.h"

#define HEX "0x%" PRIx64
#define SIGNATURE_MAX 1023u /* bytes, spaces included, of a signature's text */

/* One table while it is read. Until keep_names, names point into `memory`. */
struct reader {
    struct image *image;
    const uint8_t *memory;
    bool exports;
    struct image_function *rows;
    uint32_t count;
    hl_error *err;
};

static const struct image_segment *segment_at(const struct image *image, uint64_t address)
{
    uint32_t i;

    for (i = 0; i < image->segment_count; i++)
        if (address - image->segments[i].address < image->segments[i].size)
            return &image->segments[i];
    return NULL;
}

bool image_holds(const struct image *image, uint64_t address, uint64_t size, uint32_t access)
{
    const struct image_segment *segment = segment_at(image, address);

    return segment && size <= segment->size - (address - segment->address) &&
           (segment->access & access) == access;
}

void image_free(struct image *image)
{
    free(image->exports);
    free(image->imports);
    free(image->text);
    image->exports = image->imports = NULL;
    image->text = NULL;
    image->export_count = image->import_count = 0;
}

static const char *kind(const struct reader *r)
{
    return r->exports ? "export" : "import";
}

/* The NUL-terminated text at an address; at most `max` bytes. */
static hl_status text_at(const char **out, const struct reader *r, uint32_t row, const char *what,
                         uint64_t address, size_t max)
{
    const struct image_segment *segment = segment_at(r->image, address);
    uint64_t left;

    if (!segment)
        return error_set(r->err, HL_E_IMAGE, "%s %u: %s at " HEX " lies outside the image", kind(r),
                         row, what, address);
    left = segment->size - (address - segment->address);
    *out = (const char *)r->memory + (address - r->image->base);
    if (memchr(*out, '\0', left < max + 1 ? (size_t)left : max + 1))
        return HL_OK;
    if (left <= max)
        return error_set(r->err, HL_E_IMAGE,
                         "%s %u: %s at " HEX " has no NUL before the end of its segment", kind(r),
                         row, what, address);
    return error_set(r->err, HL_E_IMAGE, "%s %u: %s at " HEX " is longer than %u bytes", kind(r),
                     row, what, address, (unsigned)max);
}

/* A row without a name offers init or fallback. */
static hl_status read_special(const struct reader *r, uint32_t row, const char *signature)
{
    struct image *image = r->image;
    uint32_t *position = NULL;

    if (r->exports && !strcmp(signature, "init"))
        position = &image->init;
    else if (r->exports && !strcmp(signature, "fallback"))
        position = &image->fallback;
    if (!position)
        return error_set(r->err, HL_E_IMAGE, "%s %u: its name is empty, its signature \"%.80s\"",
                         kind(r), row, signature);
    if (*position != HL_INDEX_NAMED)
        return error_set(r->err, HL_E_IMAGE, "exports %u and %u are both the %s function",
                         *position, row, signature);
    *position = row;
    return HL_OK;
}

static hl_status read_named(const struct reader *r, uint32_t row, const char *signature)
{
    struct image_function *function = &r->rows[row];
    const char *wrong;

    if (!hl__utf8_valid(function->name, strlen(function->name)))
        return error_set(r->err, HL_E_IMAGE, "%s %u: its name \"%.80s\" is not UTF-8", kind(r), row,
                         function->name);
    wrong = hl__signature_parse(&function->signature, signature, strlen(signature));
    if (wrong)
        return error_set(r->err, HL_E_IMAGE, "%s %u (%.80s): signature \"%.80s\": %s", kind(r), row,
                         function->name, signature, wrong);
    hl__signature_text(function->signature_text, &function->signature);
    return HL_OK;
}

static hl_status check_extra(const struct reader *r, uint32_t row, uint64_t extra)
{
    if (r->exports && !image_holds(r->image, extra, 1, HL_EXECUTE))
        return error_set(r->err, HL_E_IMAGE,
                         "export %u (%.80s): its function at " HEX
                         " is not in an executable segment",
                         row, r->rows[row].name, extra);
    if (!r->exports && extra)
        return error_set(r->err, HL_E_IMAGE, "import %u (%.80s): third field is " HEX ", wanted 0",
                         row, r->rows[row].name, extra);
    return HL_OK;
}

static hl_status read_row(const struct reader *r, uint32_t row, const uint8_t *at)
{
    struct hl_table_entry entry;
    const char *signature;
    hl_status status;

    memcpy(&entry, at, sizeof entry);
    status = text_at(&r->rows[row].name, r, row, "name", entry.name, HL_NAME_MAX);
    if (!status)
        status = text_at(&signature, r, row, "signature", entry.signature, SIGNATURE_MAX);
    if (!status)
        status = *r->rows[row].name ? read_named(r, row, signature)
                                    : read_special(r, row, signature);
    return status ? status : check_extra(r, row, entry.extra);
}

static hl_status check_unique(const struct reader *r)
{
    hl_status status = HL_OK;
    struct names names;
    uint32_t i, before;

    if (!names_create(&names, r->count))
        return error_set(r->err, HL_E_MEMORY, "no memory for %u %ss", r->count, kind(r));
    for (i = 0; i < r->count && !status; i++) {
        if (!*r->rows[i].name)
            continue;
        before = names_add(&names, r->rows[i].name, i);
        if (before != NAMES_NONE)
            status = error_set(r->err, HL_E_IMAGE, "%ss %u and %u are both named \"%s\"", kind(r),
                               before, i, r->rows[i].name);
    }
    names_free(&names);
    return status;
}

static hl_status check_range(const struct reader *r, const struct image_table *table)
{
    uint64_t size = table->end - table->start;

    if (table->end < table->start || size % sizeof(struct hl_table_entry))
        return error_set(r->err, HL_E_IMAGE,
                         "%s table " HEX ".." HEX " does not consist of rows of %u bytes", kind(r),
                         table->start, table->end, (unsigned)sizeof(struct hl_table_entry));
    if (size / sizeof(struct hl_table_entry) > HL_FUNCTIONS_MAX)
        return error_set(r->err, HL_E_IMAGE, "%" PRIu64 " %ss, at most %u wanted",
                         size / sizeof(struct hl_table_entry), kind(r), HL_FUNCTIONS_MAX);
    if (size && !image_holds(r->image, table->start, size, 0))
        return error_set(r->err, HL_E_IMAGE, "%s table " HEX ".." HEX " lies in no segment",
                         kind(r), table->start, table->end);
    return HL_OK;
}

static hl_status read_table(struct reader *r, const struct image_table *table)
{
    hl_status status = check_range(r, table);
    const uint8_t *at;
    uint32_t i;

    if (status || table->start == table->end)
        return status;
    at = r->memory + (table->start - r->image->base);
    r->count = (uint32_t)((table->end - table->start) / sizeof(struct hl_table_entry));
    r->rows = calloc(r->count, sizeof *r->rows);
    if (!r->rows)
        return error_set(r->err, HL_E_MEMORY, "no memory for %u %ss", r->count, kind(r));
    for (i = 0; i < r->count && !status; i++)
        status = read_row(r, i, at + i * sizeof(struct hl_table_entry));
    return status ? status : check_unique(r);
}

static size_t names_size(const struct image_function *rows, uint32_t count)
{
    size_t size = 0;

    while (count)
        size += strlen(rows[--count].name) + 1;
    return size;
}

/* Moves the names to `to`; returns where the next one goes. */
static char *move_names(char *to, struct image_function *rows, uint32_t count)
{
    size_t size;
    uint32_t i;

    for (i = 0; i < count; i++) {
        size = strlen(rows[i].name) + 1;
        rows[i].name = memcpy(to, rows[i].name, size);
        to += size;
    }
    return to;
}

static hl_status keep_names(struct image *image, hl_error *err)
{
    size_t size = names_size(image->exports, image->export_count) +
                  names_size(image->imports, image->import_count);

    image->text = malloc(size + 1);
    if (!image->text)
        return error_set(err, HL_E_MEMORY, "no memory for %" PRIu64 " bytes of names",
                         (uint64_t)size);
    move_names(move_names(image->text, image->exports, image->export_count), image->imports,
               image->import_count);
    return HL_OK;
}

hl_status image_read_tables(struct image *image, const uint8_t *memory,
                            const struct image_table *exports, const struct image_table *imports,
                            hl_error *err)
{
    struct reader out = {.image = image, .memory = memory, .exports = true, .err = err};
    struct reader in = {.image = image, .memory = memory, .exports = false, .err = err};
    hl_status status;

    image->init = image->fallback = HL_INDEX_NAMED;
    status = read_table(&out, exports);
    image->exports = out.rows;
    image->export_count = out.count;
    if (status)
        return status;
    status = read_table(&in, imports);
    image->imports = in.rows;
    image->import_count = in.count;
    return status ? status : keep_names(image, err);
}
