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

static hl_status occupy(struct vm_mapped *mapped, const struct mapping *mapping, hl_error *err)
{
    mapping_retain(mapping);
    mapped->is = mapping;
    if (mapping->writable && !dirty_init(&mapped->dirty, mapping->size / HL_PAGE, true))
        return error_set(err, HL_E_MEMORY, "no memory for a mapping");
    return HL_OK;
}

/* The host's view of it. */
static hl_status view(struct vm_mapped *mapped, const struct mapping *mapping, hl_error *err)
{
    hl_status status;

    mapped->memory = mapping->data;
    if (mapping->data)
        return HL_OK;
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

static hl_status show(struct vm *vm, uint32_t place, hl_error *err)
{
    struct vm_mapped *mapped = &vm->mapped[place];
    const struct mapping *is = mapped->is;
    struct hv_map map = {layout_gpa(is->address), is->size, NULL, is->writable};
    hl_status status = view(mapped, is, err);

    map.memory = mapped->memory;
    if (!status)
        status = vm->kind.hv->map(vm->machine, place, &map, err);
    if (!status)
        link_tables(vm, place, is);
    return status;
}

static hl_status hide(struct vm *vm, uint32_t place, hl_error *err)
{
    const struct mapping *is = vm->mapped[place].is;
    hl_status status;

    system_unlink(vm->memory.base, vm->kind.shape->bytes, is->address, is->size);
    status = vm->kind.hv->unmap(vm->machine, place, err);
    vm->lost |= status != HL_OK;
    return status;
}

/* Where the backend renews, memory has it when it begins anew. */
static hl_status add(struct vm *vm, uint32_t place, const struct mapping *mapping, hl_error *err)
{
    hl_status status;

    if (!vm->mapped)
        vm->mapped = calloc(MAPPINGS_MAX, sizeof *vm->mapped);
    if (!vm->mapped)
        return error_set(err, HL_E_MEMORY, "no memory for mappings");
    status = occupy(&vm->mapped[place], mapping, err);
    if (!status && !vm->kind.hv->renew)
        status = show(vm, place, err);
    if (status)
        free_place(&vm->mapped[place]);
    return status;
}

static hl_status take_away(struct vm *vm, uint32_t place, hl_error *err)
{
    hl_status status = vm->kind.hv->renew ? HL_OK : hide(vm, place, err);

    if (!status)
        free_place(&vm->mapped[place]);
    return status;
}

hl_status vm_map(struct vm *vm, uint32_t place, const struct mapping *mapping, hl_error *err)
{
    hl_status status;

    if (!vm->kind.hv->map && !vm->kind.hv->renew)
        return error_set(err, HL_E_UNSUPPORTED, "%s cannot map files and buffers into guests",
                         vm->kind.hv->name);
    status = vm_withdraw(vm, err);
    if (!status)
        status = add(vm, place, mapping, err);
    if (status)
        return status;
    status = vm_anew(vm, err);
    if (!status)
        return HL_OK;
    free_place(&vm->mapped[place]);
    vm->lost = vm_anew(vm, NULL) != HL_OK;
    return status;
}

hl_status vm_unmap(struct vm *vm, uint32_t place, hl_error *err)
{
    hl_status status = vm_withdraw(vm, err);

    if (status)
        return status;
    status = take_away(vm, place, err);
    if (!status)
        status = vm_anew(vm, err);
    vm->lost |= status != HL_OK;
    return status;
}

hl_status vm_unmap_all(struct vm *vm, hl_error *err)
{
    hl_status status = HL_OK;
    uint32_t i;

    for (i = 0; !status && vm->mapped && i < MAPPINGS_MAX; i++)
        if (vm->mapped[i].is)
            status = take_away(vm, i, err);
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

uint64_t vm_map_dirty(const struct vm *vm)
{
    uint64_t count = 0;
    uint32_t i;

    for (i = 0; vm->mapped && i < MAPPINGS_MAX; i++)
        count += vm->mapped[i].dirty.count;
    return count;
}

struct put {
    struct vm *vm;
    const struct vm_mapped *mapped;
    hl_status status;
    hl_error *err;
};

static hl_status load_page(const struct put *put, uint64_t number, const uint8_t *page)
{
    const struct mapping *is = put->mapped->is;
    const uint64_t first = layout_gpa(is->address) / HL_PAGE;
    uint8_t original[HL_PAGE];
    hl_status status;

    if (!page) {
        status = mapping_read(is, original, HL_PAGE, number * HL_PAGE, put->err);
        if (status)
            return status;
        page = original;
    }
    return put->vm->kind.hv->load(put->vm->machine, first + number, page, put->err);
}

/* NULL: what the file has shows again. */
static void put_page(void *ctx, uint64_t number, const uint8_t *page)
{
    struct put *put = ctx;
    uint8_t *at = put->mapped->memory;

    if (put->status)
        return;
    if (!at)
        put->status = load_page(put, number, page);
    else if (page)
        put->status = os_poke(at + number * HL_PAGE, page, HL_PAGE, put->err);
    else
        put->status = os_discard(at + number * HL_PAGE, HL_PAGE, put->err);
}

static hl_status put_pages(struct vm *vm, const struct vm_mapped *mapped,
                           const struct tree_node *from, const struct tree_node *to,
                           uint32_t *stale, hl_error *err)
{
    const uint32_t height = mapping_height(mapped->is);
    struct put put = {vm, mapped, HL_OK, err};
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
        status = take_away(vm, place, err);
    if (!status && want && !(vm->mapped && vm->mapped[place].is))
        status = add(vm, place, want, err);
    if (status || !want || !want->writable || vm->stained) /* then what is written is no more */
        return status;
    return put_pages(vm, &vm->mapped[place], from, to->mappings->at[place].tree, stale, err);
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

/* ---- Where memory begins anew ------------------------------------------------------------- */

uint32_t vm_map_list(const struct vm *vm, struct hv_view *views, struct hv_region *regions)
{
    const struct mapping *is;
    uint32_t count = 0, i;
    uint64_t gpa;

    for (i = 0; vm->mapped && i < MAPPINGS_MAX; i++) {
        is = vm->mapped[i].is;
        if (!is)
            continue;
        gpa = layout_gpa(is->address);
        views[count] = (struct hv_view){&is->share, is->offset, gpa, is->size};
        regions[count++] = (struct hv_region){
            is->address, gpa, is->size, HL_READ | (is->writable ? HL_WRITE : 0), HV_REGION_MEMORY};
    }
    return count;
}

hl_status vm_map_lay(struct vm *vm, hl_error *err)
{
    struct put put = {vm, NULL, HL_OK, err};
    struct mapping_state state;
    uint32_t i;

    for (i = 0; vm->kind.hv->load && vm->mapped && i < MAPPINGS_MAX; i++) {
        put.mapped = &vm->mapped[i];
        if (!put.mapped->is)
            continue;
        state = mappings_at(vm->content->mappings, i, put.mapped->is);
        tree_diff(NULL, state.tree, mapping_height(state.is), put_page, &put);
    }
    return put.status;
}

/* ---- Freezing ---------------------------------------------------------------------------- */

static hl_status no_memory(hl_error *err)
{
    return error_set(err, HL_E_MEMORY, "no memory for a snapshot of mappings");
}

static hl_status freeze_page(struct mapping_state *state, const struct vm *vm, uint64_t number,
                             const uint8_t *bytes, hl_error *err)
{
    const uint32_t height = mapping_height(state->is);
    const uint8_t *before = tree_find(state->tree, height, number);
    uint8_t *page = pages_new(), original[HL_PAGE];
    hl_status status;
    bool grown;

    if (!page)
        return no_memory(err);
    if (!vm->kind.hv->store) {
        status = os_peek(page, bytes, HL_PAGE, err);
    } else { /* of a backend that may take all pages for dirty */
        memcpy(page, bytes, HL_PAGE);
        status = before ? HL_OK : mapping_read(state->is, original, HL_PAGE, number * HL_PAGE, err);
        before = before ? before : original;
    }
    if (!status && !(before && !memcmp(page, before, HL_PAGE))) {
        if (tree_put(&state->tree, height, number, page, &grown))
            return HL_OK;
        status = no_memory(err);
    }
    pages_release(page);
    return status;
}

static hl_status freeze_place(struct mapping_state *state, struct vm *vm,
                              const struct vm_mapped *mapped, const struct tree_node *before,
                              hl_error *err)
{
    struct vm_group group = {.dirty = &mapped->dirty,
                             .first = layout_gpa(mapped->is->address) / HL_PAGE,
                             .memory = mapped->memory};
    const uint8_t *bytes;
    uint64_t number;
    hl_status status;

    mapping_retain(mapped->is);
    state->is = mapped->is;
    if (!mapped->is->writable)
        return HL_OK;
    state->tree = tree_fork(before, mapping_height(mapped->is));
    if (!state->tree)
        return no_memory(err);
    for (;;) {
        status = vm_group_next(&bytes, &number, &group, vm, err);
        if (!status && bytes)
            status = freeze_page(state, vm, number - group.first, bytes, err);
        if (status || !bytes)
            return status;
    }
}

hl_status vm_map_freeze(struct mappings **out, struct vm *vm, hl_error *err)
{
    const struct tree_node *before;
    struct mappings *mappings = NULL;
    hl_status status = HL_OK;
    uint32_t i;

    *out = NULL;
    for (i = 0; !status && vm->mapped && i < MAPPINGS_MAX; i++) {
        if (!vm->mapped[i].is || vm->mapped[i].is->data) /* buffers are no part of contents */
            continue;
        if (!mappings)
            mappings = mappings_new();
        before = mappings_at(vm->content->mappings, i, vm->mapped[i].is).tree;
        status = mappings ? freeze_place(&mappings->at[i], vm, &vm->mapped[i], before, err)
                          : no_memory(err);
    }
    if (status)
        mappings_release(mappings);
    else
        *out = mappings;
    return status;
}
