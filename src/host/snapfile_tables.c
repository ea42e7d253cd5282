/* SPDX-License-Identifier: Apache-2.0 */
/* Checks the tables of a snapshot file: regions, functions, runs of pages. */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "../shared/utf8.h"
#include "checked.h"
#include "config.h"
#include "error.h"
#include "snapfile.h"

#define HEX "0x%" PRIx64

/* ---- Regions ----------------------------------------------------------------------- */

static hl_status check_region(const struct snapfile *f, uint32_t i, hl_error *err)
{
    const struct snapfile_region *region = &f->regions[i];
    const uint32_t image = f->head.segment_count;
    const uint32_t kind = i < image                    ? (uint32_t)SNAPFILE_IMAGE
                          : i - image < SNAPFILE_AREAS ? SNAPFILE_STACK + (i - image)
                                                       : (uint32_t)SNAPFILE_MAPPED;
    uint64_t end;

    if (region->kind != kind)
        return error_set(err, HL_E_IMAGE, "region %u: kind is %u, wanted %u (%s)", i, region->kind,
                         kind, snapfile_region_name(kind));
    if (region->address % HL_PAGE || region->size % HL_PAGE)
        return error_set(err, HL_E_IMAGE,
                         "region %u (%s): address " HEX ", size " HEX " are not whole pages", i,
                         snapfile_region_name(kind), region->address, region->size);
    if (!checked_add(&end, region->address, region->size))
        return error_set(err, HL_E_IMAGE,
                         "region %u (%s): address " HEX ", size " HEX " end beyond 2^64", i,
                         snapfile_region_name(kind), region->address, region->size);
    return HL_OK;
}

/* As the loaders of images have it: below the window, or slid to its begin. */
static hl_status check_segment(const struct snapfile *f, uint32_t i, hl_error *err)
{
    const struct snapfile_region *region = &f->regions[i], *first = &f->regions[0];
    const bool inside = first->address >= HL_WINDOW;
    const uint64_t low = inside ? HL_SLIDE : HL_LOW_END;
    const uint64_t high = inside ? HL_SLIDE + IMAGE_SPAN_MAX : HL_WINDOW;
    const uint64_t end = region->address + region->size;
    const uint64_t before = i ? region[-1].address + region[-1].size : low;

    if (region->access != HL_READ && region->access != (HL_READ | HL_WRITE) &&
        region->access != (HL_READ | HL_EXECUTE))
        return error_set(err, HL_E_IMAGE,
                         "region %u (image): access is 0x%x, wanted 1 (read), 3 (write) or "
                         "5 (execute)",
                         i, region->access);
    if (!region->size || region->address < low || end > high)
        return error_set(err, HL_E_IMAGE,
                         "region %u (image): " HEX " to " HEX " is empty or not within " HEX
                         " to " HEX ", where images lie",
                         i, region->address, end, low, high);
    if (region->address < before)
        return error_set(err, HL_E_IMAGE,
                         "region %u (image): begins at " HEX ", the one before ends at " HEX, i,
                         region->address, before);
    if (end - first->address > IMAGE_SPAN_MAX)
        return error_set(err, HL_E_IMAGE,
                         "region %u (image): the image spans " HEX " bytes, at most " HEX " wanted",
                         i, end - first->address, (uint64_t)IMAGE_SPAN_MAX);
    return HL_OK;
}

static hl_status take_segments(struct snapfile *f, hl_error *err)
{
    struct image *image = &f->image;
    const struct snapfile_region *region;
    hl_status status = HL_OK;
    uint32_t i;

    image->abi = f->head.abi;
    image->segment_count = f->head.segment_count;
    for (i = 0; !status && i < f->head.segment_count; i++) {
        region = &f->regions[i];
        status = check_segment(f, i, err);
        image->segments[i] = (struct image_segment){region->address, region->size, region->access};
    }
    if (status)
        return status;
    region = &f->regions[i - 1];
    image->base = image->entry = f->regions[0].address; /* nothing enters there */
    image->span = region->address + region->size - image->base;
    return HL_OK;
}

/* Stack, messages, init data and heap lie where this library puts them, or the
 * guest could not be parked there. */
static hl_status check_areas(struct snapfile *f, hl_error *err)
{
    const struct snapfile_region *found = f->regions + f->head.segment_count, *want;
    struct snapfile_region regions[SNAPFILE_REGIONS_MAX];
    hl_status status;
    uint32_t i;

    f->sizes = (struct sizes){
        .heap = found[SNAPFILE_HEAP - SNAPFILE_STACK].size,
        .stack = found[0].size,
        .message = found[SNAPFILE_REQUESTS - SNAPFILE_STACK].size,
        .init_data = f->head.init_size,
        .call_depth = f->head.call_depth,
        .map = f->head.map_size,
    };
    status = config_check_sizes(&f->sizes, err);
    if (!status && f->sizes.map % LAYOUT_MAP_STEP)
        status = error_set(err, HL_E_IMAGE, "map_size is " HEX ", wanted a multiple of " HEX,
                           f->sizes.map, (uint64_t)LAYOUT_MAP_STEP);
    if (status)
        return status;
    layout_plan(&f->layout, &f->image, &f->sizes);
    snapfile_regions(regions, &f->image, &f->layout);
    for (i = f->head.segment_count; i < f->head.segment_count + SNAPFILE_AREAS; i++) {
        found = &f->regions[i];
        want = &regions[i];
        if (found->address != want->address || found->size != want->size ||
            found->access != want->access)
            return error_set(err, HL_E_IMAGE,
                             "region %u (%s): address " HEX ", size " HEX
                             ", access 0x%x, wanted " HEX ", " HEX ", 0x%x",
                             i, snapfile_region_name(found->kind), found->address, found->size,
                             found->access, want->address, want->size, want->access);
    }
    return HL_OK;
}

/* Mapped files lie where hl_sandbox_map may put them, each with a gap behind it. */
static hl_status check_mapped(const struct snapfile *f, hl_error *err)
{
    const uint32_t first = f->head.segment_count + SNAPFILE_AREAS;
    const uint64_t end = f->layout.map_address + f->layout.map_size;
    const struct snapfile_region *region;
    uint64_t low = f->layout.map_address;
    uint32_t i;

    for (i = first; i < f->places.region_count; i++) {
        region = &f->regions[i];
        if (region->access != HL_READ && region->access != (HL_READ | HL_WRITE))
            return error_set(err, HL_E_IMAGE,
                             "region %u (mapped file): access is 0x%x, wanted 1 (read) or 3 "
                             "(write)",
                             i, region->access);
        if (!region->size || region->address % LAYOUT_MAP_STEP || region->address < low ||
            region->address > end || region->size > end - region->address)
            return error_set(err, HL_E_IMAGE,
                             "region %u (mapped file): address " HEX ", size " HEX
                             ", wanted a multiple of " HEX " within " HEX " to " HEX,
                             i, region->address, region->size, (uint64_t)LAYOUT_MAP_STEP, low, end);
        low = region->address + region->size + HL_PAGE;
    }
    return HL_OK;
}

static hl_status read_regions(struct snapfile *f, hl_error *err)
{
    hl_status status = HL_OK;
    uint32_t i;

    for (i = 0; !status && i < f->places.region_count; i++)
        status = check_region(f, i, err);
    if (!status)
        status = take_segments(f, err);
    if (!status)
        status = check_areas(f, err);
    return status ? status : check_mapped(f, err);
}

/* ---- Functions ------------------------------------------------------------------------ */

/* The texts while they are read: four tables one behind the other. */
struct text {
    const char *at, *end;
    const char *table; /* "export", "added import" ... */
    uint32_t row;
    hl_error *err;
};

static hl_status next_text(const char **out, struct text *text, const char *what)
{
    const size_t left = (size_t)(text->end - text->at);

    *out = text->at;
    text->at = left ? memchr(text->at, '\0', left) : NULL;
    if (!text->at)
        return error_set(text->err, HL_E_IMAGE, "%s %u: %s is not within text_size", text->table,
                         text->row, what);
    text->at++;
    return HL_OK;
}

static hl_status parse(struct image_function *out, const struct text *text, const char *signature)
{
    const size_t length = strlen(out->name);
    const char *wrong;

    if (!length || length > HL_NAME_MAX)
        return error_set(text->err, HL_E_IMAGE, "%s %u: name of %zu bytes, wanted 1 to %d",
                         text->table, text->row, length, HL_NAME_MAX);
    if (!hl__utf8_valid(out->name, length))
        return error_set(text->err, HL_E_IMAGE, "%s %u: its name \"%.80s\" is not UTF-8",
                         text->table, text->row, out->name);
    wrong = hl__signature_parse(&out->signature, signature, strlen(signature));
    if (!wrong) {
        hl__signature_text(out->signature_text, &out->signature);
        wrong = strcmp(out->signature_text, signature) ? "not in canonical form" : NULL;
    }
    if (wrong)
        return error_set(text->err, HL_E_IMAGE, "%s %u (%.80s): signature \"%.80s\": %s",
                         text->table, text->row, out->name, signature, wrong);
    return HL_OK;
}

/* A row without a name is the image's init or fallback. */
static hl_status take_special(struct image *image, const struct text *text, const char *signature)
{
    uint32_t *position = !strcmp(signature, "init")       ? &image->init
                         : !strcmp(signature, "fallback") ? &image->fallback
                                                          : NULL;

    if (!position)
        return error_set(text->err, HL_E_IMAGE, "%s %u: its name is empty, its signature \"%.80s\"",
                         text->table, text->row, signature);
    if (*position != HL_INDEX_NAMED)
        return error_set(text->err, HL_E_IMAGE, "exports %u and %u are both the %s function",
                         *position, text->row, signature);
    *position = text->row;
    return HL_OK;
}

static hl_status read_rows(struct image_function **out, uint32_t count, struct text *text,
                           struct image *specials)
{
    struct image_function *rows = calloc(count + 1u, sizeof *rows);
    const char *signature;
    hl_status status = HL_OK;

    *out = rows;
    if (!rows)
        return error_set(text->err, HL_E_MEMORY, "no memory for %u %ss", count, text->table);
    for (text->row = 0; !status && text->row < count; text->row++) {
        status = next_text(&rows[text->row].name, text, "name");
        if (!status)
            status = next_text(&signature, text, "signature");
        if (status)
            break;
        status = specials && !*rows[text->row].name ? take_special(specials, text, signature)
                                                    : parse(&rows[text->row], text, signature);
        if (status)
            break;
    }
    return status;
}

static hl_status read_added(struct added_list *out, uint32_t count, struct text *text)
{
    struct image_function one;
    const char *signature;
    hl_status status = HL_OK;

    for (text->row = 0; !status && text->row < count; text->row++) {
        status = next_text(&one.name, text, "name");
        if (!status)
            status = next_text(&signature, text, "signature");
        if (!status)
            status = parse(&one, text, signature);
        if (status)
            break;
        if (!added_append(out, one.name, &one.signature))
            return error_set(text->err, HL_E_MEMORY, "no memory for %u %ss", count, text->table);
    }
    return status;
}

/* Positions count on through the run-time ones. */
static hl_status check_unique(const struct image_function *rows, uint32_t count,
                              const struct added_list *added, const char *table, hl_error *err)
{
    hl_status status = HL_OK;
    struct names names;
    const char *name;
    uint32_t i, before;

    if (!names_create(&names, count + added->count))
        return error_set(err, HL_E_MEMORY, "no memory for %u %ss", count + added->count, table);
    for (i = 0; !status && i < count + added->count; i++) {
        name = i < count ? rows[i].name : added->items[i - count]->name;
        before = *name ? names_add(&names, name, i) : NAMES_NONE;
        if (before != NAMES_NONE)
            status = error_set(err, HL_E_IMAGE, "%ss %u and %u are both named \"%s\"", table,
                               before, i, name);
    }
    names_free(&names);
    return status;
}

static hl_status read_functions(struct snapfile *f, hl_error *err)
{
    static const struct added_list none;
    struct image *image = &f->image;
    struct text text = {.err = err};
    hl_status status;

    image->text = malloc(f->head.text_size + 1u);
    if (!image->text)
        return error_set(err, HL_E_MEMORY, "no memory for %u bytes of names", f->head.text_size);
    memcpy(image->text, f->block + f->places.text, f->head.text_size);
    text.at = image->text;
    text.end = image->text + f->head.text_size;
    image->init = image->fallback = HL_INDEX_NAMED;
    image->export_count = f->head.export_count;
    image->import_count = f->head.import_count;
    text.table = "export";
    status = read_rows(&image->exports, image->export_count, &text, image);
    text.table = "import";
    if (!status)
        status = read_rows(&image->imports, image->import_count, &text, NULL);
    text.table = "added export";
    if (!status)
        status = read_added(&f->exports, f->head.added_export_count, &text);
    text.table = "added import";
    if (!status)
        status = read_added(&f->imports, f->head.added_import_count, &text);
    if (!status && text.at != text.end)
        status = error_set(err, HL_E_IMAGE, "text_size is %u, the functions have %u bytes",
                           f->head.text_size, (unsigned)(text.at - image->text));
    if (!status)
        status = check_unique(image->exports, image->export_count, &f->exports, "export", err);
    /* A guest may ask for the same run-time import twice. */
    return status ? status
                  : check_unique(image->imports, image->import_count, &none, "import", err);
}

/* ---- Runs --------------------------------------------------------------------------- */

/* The region that a run begins in, from *at on: both ascend. NULL: none. */
static const struct snapfile_region *region_of(const struct snapfile *f, uint32_t *at,
                                               const struct snapfile_run *run)
{
    const struct snapfile_region *region;

    for (; *at < f->places.region_count; ++*at) {
        region = &f->regions[*at];
        if (run->address < region->address)
            return NULL;
        if (run->address - region->address < region->size)
            return region;
    }
    return NULL;
}

static hl_status check_run(const struct snapfile *f, uint32_t i, uint32_t *at, hl_error *err)
{
    const struct snapfile_run *run = &f->runs[i];
    const struct snapfile_region *region;

    if (!run->size || run->address % HL_PAGE || run->size % HL_PAGE)
        return error_set(err, HL_E_IMAGE,
                         "run %u: address " HEX ", size " HEX " are not whole pages", i,
                         run->address, run->size);
    if (i && run->address < run[-1].address + run[-1].size)
        return error_set(err, HL_E_IMAGE, "run %u: begins at " HEX ", the one before ends at " HEX,
                         i, run->address, run[-1].address + run[-1].size);
    region = region_of(f, at, run);
    if (!region || !checked_within(run->address - region->address, run->size, region->size))
        return error_set(err, HL_E_IMAGE,
                         "run %u: address " HEX ", size " HEX " do not lie in one region", i,
                         run->address, run->size);
    if (!snapfile_holds_pages(region->kind))
        return error_set(err, HL_E_IMAGE,
                         "run %u: address " HEX " lies in a region (%s) that snapshots do not hold",
                         i, run->address, snapfile_region_name(region->kind));
    return HL_OK;
}

static hl_status read_runs(struct snapfile *f, hl_error *err)
{
    hl_status status = HL_OK;
    uint64_t pages = 0;
    uint32_t i, at = 0;

    for (i = 0; !status && i < f->head.run_count; i++) {
        status = check_run(f, i, &at, err);
        pages += f->runs[i].size / HL_PAGE;
        f->memory_runs += f->runs[i].address < f->layout.map_address;
    }
    if (!status && pages != f->head.page_count)
        status = error_set(err, HL_E_IMAGE, "page_count is %" PRIu64 ", the runs have %" PRIu64,
                           f->head.page_count, pages);
    if (!status && !f->memory_runs)
        status = error_set(err, HL_E_IMAGE, "no run has the stack that the guest is parked on");
    return status;
}

static hl_status check_padding(const struct snapfile *f, hl_error *err)
{
    uint64_t at;

    for (at = f->places.text_end; at < f->places.data; at++)
        if (f->block[at])
            return error_set(err, HL_E_IMAGE, "byte %" PRIu64 " before the pages is 0x%x, wanted 0",
                             at, f->block[at]);
    return HL_OK;
}

hl_status snapfile_read_tables(struct snapfile *f, hl_error *err)
{
    hl_status status;

    f->regions = (const void *)(f->block + f->places.regions);
    f->runs = (const void *)(f->block + f->places.runs);
    f->checksums = (const void *)(f->block + f->places.checksums);
    status = read_regions(f, err);
    if (!status)
        status = read_functions(f, err);
    if (!status)
        status = read_runs(f, err);
    return status ? status : check_padding(f, err);
}
