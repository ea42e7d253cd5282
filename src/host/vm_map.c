/* SPDX-License-Identifier: Apache-2.0 */
/* Files and buffers in a VM: mapped, put back, frozen, taken away. */
#include "vm_map.h"

#include <stdlib.h>
#include <string.h>

#include "arch/x86_64/system.h"
#include "error.h"
#include "pages.h"

/* ---- One place ---------------------------------------------------------------------- */

static void free_place(struct vm_mapped *mapped)
{
    if (mapped->is && !mapped->is->data)
        os_release(mapped->memory, mapped->is->size);
    dirty_free(&mapped->dirty);
    mapping_release(mapped->is);
    memset(mapped, 0, sizeof *mapped);
}

/* The host's view of it. */
static hl_status view(struct vm_mapped *mapped, const struct mapping *mapping, hl_error *err)
{
    hl_status status;

    mapping_retain(mapping);
    mapped->is = mapping;
    mapped->memory = mapping->data;
    if (mapping->data)
        return HL_OK;
    if (mapping->writable && !dirty_init(&mapped->dirty, mapping->size / HL_PAGE, true))
        return error_set(err, HL_E_MEMORY, "no memory for a mapping");
    status = os_reserve(&mapped->memory, mapping->size, err);
    if (!status)
        status = os_view_file(mapped->memory, &mapping->file, mapping->offset, mapping->size,
                              mapping->writable, err);
    return status;
}

/* First the tables, then the memory: only then does the processor forget. */
static void link_tables(struct vm *vm, uint32_t place, const struct mapping *mapping)
{
    const struct shape *shape = vm->kind.shape;

    system_link(vm->memory.base, shape->bytes, mapping->address, mapping->size,
                HL_READ | (mapping->writable ? HL_WRITE : 0),
                shape->tails + (uint64_t)place * HL_PAGE);
}

hl_status vm_map(struct vm *vm, uint32_t place, const struct mapping *mapping, hl_error *err)
{
    struct hv_map map = {layout_gpa(mapping->address), mapping->size, NULL, mapping->writable};
    struct vm_mapped *mapped;
    hl_status status;

    if (!vm->kind.hv->map)
        return error_set(err, HL_E_UNSUPPORTED, "%s cannot map files and buffers into guests",
                         vm->kind.hv->name);
    if (!vm->mapped)
        vm->mapped = calloc(MAPPINGS_MAX, sizeof *vm->mapped);
    if (!vm->mapped)
        return error_set(err, HL_E_MEMORY, "no memory for mappings");
    mapped = &vm->mapped[place];
    status = view(mapped, mapping, err);
    map.memory = mapped->memory;
    if (!status)
        status = vm->kind.hv->map(vm->machine, place, &map, err);
    if (status)
        free_place(mapped);
    else
        link_tables(vm, place, mapping);
    return status;
}

hl_status vm_unmap(struct vm *vm, uint32_t place, hl_error *err)
{
    struct vm_mapped *mapped = &vm->mapped[place];
    hl_status status;

    system_unlink(vm->memory.base, vm->kind.shape->bytes, mapped->is->address, mapped->is->size);
    status = vm->kind.hv->unmap(vm->machine, place, err);
    if (status)
        vm->lost = true;
    else
        free_place(mapped);
    return status;
}

hl_status vm_unmap_all(struct vm *vm, hl_error *err)
{
    hl_status status = HL_OK;
    uint32_t i;

    for (i = 0; !status && vm->mapped && i < MAPPINGS_MAX; i++)
        if (vm->mapped[i].is)
            status = vm_unmap(vm, i, err);
    return status;
}

void vm_map_free(struct vm *vm)
{
    uint32_t i;

    for (i = 0; vm->mapped && i < MAPPINGS_MAX; i++)
        free_place(&vm->mapped[i]);
    free(vm->mapped);
}

/* ---- What the guest wrote -------------------------------------------------------------- */

void vm_map_note(struct vm *vm, uint64_t number)
{
    uint64_t first;
    uint32_t i;

    for (i = 0; vm->mapped && i < MAPPINGS_MAX; i++) {
        if (!vm->mapped[i].is || !vm->mapped[i].is->writable)
            continue;
        first = layout_gpa(vm->mapped[i].is->address) / HL_PAGE;
        if (number >= first)
            dirty_add(&vm->mapped[i].dirty, number - first);
    }
}

void vm_map_forget(struct vm *vm)
{
    uint32_t i;

    for (i = 0; vm->mapped && i < MAPPINGS_MAX; i++)
        if (vm->mapped[i].is && vm->mapped[i].is->writable)
            dirty_clear(&vm->mapped[i].dirty);
}

struct put {
    struct vm_mapped *mapped;
    hl_status status;
    hl_error *err;
};

/* NULL: what the file has shows again. */
static void put_page(void *ctx, uint64_t number, const uint8_t *page)
{
    struct put *put = ctx;
    uint8_t *at = put->mapped->memory + number * HL_PAGE;

    if (!put->status)
        put->status = page ? os_poke(at, page, HL_PAGE, put->err)
                           : os_discard(at, HL_PAGE, put->err);
}

static hl_status put_pages(struct vm_mapped *mapped, const struct tree_node *from,
                           const struct tree_node *to, uint32_t *stale, hl_error *err)
{
    const uint32_t height = mapping_height(mapped->is);
    struct put put = {mapped, HL_OK, err};
    uint64_t at = 0, number;

    while (!put.status && dirty_next(&mapped->dirty, &at, &number)) {
        put_page(&put, number, tree_find(to, height, number));
        ++*stale;
    }
    tree_diff(from, to, height, put_page, &put);
    return put.status;
}

static hl_status put_place(struct vm *vm, uint32_t place, const struct mapping *want,
                           const struct content *to, uint32_t *stale, hl_error *err)
{
    const struct tree_node *from = NULL;
    hl_status status = HL_OK;

    if (vm->mapped && vm->mapped[place].is == want)
        from = mappings_at(vm->content->mappings, place, want).tree;
    else if (vm->mapped && vm->mapped[place].is)
        status = vm_unmap(vm, place, err);
    if (!status && want && !(vm->mapped && vm->mapped[place].is))
        status = vm_map(vm, place, want, err);
    if (status || !want || !want->writable)
        return status;
    return put_pages(&vm->mapped[place], from, to->mappings->at[place].tree, stale, err);
}

hl_status vm_map_put(struct vm *vm, const struct content *to, uint32_t *stale, hl_error *err)
{
    const struct mappings *mappings = to->mappings;
    hl_status status = HL_OK;
    uint32_t i;

    if (!vm->mapped && !mappings)
        return HL_OK;
    for (i = 0; !status && i < MAPPINGS_MAX; i++)
        status = put_place(vm, i, mappings ? mappings->at[i].is : NULL, to, stale, err);
    return status;
}

/* ---- Freezing ---------------------------------------------------------------------------- */

static hl_status no_memory(hl_error *err)
{
    return error_set(err, HL_E_MEMORY, "no memory for a snapshot of mappings");
}

static hl_status freeze_page(struct mapping_state *state, const struct vm_mapped *mapped,
                             uint64_t number, hl_error *err)
{
    const uint32_t height = mapping_height(state->is);
    const uint8_t *before = tree_find(state->tree, height, number);
    uint8_t *page = pages_new();
    hl_status status;
    bool grown;

    if (!page)
        return no_memory(err);
    status = os_peek(page, mapped->memory + number * HL_PAGE, HL_PAGE, err);
    if (!status && !(before && !memcmp(page, before, HL_PAGE))) {
        if (tree_put(&state->tree, height, number, page, &grown))
            return HL_OK;
        status = no_memory(err);
    }
    pages_release(page);
    return status;
}

static hl_status freeze_place(struct mapping_state *state, const struct vm_mapped *mapped,
                              const struct tree_node *before, hl_error *err)
{
    uint64_t at = 0, number;
    hl_status status = HL_OK;

    mapping_retain(mapped->is);
    state->is = mapped->is;
    if (!mapped->is->writable)
        return HL_OK;
    state->tree = tree_fork(before, mapping_height(mapped->is));
    if (!state->tree)
        return no_memory(err);
    while (!status && dirty_next(&mapped->dirty, &at, &number))
        status = freeze_page(state, mapped, number, err);
    return status;
}

hl_status vm_map_freeze(struct mappings **out, struct vm *vm, hl_error *err)
{
    const struct tree_node *before;
    struct mappings *mappings = NULL;
    hl_status status = HL_OK;
    uint32_t i;

    *out = NULL;
    for (i = 0; !status && vm->mapped && i < MAPPINGS_MAX; i++) {
        if (!vm->mapped[i].is)
            continue;
        if (!mappings)
            mappings = mappings_new();
        before = mappings_at(vm->content->mappings, i, vm->mapped[i].is).tree;
        status = mappings ? freeze_place(&mappings->at[i], &vm->mapped[i], before, err)
                          : no_memory(err);
    }
    if (status)
        mappings_release(mappings);
    else
        *out = mappings;
    return status;
}
