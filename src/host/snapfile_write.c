/* SPDX-License-Identifier: Apache-2.0 */
/* Saving snapshots. */
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "crc32c.h"
#include "error.h"
#include "page_copy.h"
#include "snapfile.h"

struct writer {
    const hl_snapshot *snapshot;
    const struct image *image;
    const struct layout *layout;
    os_new_file file;
    struct snapfile_header head;
    struct snapfile_places places;
    struct snapfile_region regions[SNAPFILE_REGIONS_MAX];
    struct snapfile_run *runs;
    uint32_t room;      /* of runs */
    uint32_t first_run; /* of the region whose pages are listed */
    uint64_t shift;     /* its guest-physical less its virtual addresses */
    const struct mapping_state *mapped[MAPPINGS_MAX]; /* by address */
    uint8_t *block; /* header and tables as they go into the file */
    hl_error *err;
};

static hl_status no_memory(const struct writer *w)
{
    return error_set(w->err, HL_E_MEMORY, "no memory to save a snapshot");
}

/* ---- Which pages ---------------------------------------------------------------- */

static bool add_run(struct writer *w, uint64_t address)
{
    const uint32_t room = w->room ? 2 * w->room : 64;
    struct snapfile_run *runs;

    if (w->head.run_count == w->room) {
        runs = realloc(w->runs, room * sizeof *runs);
        if (!runs)
            return false;
        w->runs = runs;
        w->room = room;
    }
    assert(w->runs);
    w->runs[w->head.run_count++] = (struct snapfile_run){address, HL_PAGE};
    return true;
}

static bool list_page(void *ctx, uint64_t number, const uint8_t *bytes)
{
    struct writer *w = ctx;
    const uint64_t address = number * HL_PAGE - w->shift;
    struct snapfile_run *last = w->head.run_count > w->first_run ? &w->runs[w->head.run_count - 1]
                                                                 : NULL;

    (void)bytes;
    w->head.page_count++;
    if (!last || last->address + last->size != address)
        return add_run(w, address);
    last->size += HL_PAGE;
    return true;
}

/* By address, as the regions are. */
static void sort_mapped(struct writer *w)
{
    const struct mappings *mappings = w->snapshot->content->mappings;
    uint32_t count = 0, i, k;

    for (i = 0; mappings && i < MAPPINGS_MAX; i++) {
        if (!mappings->at[i].is)
            continue;
        for (k = count++; k && w->mapped[k - 1]->is->address > mappings->at[i].is->address; k--)
            w->mapped[k] = w->mapped[k - 1];
        w->mapped[k] = &mappings->at[i];
    }
    w->head.mapped_count = count;
}

/* What the guest has written, else what the file has. */
static hl_status read_mapped(const struct mapping_state *state, uint64_t number, uint8_t *page,
                             hl_error *err)
{
    const uint8_t *written = tree_find(state->tree, mapping_height(state->is), number);

    if (!written)
        return mapping_read(state->is, page, HL_PAGE, number * HL_PAGE, err);
    memcpy(page, written, HL_PAGE);
    return HL_OK;
}

static hl_status list_mapped(struct writer *w, const struct mapping_state *state)
{
    const uint64_t first = state->is->address / HL_PAGE;
    _Alignas(32) uint8_t page[HL_PAGE];
    hl_status status;
    uint64_t i;

    w->shift = 0;
    w->first_run = w->head.run_count;
    for (i = 0; i < state->is->size / HL_PAGE; i++) {
        status = read_mapped(state, i, page, w->err);
        if (status)
            return status;
        if (!page_is_zero(page) && !list_page(w, first + i, page))
            return no_memory(w);
    }
    return HL_OK;
}

static hl_status list_all_mapped(struct writer *w, struct snapfile_region *region)
{
    hl_status status = HL_OK;
    const struct mapping *is;
    uint32_t i;

    sort_mapped(w);
    for (i = 0; !status && i < w->head.mapped_count; i++) {
        is = w->mapped[i]->is;
        region[i] = (struct snapfile_region){is->address, is->size, SNAPFILE_MAPPED,
                                             HL_READ | (is->writable ? HL_WRITE : 0)};
        status = list_mapped(w, w->mapped[i]);
    }
    return status;
}

static hl_status list_pages(struct writer *w)
{
    const uint32_t count = snapfile_regions(w->regions, w->image, w->layout);
    const struct snapfile_region *region;
    uint64_t gpa;
    uint32_t i;

    for (i = 0; i < count; i++) {
        region = &w->regions[i];
        if (!snapfile_holds_pages(region->kind))
            continue;
        gpa = snapfile_gpa(w->image, w->layout, region->address);
        w->shift = gpa - region->address;
        w->first_run = w->head.run_count;
        if (!content_each(w->snapshot->content, gpa / HL_PAGE, (gpa + region->size) / HL_PAGE,
                          list_page, w))
            return no_memory(w);
    }
    return list_all_mapped(w, w->regions + count);
}

/* ---- Names and signatures --------------------------------------------------------- */

/* Appends both texts at *to unless it is NULL; their size. */
static size_t put_function(uint8_t **to, const char *name, const char *signature)
{
    const size_t first = strlen(name) + 1, second = strlen(signature) + 1;

    if (*to) {
        memcpy(*to, name, first);
        memcpy(*to + first, signature, second);
        *to += first + second;
    }
    return first + second;
}

/* All functions; `to` NULL: counts only. */
static size_t put_text(const struct writer *w, uint8_t *to)
{
    const struct added_list *const lists[] = {&w->snapshot->exports, &w->snapshot->imports};
    const struct image *image = w->image;
    const struct image_function *one;
    size_t size = 0;
    uint32_t i, k;

    for (i = 0; i < image->export_count; i++)
        size += put_function(&to, image->exports[i].name,
                             i == image->init       ? "init"
                             : i == image->fallback ? "fallback"
                                                    : image->exports[i].signature_text);
    for (i = 0; i < image->import_count; i++)
        size += put_function(&to, image->imports[i].name, image->imports[i].signature_text);
    for (k = 0; k < 2; k++)
        for (i = 0; i < lists[k]->count; i++) {
            one = &lists[k]->items[i]->function;
            size += put_function(&to, one->name, one->signature_text);
        }
    return size;
}

/* ---- Header and tables ------------------------------------------------------------- */

static void fill_header(struct writer *w)
{
    const hl_snapshot *snapshot = w->snapshot;
    const struct sizes *sizes = &snapshot->kind.shape->sizes;
    struct snapfile_header *head = &w->head;

    memcpy(head->magic, SNAPFILE_MAGIC, sizeof head->magic);
    head->byte_order = SNAPFILE_ORDER;
    head->version = SNAPFILE_VERSION;
    head->kind = snapfile_kind(snapshot->kind.hv);
    head->machine = SNAPFILE_X86_64;
    head->abi = w->image->abi;
    head->flags = snapshot->kind.avx ? SNAPFILE_AVX : 0;
    head->features = x86_features(snapshot->kind.avx || head->kind == SNAPFILE_PROCESS);
    x86_vendor((char *)head->vendor);
    head->rsp = snapshot->park.rsp;
    head->init_size = sizes->init_data;
    head->call_depth = (uint32_t)sizes->call_depth;
    head->map_size = sizes->map;
    head->segment_count = w->image->segment_count;
    head->export_count = w->image->export_count;
    head->import_count = w->image->import_count;
    head->added_export_count = snapshot->exports.count;
    head->added_import_count = snapshot->imports.count;
    head->text_size = (uint32_t)put_text(w, NULL);
    snapfile_places(&w->places, head);
    head->file_size = w->places.end;
}

static hl_status make_block(struct writer *w)
{
    fill_header(w);
    w->block = calloc(1, w->places.data);
    if (!w->block)
        return no_memory(w);
    memcpy(w->block + w->places.regions, w->regions, w->places.region_count * sizeof *w->regions);
    if (w->head.run_count)
        memcpy(w->block + w->places.runs, w->runs, w->head.run_count * sizeof *w->runs);
    put_text(w, w->block + w->places.text);
    return HL_OK;
}

/* All chunks have their sums. */
static hl_status write_block(struct writer *w)
{
    struct snapfile_header *head = &w->head;

    head->tables_checksum = crc32c(0, w->block + sizeof *head,
                                   (size_t)(w->places.data - sizeof *head));
    head->header_checksum = crc32c(0, head, offsetof(struct snapfile_header, header_checksum));
    memcpy(w->block, head, sizeof *head);
    return os_new_file_write(&w->file, w->block, (size_t)w->places.data, 0, w->err);
}

/* ---- Pages --------------------------------------------------------------------------- */

struct chunk { /* page data on its way */
    uint8_t *bytes;
    size_t size;
    uint64_t number;
};

static hl_status write_chunk(struct writer *w, struct chunk *chunk)
{
    const uint32_t sum = crc32c(0, chunk->bytes, chunk->size);
    const uint64_t at = w->places.data + chunk->number * SNAPFILE_CHUNK;
    const size_t size = chunk->size;

    memcpy(w->block + w->places.checksums + chunk->number * sizeof sum, &sum, sizeof sum);
    chunk->size = 0;
    chunk->number++;
    return os_new_file_write(&w->file, chunk->bytes, size, at, w->err);
}

static hl_status read_page(const struct writer *w, uint64_t address, uint8_t *page)
{
    uint32_t i;

    if (address < w->layout->map_address) {
        memcpy(
            page,
            content_at(w->snapshot->content, snapfile_gpa(w->image, w->layout, address) / HL_PAGE),
            HL_PAGE);
        return HL_OK;
    }
    for (i = w->head.mapped_count - 1; w->mapped[i]->is->address > address; i--)
        ;
    return read_mapped(w->mapped[i], (address - w->mapped[i]->is->address) / HL_PAGE, page, w->err);
}

static hl_status write_run(struct writer *w, const struct snapfile_run *run, struct chunk *chunk)
{
    hl_status status = HL_OK;
    uint64_t done;

    for (done = 0; !status && done < run->size; done += HL_PAGE) {
        status = read_page(w, run->address + done, chunk->bytes + chunk->size);
        if (status)
            break;
        chunk->size += HL_PAGE;
        if (chunk->size == SNAPFILE_CHUNK)
            status = write_chunk(w, chunk);
    }
    return status;
}

static hl_status write_pages(struct writer *w)
{
    struct chunk chunk = {malloc(SNAPFILE_CHUNK), 0, 0};
    hl_status status = chunk.bytes ? HL_OK : no_memory(w);
    uint32_t i;

    for (i = 0; !status && i < w->head.run_count; i++)
        status = write_run(w, &w->runs[i], &chunk);
    if (!status && chunk.size)
        status = write_chunk(w, &chunk);
    free(chunk.bytes);
    return status;
}

static hl_status write_all(struct writer *w)
{
    hl_status status = list_pages(w);

    if (!status)
        status = make_block(w);
    if (!status)
        status = write_pages(w);
    if (!status)
        status = write_block(w);
    return status;
}

hl_status hl_snapshot_save(const hl_snapshot *snapshot, const char *path, hl_error *err)
{
    hl_error local;
    struct writer w = {.snapshot = snapshot, .err = err ? err : &local};
    hl_status status;

    if (!snapshot || !path)
        return error_set(err, HL_E_INVALID, "hl_snapshot_save: %s is NULL",
                         snapshot ? "path" : "snapshot");
    w.image = &snapshot->guest->image;
    w.layout = &snapshot->kind.shape->layout;
    status = os_new_file_create(&w.file, path, w.err);
    if (status)
        return status;
    status = write_all(&w);
    if (status)
        os_new_file_discard(&w.file);
    else
        status = os_new_file_commit(&w.file, path, w.err);
    free(w.runs);
    free(w.block);
    return status ? error_within(w.err, path) : error_none(err);
}
