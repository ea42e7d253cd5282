/* SPDX-License-Identifier: Apache-2.0 */
/* VMs: made, entered, put back to what a content says. */
#include "vm.h"

#include <assert.h>
#include <stdlib.h>

#include "arch/x86_64/system.h"
#include "error.h"
#include "page_copy.h"
#include "pages.h"
#include "regions.h"
#include "vm_map.h"
#include "../shared/hot.h"

/* Measured on 4 KiB pages: copying one back costs 0.1 us, a write fault 3.5 us
 * and more. So what is hot stays writable and is copied blindly; what went
 * unchanged often enough is protected again. */
enum {
    STALE_MAX = 48,     /* pages of the hot set that a round left unchanged */
    TOUCHED_MAX = 1536, /* pages; beyond that memory is given back; the ring holds more */
    COPY_MAX = 512,     /* pages: another base is copied up to here, else mapped */
    LOAD_MAX = 80       /* pages: as many are loaded, else the VM is renewed */
};
#define MESSAGES_KEEP (1ull << 20) /* bytes of requests that stay in memory */

static uint8_t *page_of(const struct vm *vm, uint64_t number)
{
    return vm->memory.base + number * HL_PAGE;
}

static bool in_area(const struct vm *vm, int area, uint64_t number)
{
    const struct hl_area *in = &vm->memory.layout->areas[area];
    const uint64_t at = number * HL_PAGE - layout_gpa(in->address);

    return at < in->size;
}

/* Messages are the host's to clear: no part of a content. */
static bool is_message(const struct vm *vm, uint64_t number)
{
    return in_area(vm, AREA_REPLIES, number) || in_area(vm, AREA_REQUESTS, number);
}

/* ---- Which pages are dirty ------------------------------------------------------- */

HL__HOT static void note(void *ctx, uint64_t number)
{
    struct vm *vm = ctx;

    if (number < SYSTEM_SIZE / HL_PAGE)
        return; /* the processor's own writes: accessed bits, the vectors' stack */
    if (number >= vm->dirty.page_count)
        vm_map_note(vm, number);
    else if (dirty_add(&vm->dirty, number))
        dirty_add(&vm->touched, number);
}

HL__HOT static hl_status collect(struct vm *vm, hl_error *err)
{
    return vm->kind.hv->dirty(vm->machine, note, vm, err);
}

/* All that is dirty has been put back. */
static hl_status forget(struct vm *vm, hl_error *err)
{
    dirty_clear(&vm->dirty);
    vm_map_forget(vm);
    return vm->kind.hv->forget(vm->machine, err);
}

static hl_status load_all(struct vm *vm, uint64_t at, const uint8_t *from, uint64_t size,
                          hl_error *err)
{
    uint8_t page[HL_PAGE];
    hl_status status = HL_OK;
    uint64_t done, n;

    for (done = 0; !status && done < size; done += n) {
        n = size - done < HL_PAGE ? size - done : HL_PAGE;
        memset(page, 0, sizeof page);
        memcpy(page, from + done, n);
        status = vm->kind.hv->load(vm->machine, (at + done) / HL_PAGE, page, err);
    }
    return status;
}

hl_status vm_write(struct vm *vm, int area, const uint8_t *from, uint64_t size, hl_error *err)
{
    const uint64_t at = layout_gpa(vm->memory.layout->areas[area].address);
    hl_status status = HL_OK;

    if (vm->kind.hv->load)
        status = load_all(vm, at, from, size, err);
    else
        memcpy(vm->memory.base + at, from, size);
    vm_wrote(vm, area, 0, size);
    return status;
}

void vm_wrote(struct vm *vm, int area, uint64_t offset, uint64_t size)
{
    const uint64_t at = layout_gpa(vm->memory.layout->areas[area].address) + offset;
    uint64_t number;

    for (number = at / HL_PAGE; number * HL_PAGE < at + size; number++)
        note(vm, number);
}

/* ---- Putting contents in place ------------------------------------------------------ */

struct copy {
    struct vm *vm;
    const struct content *to;
    hl_status status; /* of loads */
    hl_error *err;
};

static void copy_page(void *ctx, uint64_t number, const uint8_t *page)
{
    struct copy *copy = ctx;
    const struct vm *vm = copy->vm;

    if (!page)
        page = content_at(copy->to, number);
    if (!vm->kind.hv->load)
        page_restore(page_of(vm, number), page);
    else if (!copy->status)
        copy->status = vm->kind.hv->load(vm->machine, number, page, copy->err);
}

/* Copies what a view of the base does not show. */
static hl_status copy_tree(struct vm *vm, const struct content *to, hl_error *err)
{
    struct copy copy = {vm, to, HL_OK, err};

    tree_diff(NULL, to->tree, to->height, copy_page, &copy);
    return copy.status;
}

static hl_status lay_now(struct vm *vm, hl_error *err)
{
    const bool whole = vm->base != vm->content->base; /* what content_view has made */
    hl_status status = whole ? HL_OK : copy_tree(vm, vm->content, err);

    vm->laid = true;
    return status ? status : vm_map_lay(vm, err);
}

static hl_status lay(struct vm *vm, hl_error *err)
{
    return vm->laid ? HL_OK : lay_now(vm, err);
}

void vm_lay(struct vm *vm)
{
    if (lay(vm, NULL))
        vm->lost = true;
}

static void copy_extents(struct vm *vm, const struct base *base, const struct content *to)
{
    uint64_t number;
    uint32_t i;

    for (i = 0; i < base->extent_count; i++)
        for (number = base->extents[i].gpa / HL_PAGE;
             number < (base->extents[i].gpa + base->extents[i].size) / HL_PAGE; number++)
            page_restore(page_of(vm, number), content_at(to, number));
}

/* A page that goes back to the base, or to zero, takes up memory for nothing. */
static void copy_difference(void *ctx, uint64_t number, const uint8_t *page)
{
    struct copy *copy = ctx;

    if (!page)
        dirty_add(&copy->vm->touched, number);
    copy_page(ctx, number, page);
}

/* Pages that the two contents may have different. */
static void copy_differences(struct vm *vm, const struct content *to)
{
    struct copy copy = {vm, to, HL_OK, NULL};
    const struct tree_node *trees[2];
    const bool related = content_relate(trees, vm->content, to);

    tree_diff(trees[0], trees[1], to->height, copy_difference, &copy);
    if (related)
        return;
    copy_extents(vm, vm->content->base, to);
    copy_extents(vm, to->base, to);
}

static void use_base(struct vm *vm, struct base *base)
{
    base_retain(base);
    base_release(vm->base);
    vm->base = base;
}

static hl_status map_base(struct vm *vm, const struct base *from, const struct base *to,
                          hl_error *err)
{
    hl_status status = HL_OK;
    const struct base_run *run;
    uint32_t i;

    for (i = 0; !status && i < from->run_count; i++)
        status = os_clear(vm->memory.base + from->runs[i].gpa, from->runs[i].size, err);
    for (i = 0; !status && i < to->run_count; i++) {
        run = &to->runs[i];
        status = os_view(vm->memory.base + run->gpa, &to->share, run->offset, run->size, err);
        if (!status)
            os_harden(vm->memory.base + run->gpa, run->size);
    }
    return status;
}

/* What a backend is told of a VM with views of this base. */
struct plan {
    struct hv_view views[1 + BASE_RUNS_MAX + MAPPINGS_MAX];
    struct hv_region regions[REGIONS_MAX + MAPPINGS_MAX];
    struct hv_setup setup;
};

static void make_plan(struct plan *out, const struct vm *vm, const struct base *base)
{
    const uint32_t count = regions_list(out->regions, vm->memory.layout, &vm->guest->image);
    uint32_t i, maps;

    out->views[0] = (struct hv_view){&vm->kind.shape->system, 0, 0, SYSTEM_SIZE};
    for (i = 0; i < base->run_count; i++)
        out->views[1 + i] = (struct hv_view){&base->share, base->runs[i].offset, base->runs[i].gpa,
                                             base->runs[i].size};
    maps = vm_map_list(vm, out->views + 1 + base->run_count, out->regions + count);
    out->setup = (struct hv_setup){
        .memory_size = vm->memory.layout->memory_size,
        .views = out->views,
        .view_count = 1 + base->run_count + maps,
        .regions = out->regions,
        .region_count = count + maps,
        .avx = vm->kind.avx,
    };
}

/* Memory is views of the base, and nothing else. */
static hl_status renew(struct vm *vm, struct base *base, hl_error *err)
{
    struct plan plan;
    hl_status status;

    if (!vm->kind.hv->renew) {
        status = os_discard(vm->memory.base + SYSTEM_SIZE,
                            vm->memory.layout->memory_size - SYSTEM_SIZE, err);
        return status || base == vm->base ? status : map_base(vm, vm->base, base, err);
    }
    make_plan(&plan, vm, base);
    return vm->kind.hv->renew(vm->machine, &plan.setup, err);
}

/* Gives all memory back and begins anew with views. */
static hl_status rebuild(struct vm *vm, const struct content *to, hl_error *err)
{
    struct base *base;
    hl_status status;
    bool whole;

    base = content_view(to, &whole);
    status = renew(vm, base, err);
    if (status)
        return status;
    use_base(vm, base);
    if (!whole && !vm->kind.hv->renew) {
        copy_tree(vm, to, NULL);
        whole = true;
    }
    vm->laid = whole && !(vm->mapped && vm->kind.hv->renew); /* loads wait for the next entry */
    dirty_clear(&vm->touched);
    vm->requests_end = 0;
    vm->stained = false;
    return forget(vm, err);
}

static hl_status load_back(struct vm *vm, const struct content *to, hl_error *err)
{
    uint64_t at = 0, number;
    hl_status status = HL_OK;

    while (!status && dirty_next(&vm->dirty, &at, &number))
        status = vm->kind.hv->load(vm->machine, number, content_at(to, number), err);
    return status;
}

/* Copies every dirty page back. */
HL__HOT static hl_status put_back(struct vm *vm, const struct content *to, uint32_t stale,
                                  hl_error *err)
{
    uint64_t at = 0, number;

    if (vm->kind.hv->load)
        return load_back(vm, to, err);

    if (vm->content != to)
        vm_lay(vm);
    while (dirty_next(&vm->dirty, &at, &number)) {
        /* No content has anything where messages are: those become zero. */
        stale += !page_restore(page_of(vm, number), content_at(to, number));
    }
    if (vm->content != to)
        copy_differences(vm, to);
    return stale > STALE_MAX ? forget(vm, err) : HL_OK;
}

/* Pages that differ, counted up to a little more than COPY_MAX. */
static uint64_t distance(const struct content *a, const struct content *b)
{
    const struct tree_node *trees[2];

    if (content_relate(trees, a, b))
        return tree_distance(trees[0], trees[1], a->height, COPY_MAX + 1);
    return a->pages + b->pages + base_pages(a->base) + base_pages(b->base);
}

HL__HOT static bool must_rebuild(const struct vm *vm, const struct content *to)
{
    if (vm->kind.hv->renew)
        return vm->stained || vm->content != to || vm->dirty.count + vm_map_dirty(vm) > LOAD_MAX;
    if (!vm->kind.hv->remaps)
        return false;
    return vm->touched.count > TOUCHED_MAX ||
           (vm->content != to && distance(vm->content, to) > COPY_MAX);
}

HL__HOT static void clear_requests(struct vm *vm)
{
    const struct hl_area *area = &vm->memory.layout->areas[AREA_REQUESTS];
    uint8_t *requests = memory_at(&vm->memory, AREA_REQUESTS, 0, vm->requests_end);

    assert(requests);
    if (vm->requests_end <= MESSAGES_KEEP || !vm->kind.hv->remaps ||
        os_discard(requests, area->size, NULL))
        memset(requests, 0, vm->requests_end);
    vm->requests_end = 0;
}

HL__HOT static hl_status put_content(struct vm *vm, const struct content *to, hl_error *err)
{
    hl_status status = vm->stained ? HL_OK : collect(vm, err);
    uint32_t stale = 0;

    if (!status && vm->kind.hv->renew)
        vm->stained = must_rebuild(vm, to);
    if (!status)
        status = vm_map_put(vm, to, &stale, err);
    if (status)
        return status;
    status = must_rebuild(vm, to) ? rebuild(vm, to, err) : put_back(vm, to, stale, err);
    if (status)
        return status;
    clear_requests(vm);
    content_retain(to);
    content_release(vm->content);
    vm->content = to;
    return HL_OK;
}

/* ---- Putting the processor in place --------------------------------------------------- */

HL__HOT static void park_at(struct vm *vm, const struct vm_park *park)
{
    vm->reset = (struct hv_reset){.rip = system_scrub_entry(),
                                  .rsp = park->rsp,
                                  .rdi = park->rdi,
                                  .rflags = X86_RFLAGS_START};
    vm->has_reset = true;
}

/* The supervisor's memory, but for the vectors' stack, must be untouched: a
 * guest that changed it has broken the wall. */
static hl_status check_system(struct vm *vm, hl_error *err)
{
    const struct shape *shape = vm->kind.shape;
    const uint8_t *found = vm->memory.base;

    if (memcmp(found, shape->bytes, SYSTEM_STACK - HL_WINDOW) ||
        memcmp(found + SYSTEM_CR3, shape->bytes + SYSTEM_CR3, shape->table_size) ||
        memcmp(found + layout_gpa(HL_GATE), shape->bytes + layout_gpa(HL_GATE),
               SYSTEM_SIZE - layout_gpa(HL_GATE)))
        return error_set(err, HL_E_SYSTEM, "the system area of a sandbox was changed");
    memset(vm->memory.base + (SYSTEM_STACK - HL_WINDOW), 0, HL_PAGE);
    return HL_OK;
}

static hl_status scrub(struct vm *vm, hl_error *err)
{
    hl_status status;

    if (vm->kind.hv->renew) { /* nothing of what ran is kept for whoever comes next */
        vm->stained = true;
        vm->abnormal = false;
        return HL_OK;
    }
    status = vm->kind.hv->scrub(vm->machine, err);
    if (!status)
        status = vm_unmap_all(vm, err); /* then the tables are the template's */
    if (!status)
        status = check_system(vm, err);
    vm->abnormal = status != HL_OK;
    return status;
}

HL__HOT hl_status vm_restore(struct vm *vm, const struct content *content,
                             const struct vm_park *park, uint64_t lineage, hl_error *err)
{
    hl_status status = HL_OK;

    if (vm->lost)
        return error_set(err, HL_E_SYSTEM, "the virtual machine is lost");
    if (vm->abnormal || (vm->lineage && vm->lineage != lineage))
        status = scrub(vm, err);
    if (!status)
        status = put_content(vm, content, err);
    vm->lost = status != HL_OK;
    vm->lineage = lineage;
    park_at(vm, park);
    return status;
}

static hl_status trim(struct vm *vm)
{
    uint32_t stale = 0;

    vm->stained = vm->kind.hv->renew != NULL;
    if ((!vm->stained && collect(vm, NULL)) || vm_map_put(vm, vm->content, &stale, NULL))
        return HL_E_SYSTEM;
    if (vm->stained)
        return rebuild(vm, vm->content, NULL);
    if (vm->kind.hv->remaps &&
        (vm->touched.count > TOUCHED_MAX || vm->requests_end > MESSAGES_KEEP))
        return rebuild(vm, vm->content, NULL);
    return HL_OK;
}

void vm_trim(struct vm *vm)
{
    if (!vm->lost)
        vm->lost = trim(vm) != HL_OK;
}

/* Small requests stay in small pages: those are zeroed and kept one by one. */
void vm_bulk(struct vm *vm)
{
    const uint64_t size = vm->memory.layout->areas[AREA_REQUESTS].size;

    if (!vm->bulk && size > MESSAGES_KEEP)
        os_bulk(memory_at(&vm->memory, AREA_REQUESTS, MESSAGES_KEEP, size - MESSAGES_KEEP),
                size - MESSAGES_KEEP);
    vm->bulk = true;
}

/* ---- Freezing ---------------------------------------------------------------------------- */

static hl_status next_group(struct vm_group *group, struct vm *vm, hl_error *err)
{
    uint64_t number;

    group->count = group->next = 0;
    while (group->count < HV_STORE_MAX && dirty_next(group->dirty, &group->at, &number)) {
        number += group->first;
        if (is_message(vm, number))
            continue;
        group->pages[group->count] = group->memory
                                         ? group->memory + (number - group->first) * HL_PAGE
                                         : NULL;
        group->numbers[group->count++] = number;
    }
    if (!group->count || !vm->kind.hv->store)
        return HL_OK;
    return vm->kind.hv->store(group->pages, vm->machine, group->numbers, group->count, err);
}

hl_status vm_group_next(const uint8_t **bytes, uint64_t *number, struct vm_group *group,
                        struct vm *vm, hl_error *err)
{
    hl_status status = group->next == group->count ? next_group(group, vm, err) : HL_OK;

    *bytes = NULL;
    if (status || !group->count)
        return status;
    *number = group->numbers[group->next];
    *bytes = group->pages[group->next++];
    return HL_OK;
}

/* Fills pages[] with copies of what differs from the VM's content. */
static hl_status capture(struct content_page pages[], uint32_t *count, struct vm *vm, hl_error *err)
{
    struct vm_group group = {.dirty = &vm->dirty, .memory = vm->memory.base};
    const uint8_t *bytes;
    uint64_t number;
    uint8_t *fresh = NULL;
    enum page_kind kind;
    hl_status status;

    for (;;) {
        status = vm_group_next(&bytes, &number, &group, vm, err);
        if (status || !bytes)
            break;
        if (!fresh)
            fresh = pages_new();
        if (!fresh)
            return error_set(err, HL_E_MEMORY, "no memory for a snapshot of %llu pages",
                             (unsigned long long)vm->dirty.count);
        kind = page_capture(fresh, bytes, content_at(vm->content, number));
        if (kind == PAGE_SAME)
            continue;
        pages[*count] = (struct content_page){number, kind == PAGE_ZERO ? pages_zero : fresh};
        if (kind == PAGE_CHANGED)
            fresh = NULL;
        ++*count;
    }
    if (fresh)
        pages_release(fresh);
    return status;
}

static hl_status freeze_changes(struct content **out, struct vm *vm, hl_error *err)
{
    struct content_page *pages = malloc((vm->dirty.count + 1) * sizeof *pages);
    uint32_t count = 0;
    hl_status status;

    if (!pages)
        return error_set(err, HL_E_MEMORY, "no memory for a snapshot of %llu pages",
                         (unsigned long long)vm->dirty.count);
    status = capture(pages, &count, vm, err);
    if (!status)
        status = content_derive(out, vm->content, pages, count, err);
    else
        while (count)
            pages_release(pages[--count].bytes);
    free(pages);
    return status;
}

hl_status vm_freeze(const struct content **out, struct vm *vm, hl_error *err)
{
    struct mappings *mappings = NULL;
    struct content *content;
    hl_status status = collect(vm, err);

    if (!status)
        status = vm_map_freeze(&mappings, vm, err);
    if (!status)
        status = freeze_changes(&content, vm, err);
    if (status) {
        mappings_release(mappings);
        return status;
    }
    content_set_mappings(content, mappings);
    content_retain(content);
    content_release(vm->content);
    vm->content = content;
    *out = content;
    return HL_OK;
}

/* ---- Beginning anew with other mappings --------------------------------------------------- */

hl_status vm_withdraw(struct vm *vm, hl_error *err)
{
    const struct content *now;
    hl_status status;

    if (!vm->kind.hv->renew || vm->abnormal) /* what runs is not run again */
        return HL_OK;
    status = vm_freeze(&now, vm, err);
    if (status)
        return status;
    content_release(now);
    if (!vm->has_reset)
        park_at(vm, &(struct vm_park){vm_stack(vm), 0});
    return HL_OK;
}

hl_status vm_anew(struct vm *vm, hl_error *err)
{
    return vm->kind.hv->renew ? rebuild(vm, vm->content, err) : HL_OK;
}

/* ---- Entering ------------------------------------------------------------------------------- */

HL__HOT hl_status vm_run(struct vm *vm, struct hv_exit *exit, hl_error *err)
{
    const struct hv_ops *hv = vm->kind.hv;
    hl_status status;

    for (;;) {
        status = lay(vm, err);
        if (!status)
            status = hv->run(vm->machine, vm->has_reset ? &vm->reset : NULL, exit, err);
        vm->has_reset = false; /* even if stopped at once: they are in place */
        if (!status && exit->kind != HV_EXIT_DIRTY)
            return HL_OK;
        if (!status)
            status = collect(vm, err);
        if (!status)
            status = hv->forget(vm->machine, err);
        if (status) {
            vm->lost = true;
            return status;
        }
    }
}

/* ---- Making and unmaking ---------------------------------------------------------------- */

static hl_status make_machine(struct vm *vm, hl_error *err)
{
    struct x86_state state;
    struct plan plan;
    uint32_t stale = 0;
    hl_status status = HL_OK;

    vm->stained = vm->kind.hv->renew != NULL;
    if (vm->stained) /* it begins with mappings as with all else */
        status = vm_map_put(vm, vm->content, &stale, err);
    if (status)
        return status;
    vm->laid &= !vm->mapped;
    vm->stained = false;
    make_plan(&plan, vm, vm->base);
    x86_state_init(&state, vm->kind.avx, x86_vendor_intel());
    plan.setup.state = &state;
    status = vm->kind.hv->create(&vm->machine, &plan.setup, err);
    if (!status)
        vm->memory.base = vm->kind.hv->memory(vm->machine);
    return status;
}

hl_status vm_create(struct vm **out, const struct vm_kind *kind, const hl_guest *guest,
                    const struct content *content, hl_error *err)
{
    const uint64_t pages = kind->shape->layout.memory_size / HL_PAGE;
    struct vm *vm = calloc(1, sizeof *vm);
    hl_status status;

    *out = NULL;
    if (!vm)
        return error_set(err, HL_E_MEMORY, "no memory for a VM");
    vm->kind = *kind;
    vm->memory.layout = &kind->shape->layout;
    hl_guest_retain(guest);
    vm->guest = guest;
    guest_shape_use(guest, kind->shape);
    content_retain(content);
    vm->content = content;
    use_base(vm, content_view(content, &vm->laid));
    if (dirty_init(&vm->dirty, pages, true) && dirty_init(&vm->touched, pages, false))
        status = make_machine(vm, err);
    else
        status = error_set(err, HL_E_MEMORY, "no memory for a VM");
    if (status) {
        vm_destroy(vm);
        return status;
    }
    *out = vm;
    return HL_OK;
}

void vm_destroy(struct vm *vm)
{
    if (!vm)
        return;
    if (vm->machine)
        vm->kind.hv->destroy(vm->machine);
    vm_map_free(vm);
    dirty_free(&vm->dirty);
    dirty_free(&vm->touched);
    content_release(vm->content);
    base_release(vm->base);
    guest_shape_done(vm->guest, vm->kind.shape);
    hl_guest_release(vm->guest);
    free(vm);
}
