/* SPDX-License-Identifier: Apache-2.0 */
/* Contents: made from an image, derived from each other. */
#include "content.h"

#include <stdlib.h>

#include "error.h"
#include "page_copy.h"
#include "pages.h"
#include "../shared/hot.h"

void base_retain(struct base *base)
{
    atomic_fetch_add(&base->count, 1);
}

void base_release(struct base *base)
{
    if (!base || atomic_fetch_sub(&base->count, 1) != 1)
        return;
    if (base->owned) {
        os_unmap(base->bytes, base->share.size);
        os_share_close(&base->share);
    }
    free((void *)(uintptr_t)base->extents);
    free(base);
}

static struct content *shared(const struct content *content)
{
    return (struct content *)(uintptr_t)content;
}

static struct content *make(struct base *base, struct tree_node *tree, uint32_t height)
{
    struct content *content = calloc(1, sizeof *content);

    if (!content)
        return NULL;
    atomic_init(&content->count, 1);
    base_retain(base);
    content->base = base;
    content->tree = tree;
    content->height = height;
    return content;
}

static void stay(struct base_run *run, uint64_t gpa)
{
    run->offset = run->gpa - gpa;
}

/* Views of what was written, where it lies in the share. The rest of it, .bss,
 * would be holes that whoever touches them fills for good. */
static bool plan_written(struct base *base, uint64_t gpa)
{
    struct base_extents written = {NULL, 0, 0};
    uint64_t at, end;
    uint32_t i;

    for (at = 0; os_share_written(&base->share, &at, &end); at = end)
        if (!base_extents_add(&written, gpa + at, end - at)) {
            free(written.list);
            return false;
        }
    if (written.count)
        base_plan(base, written.list, written.count, 0);
    for (i = 0; i < base->run_count; i++)
        stay(&base->runs[i], gpa);
    for (i = 0; i < written.count; i++)
        stay(&written.list[i], gpa);
    return true;
}

hl_status content_create(struct content **out, const os_share *share, const uint8_t *bytes,
                         uint64_t gpa, uint64_t memory_size, hl_error *err)
{
    struct base *base = calloc(1, sizeof *base);

    *out = NULL;
    if (base) {
        atomic_init(&base->count, 1);
        base->share = *share;
        base->bytes = bytes;
        if (plan_written(base, gpa))
            *out = make(base, NULL, tree_height(memory_size / HL_PAGE));
        base_release(base);
    }
    return *out ? HL_OK : error_set(err, HL_E_MEMORY, "no memory for a guest's contents");
}

hl_status content_adopt(struct content **out, const struct base *from, uint64_t memory_size,
                        hl_error *err)
{
    struct base *base = calloc(1, sizeof *base), loose = *from;
    hl_status status = HL_OK;

    *out = NULL;
    if (!base) {
        os_share_close(&loose.share);
        free((void *)(uintptr_t)loose.extents);
        return error_set(err, HL_E_MEMORY, "no memory for a guest's contents");
    }
    *base = *from;
    atomic_init(&base->count, 1);
    base->owned = true;
    base->bytes = NULL;
    status = os_share_map(&base->bytes, &base->share, err);
    if (!status) {
        *out = make(base, NULL, tree_height(memory_size / HL_PAGE));
        if (!*out)
            status = error_set(err, HL_E_MEMORY, "no memory for a guest's contents");
    }
    if (!status && base_is_sparse(base))
        status = content_scatter(out, memory_size, err);
    base_release(base);
    if (status) {
        content_release(*out);
        *out = NULL;
    }
    return status;
}

static void release_pages(const struct content_page pages[], uint32_t count)
{
    uint32_t i;

    for (i = 0; i < count; i++)
        pages_release(pages[i].bytes);
}

static bool put_all(struct content *content, const struct content_page pages[], uint32_t count)
{
    uint32_t i;
    bool grown;

    for (i = 0; i < count; i++) {
        if (!tree_put(&content->tree, content->height, pages[i].number, pages[i].bytes, &grown)) {
            release_pages(pages + i, count - i);
            return false;
        }
        content->pages += grown;
    }
    return true;
}

hl_status content_derive(struct content **out, const struct content *from,
                         const struct content_page pages[], uint32_t count, hl_error *err)
{
    struct base *flat = atomic_load(&shared(from)->flat);
    const bool large = flat && flat != from->base; /* then it begins with what was written out */
    struct tree_node *tree = tree_fork(large ? NULL : from->tree, from->height);
    struct content *content = tree ? make(large ? flat : from->base, tree, from->height) : NULL;

    *out = NULL;
    if (!content) {
        tree_release(tree, from->height);
        release_pages(pages, count);
    } else {
        content->pages = large ? 0 : from->pages;
        if (put_all(content, pages, count))
            *out = content;
        else
            content_release(content);
    }
    return *out ? HL_OK : error_set(err, HL_E_MEMORY, "no memory for a guest's contents");
}

/* What was derived from a content that had been written out begins there. */
HL__HOT bool content_relate(const struct tree_node *trees[2], const struct content *a,
                            const struct content *b)
{
    trees[0] = a->tree;
    trees[1] = b->tree;
    if (a->base == b->base)
        return true;
    if (atomic_load(&shared(a)->flat) == b->base)
        trees[0] = NULL;
    else if (atomic_load(&shared(b)->flat) == a->base)
        trees[1] = NULL;
    else
        return false;
    return true;
}

void content_set_mappings(struct content *content, struct mappings *mappings)
{
    mappings_release(content->mappings);
    content->mappings = mappings;
}

void content_retain(const struct content *content)
{
    atomic_fetch_add_explicit(&shared(content)->count, 1, memory_order_relaxed);
}

void content_release(const struct content *content)
{
    if (!content || atomic_fetch_sub(&shared(content)->count, 1) != 1)
        return;
    tree_release(content->tree, content->height);
    base_release(content->base);
    base_release(atomic_load(&content->flat));
    mappings_release(content->mappings);
    free(shared(content));
}

/* ---- Reading --------------------------------------------------------------------- */

/* The first extent that ends behind a guest-physical address; extent_count if none. */
static uint32_t extent_from(const struct base *base, uint64_t gpa)
{
    uint32_t low = 0, high = base->extent_count, middle;

    while (low < high) {
        middle = low + (high - low) / 2;
        if (gpa - base->extents[middle].gpa < base->extents[middle].size ||
            gpa < base->extents[middle].gpa)
            high = middle;
        else
            low = middle + 1;
    }
    return low;
}

HL__HOT const uint8_t *content_base_at(const struct content *content, uint64_t number)
{
    const struct base *base = content->base;
    const uint64_t gpa = number * HL_PAGE;
    const uint32_t i = extent_from(base, gpa);

    if (i == base->extent_count || gpa < base->extents[i].gpa)
        return pages_zero;
    return base->bytes + base->extents[i].offset + (gpa - base->extents[i].gpa);
}

HL__HOT const uint8_t *content_at(const struct content *content, uint64_t number)
{
    const uint8_t *page = tree_find(content->tree, content->height, number);

    return page ? page : content_base_at(content, number);
}

/* The lowest page number from `at` on that the base has; UINT64_MAX: none. */
static uint64_t base_next(const struct base *base, uint64_t at)
{
    const uint32_t i = extent_from(base, at * HL_PAGE);
    uint64_t start;

    if (i == base->extent_count)
        return UINT64_MAX;
    start = base->extents[i].gpa / HL_PAGE;
    return start > at ? start : at;
}

bool content_each(const struct content *content, uint64_t first, uint64_t end, content_fn fn,
                  void *ctx)
{
    uint64_t at, below, above = 0;
    const uint8_t *page, *changed = NULL;
    bool looked = false; /* `changed` and `above` are the tree's next from `at` on */

    for (at = first; at < end; at++) {
        if (!looked || above < at)
            changed = tree_next(&above, content->tree, content->height, at);
        looked = true;
        if (!changed)
            above = UINT64_MAX;
        below = base_next(content->base, at);
        at = above < below ? above : below;
        if (at >= end)
            break;
        page = at == above ? changed : content_base_at(content, at);
        if (!page_is_zero(page) && !fn(ctx, at, page))
            return false;
    }
    return true;
}
