/* SPDX-License-Identifier: Apache-2.0 */
/* Writes a content out as one base, so that VMs can have views of all of it. */
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "../shared/abi.h"
#include "content.h"

enum { SMALL = 512 }; /* pages of a tree: fewer are copied, being the ones written again */

struct extents { /* of the pages that are not zero */
    struct base_run *list;
    uint32_t count, room;
};

static bool add_page(void *ctx, uint64_t number, const uint8_t *bytes)
{
    struct extents *extents = ctx;
    struct base_run *last = extents->count ? &extents->list[extents->count - 1] : NULL, *list;

    (void)bytes;
    if (last && last->gpa + last->size == number * HL_PAGE) {
        last->size += HL_PAGE;
        return true;
    }
    if (extents->count == extents->room) {
        extents->room = extents->room ? 2 * extents->room : 64;
        list = realloc(extents->list, extents->room * sizeof *list);
        if (!list)
            return false;
        extents->list = list;
    }
    assert(extents->list);
    extents->list[extents->count++] = (struct base_run){number * HL_PAGE, HL_PAGE, 0};
    return true;
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

/* For views alone: the host reads the content itself, so nothing is mapped here. */
static struct base *flatten(const struct content *content)
{
    struct extents extents = {NULL, 0, 0};
    struct base *base = calloc(1, sizeof *base);

    if (!base)
        return NULL;
    atomic_init(&base->count, 1);
    base->share = OS_SHARE_NONE;
    base->owned = true;
    if (!content_each(content, 0, UINT64_MAX, add_page, &extents) || !extents.count) {
        free(extents.list);
    } else if (!write_extents(base, base_plan(base, extents.list, extents.count, 0), content)) {
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
    *whole = flat != NULL;
    return flat ? flat : content->base;
}
