/* SPDX-License-Identifier: Apache-2.0 */
/* Writes a content out as one base, so that VMs can have views of all of it. */
#include <stdlib.h>
#include <string.h>

#include "content.h"
#include "error.h"
#include "pages.h"

enum {
    SMALL = 512,  /* pages of a tree: fewer are copied, being the ones written again */
    GAP_LEAST = 8 /* pages of zeros that do not end a run */
};

struct numbers { /* of the pages that are not zero, ascending */
    uint64_t *list, count;
};

struct walk {
    const struct content *content;
    struct numbers *numbers;
    uint64_t next; /* page of the base that comes next */
    uint32_t extent;
};

/* Pages of the base below `end`. */
static void add_base(struct walk *walk, uint64_t end)
{
    const struct base *base = walk->content->base;
    const struct base_run *run;

    for (; walk->extent < base->extent_count; walk->extent++) {
        run = &base->extents[walk->extent];
        if (walk->next < run->gpa / HL_PAGE)
            walk->next = run->gpa / HL_PAGE;
        for (; walk->next < (run->gpa + run->size) / HL_PAGE; walk->next++) {
            if (walk->next >= end)
                return;
            walk->numbers->list[walk->numbers->count++] = walk->next;
        }
    }
}

static void add_changed(void *ctx, uint64_t number, const uint8_t *page)
{
    struct walk *walk = ctx;

    (void)page;
    add_base(walk, number);
    if (walk->extent < walk->content->base->extent_count && walk->next == number)
        walk->next++; /* the tree's page takes its place */
    walk->numbers->list[walk->numbers->count++] = number;
}

static bool list_pages(struct numbers *out, const struct content *content)
{
    struct walk walk = {content, out, 0, 0};
    uint64_t most = content->pages;
    uint32_t i;

    for (i = 0; i < content->base->extent_count; i++)
        most += content->base->extents[i].size / HL_PAGE;
    out->count = 0;
    out->list = malloc((most + 1) * sizeof *out->list);
    if (!out->list)
        return false;
    tree_diff(NULL, content->tree, content->height, add_changed, &walk);
    add_base(&walk, UINT64_MAX);
    return true;
}

/* Splits the pages where more than `gap` are missing; true if that gives few
 * enough runs. */
static bool split(struct base *base, const struct numbers *numbers, uint64_t gap)
{
    struct base_run *run = NULL;
    uint64_t i, at, offset = 0;

    base->run_count = 0;
    for (i = 0; i < numbers->count; i++) {
        at = numbers->list[i] * HL_PAGE;
        if (!run || at > run->gpa + run->size + gap * HL_PAGE) {
            if (base->run_count == BASE_RUNS_MAX)
                return false;
            offset = run ? run->offset + run->size : 0;
            run = &base->runs[base->run_count++];
            *run = (struct base_run){at, 0, offset};
        }
        run->size = at + HL_PAGE - run->gpa;
    }
    return true;
}

static hl_status write_runs(struct base *base, const struct content *content,
                            const struct numbers *numbers, hl_error *err)
{
    const struct base_run *run = base->runs;
    const uint8_t *from;
    uint8_t *bytes;
    hl_status status;
    uint64_t i, at;

    status = os_share_create(
        &base->share, &bytes,
        base->runs[base->run_count - 1].offset + base->runs[base->run_count - 1].size, err);
    if (status)
        return status;
    for (i = 0; i < numbers->count; i++) {
        at = numbers->list[i] * HL_PAGE;
        while (at >= run->gpa + run->size)
            run++;
        from = content_at(content, numbers->list[i]);
        if (from != pages_zero)
            memcpy(bytes + run->offset + (at - run->gpa), from, HL_PAGE);
    }
    status = os_share_seal(&base->share, bytes, err);
    return status ? status : os_share_map(&base->bytes, &base->share, err);
}

static struct base *flatten(const struct content *content)
{
    struct base *base = calloc(1, sizeof *base);
    struct numbers numbers = {NULL, 0};
    uint64_t gap = GAP_LEAST;

    if (!base)
        return NULL;
    atomic_init(&base->count, 1);
    base->share = OS_SHARE_NONE;
    base->owned = true;
    if (!list_pages(&numbers, content) || !numbers.count)
        goto fail;
    while (!split(base, &numbers, gap))
        gap *= 2;
    if (write_runs(base, content, &numbers, NULL))
        goto fail;
    free(numbers.list);
    return base;
fail:
    free(numbers.list);
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
