/* SPDX-License-Identifier: Apache-2.0 */
/* Snapshots: taking them, and putting sandboxes back to them. */
#include "snapshot.h"

#include <stdlib.h>

#include "cache.h"
#include "config.h"
#include "error.h"
#include "../shared/hot.h"

/* ---- Counting ------------------------------------------------------------------ */

static hl_snapshot *shared(const hl_snapshot *snapshot)
{
    return (hl_snapshot *)(uintptr_t)snapshot;
}

void hl_snapshot_retain(const hl_snapshot *snapshot)
{
    if (snapshot)
        atomic_fetch_add(&shared(snapshot)->references, 1);
}

void hl_snapshot_release(const hl_snapshot *snapshot)
{
    hl_snapshot *mine = shared(snapshot);

    if (!mine || atomic_fetch_sub(&mine->references, 1) != 1)
        return;
    added_free(&mine->exports);
    added_free(&mine->imports);
    content_release(mine->content);
    if (mine->guest)
        guest_shape_done(mine->guest, mine->kind.shape);
    hl_guest_release(mine->guest);
    free(mine);
}

hl_status snapshot_config(hl_config *out, const hl_config *given, const hl_snapshot *snapshot,
                          hl_error *err)
{
    const struct vm_kind *kind = &snapshot->kind;
    hl_status status = config_from_shape(out, given, &kind->shape->sizes, kind->avx, err);

    if (!status && out->hypervisor && out->hypervisor != kind->hv->id)
        status = error_set(err, HL_E_INVALID,
                           "hl_config.hypervisor is %u (%s), the snapshot is of %u (%s)",
                           out->hypervisor, hl_hypervisor_name((hl_hypervisor)out->hypervisor),
                           kind->hv->id, kind->hv->name);
    /* A file comes from anybody: it is not the one to choose the weaker wall. */
    if (!status && kind->hv->id == HL_HYPERVISOR_PROCESS && !kind->domain && !out->hypervisor &&
        !out->allow_process)
        status = error_set(err, HL_E_MISMATCH,
                           "the snapshot is of a sandbox in a process: set hl_config.hypervisor to "
                           "HL_HYPERVISOR_PROCESS, or hl_config.allow_process to 1");
    return status;
}

/* ---- Taking --------------------------------------------------------------------- */

/* Snapshots may outlive buffers of the application. */
static hl_status check_mappings(const hl_sandbox *box, hl_error *err)
{
    const struct vm_mapped *mapped = box->vm->mapped;
    uint32_t i;

    for (i = 0; mapped && i < MAPPINGS_MAX; i++)
        if (mapped[i].is && mapped[i].is->data)
            return error_set(err, HL_E_STATE,
                             "hl_snapshot_take: a buffer is mapped at 0x%llx; unmap it first",
                             (unsigned long long)mapped[i].is->address);
    return HL_OK;
}

static hl_status fill(hl_snapshot *snapshot, hl_sandbox *box, hl_error *err)
{
    hl_status status = check_mappings(box, err);

    atomic_init(&snapshot->references, 1);
    if (status)
        return status;
    snapshot->kind = box->kind;
    snapshot->lineage = box->lineage;
    if (!added_copy(&snapshot->exports, &box->exports_added) ||
        !added_copy(&snapshot->imports, &box->imports_added))
        return error_set(err, HL_E_MEMORY, "no memory for a snapshot");
    status = vm_freeze(&snapshot->content, box->vm, err);
    if (status)
        return status;
    snapshot->park.rsp = vm_stack(box->vm); /* where the guest is now known to be */
    hl_guest_retain(box->guest);
    guest_shape_use(box->guest, box->shape);
    snapshot->guest = box->guest;
    return HL_OK;
}

hl_status hl_snapshot_take(hl_snapshot **out, hl_sandbox *box, hl_error *err)
{
    hl_snapshot *snapshot;
    hl_status status;
    int before;

    if (!out)
        return error_set(err, HL_E_INVALID, "hl_snapshot_take: out is NULL");
    *out = NULL;
    if (!box)
        return error_set(err, HL_E_INVALID, "hl_snapshot_take: box is NULL");
    status = sandbox_claim(box, "hl_snapshot_take", false, &before, err);
    if (status)
        return status;
    snapshot = calloc(1, sizeof *snapshot);
    status = snapshot ? fill(snapshot, box, err)
                      : error_set(err, HL_E_MEMORY, "no memory for a snapshot");
    atomic_store(&box->state, HL_READY);
    if (status) {
        hl_snapshot_release(snapshot);
        return status;
    }
    *out = snapshot;
    return error_none(err);
}

/* ---- Restoring -------------------------------------------------------------------- */

HL__HOT static hl_status check_fit(const hl_sandbox *box, const hl_snapshot *snapshot,
                                   hl_error *err)
{
    const struct vm_kind *have = &box->kind, *want = &snapshot->kind;

    if (have->hv != want->hv)
        return error_set(err, HL_E_MISMATCH, "the sandbox runs on %s, the snapshot is of %s",
                         have->hv->name, want->hv->name);
    if (have->shape != want->shape || have->avx != want->avx)
        return error_set(err, HL_E_MISMATCH,
                         "the snapshot is of another guest or of other sizes (heap, stack, "
                         "messages, depth, init data, avx) than the sandbox");
    if (want->domain && (have->domain != want->domain || have->named != want->named))
        return error_set(err, HL_E_MISMATCH,
                         "the snapshot is of another trust domain than the sandbox; share the "
                         "hl_host, or set hl_config.trust_domain");
    return HL_OK;
}

/* A handle to a run-time export means the function of that name and signature
 * from now on, or none. */
static void rename_functions(hl_sandbox *box, const struct added_list *exports)
{
    const uint32_t fixed = box->guest->image.export_count;
    const struct image_function *one;
    struct hl_function *handle;
    uint32_t i;

    for (handle = box->found; handle; handle = handle->next) {
        if (handle->index < fixed || !handle->function)
            continue;
        for (i = 0; i < exports->count; i++) {
            one = &exports->items[i]->function;
            if (!strcmp(one->name, handle->function->name) &&
                hl__signature_equal(&one->signature, &handle->function->signature))
                break;
        }
        handle->function = i < exports->count ? &exports->items[i]->function : NULL;
        handle->index = handle->function ? fixed + i : NAMES_NONE;
    }
}

struct tables {
    const struct host_function **bound;
    struct added_list exports, imports;
};

static void free_tables(struct tables *tables)
{
    free(tables->bound);
    added_free(&tables->exports);
    added_free(&tables->imports);
}

/* The tables that the sandbox will have; bound NULL: those that it has. */
HL__HOT static hl_status make_tables(struct tables *out, const hl_sandbox *box,
                                     const hl_snapshot *snapshot, hl_error *err)
{
    hl_status status;

    *out = (struct tables){NULL, {NULL, 0}, {NULL, 0}};
    if (added_equal(&box->exports_added, &snapshot->exports) &&
        added_equal(&box->imports_added, &snapshot->imports))
        return HL_OK;
    if (added_copy(&out->exports, &snapshot->exports) &&
        added_copy(&out->imports, &snapshot->imports))
        status = sandbox_bind(&out->bound, box, &snapshot->imports, err);
    else
        status = error_set(err, HL_E_MEMORY, "no memory for run-time imports and exports");
    if (status)
        free_tables(out);
    return status;
}

HL__HOT static void use_tables(hl_sandbox *box, struct tables *tables)
{
    struct tables old = {box->imports, box->exports_added, box->imports_added};

    if (!tables->bound)
        return;
    rename_functions(box, &tables->exports);
    box->imports = tables->bound;
    box->exports_added = tables->exports;
    box->imports_added = tables->imports;
    box->import_count = box->guest->image.import_count + tables->imports.count;
    free_tables(&old);
}

HL__HOT static hl_status restore(hl_sandbox *box, const hl_snapshot *snapshot, hl_error *err)
{
    const struct origin origin = snapshot_origin(snapshot);
    hl_status status = sandbox_renew(box, err);
    uint32_t i;

    for (i = 0; i < box->level_count; i++) /* results of earlier calls die */
        if (box->levels[i].payload.capacity > BUFFER_KEEP)
            buffer_free(&box->levels[i].payload);
    return status ? status : sandbox_place(box, &origin, err);
}

HL__HOT hl_status hl_sandbox_restore(hl_sandbox *box, const hl_snapshot *snapshot, hl_error *err)
{
    struct tables tables;
    hl_status status;
    hl_error local;
    int before;

    err = err ? err : &local;
    if (!box || !snapshot)
        return error_set(err, HL_E_INVALID, "hl_sandbox_restore: %s is NULL",
                         box ? "snapshot" : "box");
    status = sandbox_claim(box, "hl_sandbox_restore", true, &before, err);
    if (status)
        return status;
    status = check_fit(box, snapshot, err);
    if (!status)
        status = make_tables(&tables, box, snapshot, err);
    if (status) {
        atomic_store(&box->state, before);
        return status;
    }
    status = restore(box, snapshot, err);
    if (status) {
        free_tables(&tables);
        return sandbox_die(box, err);
    }
    use_tables(box, &tables);
    atomic_store(&box->state, HL_READY);
    return error_none(err);
}

/* ---- Ahead of need -------------------------------------------------------------------- */

static hl_status add_idle(const hl_snapshot *snapshot, const struct vm_kind *kind, hl_error *err)
{
    struct vm *vm;
    hl_status status = vm_create(&vm, kind, snapshot->guest, snapshot->content, err);

    if (status)
        return status;
    status = vm_restore(vm, snapshot->content, &snapshot->park, snapshot->lineage, err);
    cache_put(vm);
    return status;
}

hl_status hl_cache_fill(const hl_snapshot *snapshot, const hl_host *host, const hl_config *given,
                        uint32_t vms, hl_error *err)
{
    const hl_host *offered = host;
    struct vm_kind kind;
    hl_config config;
    hl_status status;
    uint32_t room;

    if (!snapshot)
        return error_set(err, HL_E_INVALID, "hl_cache_fill: snapshot is NULL");
    kind = snapshot->kind;
    status = snapshot_config(&config, given, snapshot, err);
    if (!status && config.no_reuse)
        status = error_set(err, HL_E_INVALID,
                           "hl_config.no_reuse is 1: such sandboxes take nothing from the cache");
    if (!status)
        status = kind.hv->claim(config.interrupt_signal, err);
    if (!status && !host)
        status = host_default(&offered, err);
    if (status)
        return status;
    vm_kind_set_domain(&kind, config.trust_domain, offered->id);
    if (!host)
        hl_host_release(offered);
    for (room = cache_room(&kind, snapshot->content, vms); !status && room; room--)
        status = add_idle(snapshot, &kind, err);
    return status ? status : error_none(err);
}
