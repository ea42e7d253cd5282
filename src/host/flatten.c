/* SPDX-License-Identifier: Apache-2.0 */
/* Writes a content out as one base, so that VMs can have views of all of it, or
 * puts it into a tree. */
#include <stdlib.h>
#include <string.h>

#include "../shared/abi.h"
#include "content.h"
#include "error.h"
#include "pages.h"

enum { SMALL = 512 }; /* pages of a tree: fewer are copied, being the ones written again */

static bool add_page(void *ctx, uint64_t number, const uint8_t *bytes)
{
    (void)bytes;
    return base_extents_add(ctx, number * HL_PAGE, HL_PAGE);
}

static hl_status write_extents(struct base *base, uint64_t size, const struct content *content)
{
    const struct base_run *extent;
    uint8_t *bytes;
    uint64_t done;
    uint32_t i;
    hl_status status = os_share_create(&base->share, &bytes, size, NULL);

    if (status)
        return status;
    for (i = 0; i < base->extent_count; i++) {
        extent = &base->extents[i];
        for (done = 0; done < extent->size; done += HL_PAGE)
            memcpy(bytes + extent->offset + done,
                   content_at(content, (extent->gpa + done) / HL_PAGE), HL_PAGE);
    }
    return os_share_seal(&base->share, bytes, NULL);
}

static hl_status write_out(struct base *base, uint64_t size, const struct content *content)
{
    hl_status status = write_extents(base, size, content);

    return status ? status : os_share_map(&base->bytes, &base->share, NULL);
}

/* The content's own base if the other one would be sparse. */
static struct base *flatten(const struct content *content)
{
    struct base_extents extents = {NULL, 0, 0};
    struct base *base = calloc(1, sizeof *base);
    uint64_t size;

    if (!base)
        return NULL;
    atomic_init(&base->count, 1);
    base->share = OS_SHARE_NONE;
    base->owned = true;
    if (!content_each(content, 0, UINT64_MAX, add_page, &extents) || !extents.count) {
        free(extents.list);
    } else {
        size = base_plan(base, extents.list, extents.count, 0);
        if (base_is_sparse(base)) {
            base_release(base);
            base_retain(content->base);
            return content->base;
        }
        if (!write_out(base, size, content))
            return base;
    }
    base_release(base);
    return NULL;
}

/* If that fails, views of the base and a copy of the tree do as well. */
struct base *content_view(const struct content *content, bool *whole)
{
    struct content *mine = (struct content *)(uintptr_t)content;
    struct base *flat = atomic_load(&mine->flat), *none = NULL;

    if (!flat && content->pages > SMALL) {
        flat = flatten(content);
        if (flat && !atomic_compare_exchange_strong(&mine->flat, &none, flat)) {
            base_release(flat);
            flat = none;
        }
    }
    *whole = flat && flat != content->base;
    return flat ? flat : content->base;
}

/* ---- The other way ------------------------------------------------------------------ */

struct copies {
    struct content_page *pages;
    uint32_t count;
};

static bool copy_page(void *ctx, uint64_t number, const uint8_t *bytes)
{
    struct copies *copies = ctx;
    uint8_t *page = pages_new();

    if (!page)
        return false;
    memcpy(page, bytes, HL_PAGE);
    copies->pages[copies->count++] = (struct content_page){number, page};
    return true;
}

hl_status content_scatter(struct content **content, uint64_t memory_size, hl_error *err)
{
    const struct content *from = *content;
    struct copies copies = {malloc(base_pages(from->base) * sizeof *copies.pages), 0};
    const os_share nothing = OS_SHARE_NONE;
    struct content *empty;
    hl_status status = content_create(&empty, &nothing, NULL, 0, memory_size, err);

    if (status) {
        free(copies.pages);
        return status;
    }
    if (copies.pages && content_each(from, 0, UINT64_MAX, copy_page, &copies)) {
        status = content_derive(content, empty, copies.pages, copies.count, err);
        if (!status)
            content_release(from);
    } else {
        while (copies.count)
            pages_release(copies.pages[--copies.count].bytes);
        status = error_set(err, HL_E_MEMORY, "no memory for pages of a snapshot");
    }
    content_release(empty);
    free(copies.pages);
    return status;
}
