/* SPDX-License-Identifier: Apache-2.0 */
/* Making and unmaking sandboxes. */
#include "sandbox.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "cache.h"
#include "call.h"
#include "config.h"
#include "entropy.h"
#include "error.h"
#include "process_id.h"
#include "snapshot.h"
#include "../shared/hot.h"

/* ---- What the host keeps for a sandbox ------------------------------------------ */

static hl_status bind(const struct host_function **out, const hl_host *host,
                      const struct image_function *wanted, hl_error *err)
{
    char text[HL_SIGNATURE_TEXT_MAX];

    *out = host_find(host, wanted->name);
    if (!*out)
        return error_set(err, HL_E_MISMATCH,
                         "the guest imports %s: %s, which the host does not offer", wanted->name,
                         wanted->signature_text);
    if (hl__signature_equal(&wanted->signature, &(*out)->signature))
        return HL_OK;
    hl__signature_text(text, &(*out)->signature);
    return error_set(err, HL_E_MISMATCH, "%s: the guest imports %s, the host offers %s",
                     wanted->name, wanted->signature_text, text);
}

hl_status sandbox_bind(const struct host_function ***out, const hl_sandbox *box,
                       const struct added_list *added, hl_error *err)
{
    const struct image *image = &box->guest->image;
    const uint32_t more = added ? added->count : 0;
    const struct host_function **imports = calloc(image->import_count + more + 1u, sizeof *imports);
    hl_status status = HL_OK;
    uint32_t i;

    *out = NULL;
    if (!imports)
        return error_set(err, HL_E_MEMORY, "no memory for %u imports", image->import_count);
    for (i = 0; !status && i < image->import_count; i++)
        status = bind(&imports[i], box->host, &image->imports[i], err);
    for (i = 0; !status && i < more; i++)
        status = bind(&imports[image->import_count + i], box->host, &added->items[i]->function,
                      err);
    if (status)
        free(imports);
    else
        *out = imports;
    return status;
}

static hl_status take_interrupt(hl_sandbox *box, const hl_config *config, hl_error *err)
{
    hl_interrupt *given = (hl_interrupt *)(uintptr_t)config->interrupt;

    if (given && !interrupt_claim(given, box->kind.hv))
        return error_set(err, HL_E_INVALID, "hl_config.interrupt serves another sandbox already");
    if (given) {
        hl_interrupt_retain(given);
        box->stop = given;
    } else {
        if (hl_interrupt_create(&box->stop, err))
            return HL_E_MEMORY;
        interrupt_claim(box->stop, box->kind.hv);
    }
    box->deadline.stop = box->stop;
    return deadline_set(&box->deadline, config->deadline_us, err);
}

static hl_status retain_host(hl_sandbox *box, const hl_host *host, hl_error *err)
{
    if (!host)
        return host_default(&box->host, err);
    hl_host_retain(host);
    box->host = host;
    return HL_OK;
}

HL__HOT hl_status sandbox_renew(hl_sandbox *box, hl_error *err)
{
    uint64_t random[1 + sizeof box->seed / sizeof *box->seed];
    hl_status status = entropy_take(random, sizeof random, err);

    box->generation = random[0] | 1; /* 0 stands for none */
    memcpy(box->seed, random + 1, sizeof box->seed);
    return status;
}

static hl_status take_tables(hl_sandbox *box, const struct origin *origin, hl_error *err)
{
    hl_status status = sandbox_bind(&box->imports, box, origin->imports, err);

    if (status)
        return status;
    box->import_count = box->guest->image.import_count;
    if (!origin->imports)
        return HL_OK;
    box->import_count += origin->imports->count;
    return added_copy(&box->imports_added, origin->imports) &&
                   added_copy(&box->exports_added, origin->exports)
               ? HL_OK
               : error_set(err, HL_E_MEMORY, "no memory for run-time imports and exports");
}

static void take_config(hl_sandbox *box, const hl_config *config)
{
    box->user = config->user;
    box->log = config->log;
    box->log_user = config->log_user;
    box->log_level = config->log_level;
    box->level_count = (uint32_t)box->shape->sizes.call_depth;
    box->no_reuse = config->no_reuse;
    vm_kind_set_domain(&box->kind, config->trust_domain, box->host->id);
}

/* The shape is in use already, by this sandbox. */
static hl_status prepare(hl_sandbox *box, const struct origin *origin, const hl_host *host,
                         const hl_config *config, hl_error *err)
{
    hl_status status = retain_host(box, host, err);

    if (!status)
        status = box->kind.hv->claim(config->interrupt_signal, err);
    if (status)
        return status;
    take_config(box, config);
    box->levels = calloc(box->level_count, sizeof *box->levels);
    if (!box->levels)
        return error_set(err, HL_E_MEMORY, "no memory for %u levels", box->level_count);
    status = take_tables(box, origin, err);
    if (!status)
        status = sandbox_renew(box, err);
    return status ? status : take_interrupt(box, config, err);
}

/* ---- Its VM ---------------------------------------------------------------------- */

/* A VM that cannot be put there is destroyed. */
HL__HOT static hl_status put(hl_sandbox *box, const struct origin *origin, hl_error *err)
{
    hl_status status = vm_restore(box->vm, origin->content, &origin->park, origin->lineage, err);

    if (status) {
        vm_destroy(box->vm);
        box->vm = NULL;
    }
    return status;
}

HL__HOT hl_status sandbox_place(hl_sandbox *box, const struct origin *origin, hl_error *err)
{
    hl_status status = HL_E_STATE;

    if (box->vm)
        status = put(box, origin, err);
    while (status && !box->no_reuse) {
        box->vm = cache_take(&box->kind, origin->content, origin->lineage);
        if (!box->vm)
            break;
        status = put(box, origin, err);
    }
    if (status) {
        status = vm_create(&box->vm, &box->kind, box->guest, origin->content, err);
        if (!status)
            status = put(box, origin, err);
    }
    if (status)
        return status;
    assert(box->vm);
    box->lineage = origin->lineage;
    box->kind.hv->attach(box->vm->machine); /* before a stop can find it */
    interrupt_publish(box->stop, box->vm->machine);
    return HL_OK;
}

static hl_status write_init_data(hl_sandbox *box, const hl_config *config, hl_error *err)
{
    return config->init_size
               ? vm_write(box->vm, AREA_INIT, config->init_data, config->init_size, err)
               : HL_OK;
}

/* From here on the stop handle and the deadline work. */
static hl_status start(hl_sandbox *box, const struct origin *origin, const hl_config *config,
                       hl_error *err)
{
    hl_status status;

    box->initialising = true;
    atomic_store(&box->state, HL_RUNNING);
    call_begin(box);
    status = sandbox_place(box, origin, err);
    if (!status)
        status = write_init_data(box, config, err);
    if (!status)
        status = call_init(box, err);
    status = call_end(box, status, err);
    box->initialising = false;
    return status;
}

static hl_sandbox *make(const struct hv_ops *hv, const hl_guest *guest, const struct shape *shape,
                        bool avx)
{
    hl_sandbox *box = calloc(1, sizeof *box);

    if (!box)
        return NULL;
    hl_guest_retain(guest);
    box->process = process_id();
    box->guest = guest;
    box->shape = shape;
    box->kind = (struct vm_kind){.hv = hv, .shape = shape, .avx = avx};
    return box;
}

/* ---- From an image ------------------------------------------------------------------ */

uint64_t sandbox_new_lineage(void)
{
    static _Atomic uint64_t last;

    return atomic_fetch_add(&last, 1) + 1;
}

static hl_status create(hl_sandbox *box, const hl_host *host, const hl_config *config,
                        hl_error *err)
{
    const struct origin origin = {.content = box->shape->start,
                                  .park = {box->shape->start_rsp, HL_BOOT},
                                  .lineage = sandbox_new_lineage()};
    hl_status status = prepare(box, &origin, host, config, err);

    return status ? status : start(box, &origin, config, err);
}

hl_status sandbox_create_on(hl_sandbox **out, const struct hv_ops *hv, const hl_guest *guest,
                            const hl_host *host, const hl_config *given, hl_error *err)
{
    const struct shape *shape;
    struct sizes sizes;
    hl_sandbox *box;
    hl_config config;
    hl_status status = config_complete(&config, given, err);

    *out = NULL;
    if (status)
        return status;
    sizes = config_sizes(&config);
    status = guest_shape(&shape, guest, &sizes, err);
    if (status)
        return status;
    box = make(hv, guest, shape, config.avx);
    if (!box) {
        guest_shape_done(guest, shape);
        return error_set(err, HL_E_MEMORY, "no memory for a sandbox");
    }
    status = create(box, host, &config, err);
    if (status) {
        sandbox_free(box);
        return status;
    }
    *out = box;
    return error_none(err);
}

/* Does the application want a process where there is no hypervisor? */
static bool allows_process(const hl_config *config)
{
    const size_t end = offsetof(hl_config, allow_process) + sizeof config->allow_process;

    return config && config->struct_size >= end && !config->hypervisor &&
           config->allow_process == 1;
}

hl_status hl_sandbox_create(hl_sandbox **out, const hl_guest *guest, const hl_host *host,
                            const hl_config *config, hl_error *err)
{
    const struct hv_ops *hv;
    uint32_t which = HL_HYPERVISOR_ANY;
    hl_status status;

    if (!out)
        return error_set(err, HL_E_INVALID, "hl_sandbox_create: out is NULL");
    *out = NULL;
    if (!guest)
        return error_set(err, HL_E_INVALID, "hl_sandbox_create: guest is NULL");
    if (config && config->struct_size >= offsetof(hl_config, heap_size))
        which = config->hypervisor;
    hv = hv_find((hl_hypervisor)which);
    if (!hv)
        return error_set(err, HL_E_INVALID,
                         "hl_config.hypervisor is %u, wanted 0 (any), 1 (kvm) or 2 "
                         "(process)",
                         which);
    status = sandbox_create_on(out, hv, guest, host, config, err);
    if (status == HL_E_NO_HYPERVISOR && allows_process(config))
        status = sandbox_create_on(out, hv_find(HL_HYPERVISOR_PROCESS), guest, host, config, err);
    return status;
}

/* ---- From a snapshot ------------------------------------------------------------------ */

static hl_status clone(hl_sandbox *box, const hl_snapshot *snapshot, const hl_host *host,
                       const hl_config *config, hl_error *err)
{
    const struct origin origin = snapshot_origin(snapshot);
    hl_status status = prepare(box, &origin, host, config, err);

    return status ? status : sandbox_place(box, &origin, err);
}

hl_status hl_sandbox_create_from(hl_sandbox **out, const hl_snapshot *snapshot, const hl_host *host,
                                 const hl_config *given, hl_error *err)
{
    hl_sandbox *box;
    hl_config config;
    hl_status status;

    if (!out)
        return error_set(err, HL_E_INVALID, "hl_sandbox_create_from: out is NULL");
    *out = NULL;
    if (!snapshot)
        return error_set(err, HL_E_INVALID, "hl_sandbox_create_from: snapshot is NULL");
    status = snapshot_config(&config, given, snapshot, err);
    if (status)
        return status;
    guest_shape_use(snapshot->guest, snapshot->kind.shape);
    box = make(snapshot->kind.hv, snapshot->guest, snapshot->kind.shape, snapshot->kind.avx);
    if (!box) {
        guest_shape_done(snapshot->guest, snapshot->kind.shape);
        return error_set(err, HL_E_MEMORY, "no memory for a sandbox");
    }
    status = clone(box, snapshot, host, &config, err);
    if (status) {
        sandbox_free(box);
        return status;
    }
    *out = box;
    return error_none(err);
}

/* ---- The end ---------------------------------------------------------------------- */

static void free_functions(hl_sandbox *box)
{
    struct hl_function *next;

    for (; box->found; box->found = next) {
        next = box->found->next;
        free(box->found);
    }
    added_free(&box->exports_added);
    added_free(&box->imports_added);
    free(box->imports);
}

void sandbox_free(hl_sandbox *box)
{
    uint32_t i;

    if (box->process != process_id())
        return; /* what a forked child has of it names memory that it has not */
    deadline_remove(&box->deadline);
    if (box->stop)
        interrupt_disclaim(box->stop);
    if (box->vm && box->no_reuse)
        vm_destroy(box->vm);
    else if (box->vm)
        cache_put(box->vm);
    for (i = 0; box->levels && i < box->level_count; i++)
        buffer_free(&box->levels[i].payload);
    free(box->levels);
    free_functions(box);
    guest_shape_done(box->guest, box->shape);
    hl_interrupt_release(box->stop);
    hl_host_release(box->host);
    hl_guest_release(box->guest);
    free(box);
}

void hl_sandbox_destroy(hl_sandbox *box)
{
    if (!box)
        return;
    if (box->depth || box->initialising) {
        box->doomed = true; /* we are inside its own host function */
        return;
    }
    sandbox_free(box);
}

hl_status sandbox_poison(hl_sandbox *box, const hl_error *why)
{
    if (atomic_load(&box->state) != HL_POISONED)
        box->death = *why;
    atomic_store(&box->state, HL_POISONED);
    return box->death.status;
}

HL__HOT hl_status sandbox_claim(hl_sandbox *box, const char *what, bool heal, int *before,
                                hl_error *err)
{
    *before = HL_READY;
    if (box->process != process_id())
        return sandbox_inherited(what, err);
    if (atomic_compare_exchange_strong(&box->state, before, HL_RUNNING))
        return HL_OK;
    if (*before == HL_RUNNING)
        return error_set(err, HL_E_STATE, "%s: the sandbox is RUNNING", what);
    if (heal && *before == HL_POISONED && box->depth) /* a nested call poisoned it */
        return error_set(err, HL_E_STATE, "%s: a call is in progress", what);
    if (heal && *before == HL_POISONED &&
        atomic_compare_exchange_strong(&box->state, before, HL_RUNNING))
        return HL_OK;
    return sandbox_ended(box, *before, what, err);
}

hl_status sandbox_die(hl_sandbox *box, const hl_error *why)
{
    vm_destroy(box->vm);
    box->vm = NULL;
    box->death = *why;
    atomic_store(&box->state, HL_DEAD);
    return why->status;
}

hl_status sandbox_inherited(const char *what, hl_error *err)
{
    return error_set(err, HL_E_STATE, "%s: the sandbox belongs to the process that forked this one",
                     what);
}

hl_status sandbox_ended(const hl_sandbox *box, int state, const char *what, hl_error *err)
{
    return error_set(err, HL_E_STATE, "%s: the sandbox is %s: %.300s", what,
                     state == HL_DEAD ? "DEAD" : "POISONED", box->death.text);
}

/* ---- Asking it ---------------------------------------------------------------------- */

const struct image_function *sandbox_export_at(const hl_sandbox *box, uint32_t index)
{
    const struct image *image = &box->guest->image;

    if (index < image->export_count)
        return &image->exports[index];
    index -= image->export_count;
    return index < box->exports_added.count ? &box->exports_added.items[index]->function : NULL;
}

uint32_t sandbox_export_find(const hl_sandbox *box, const char *name)
{
    uint32_t index = names_find(&box->guest->exports, name), i;

    if (index != NAMES_NONE)
        return index;
    for (i = 0; i < box->exports_added.count; i++)
        if (!strcmp(box->exports_added.items[i]->name, name))
            return box->guest->image.export_count + i;
    return NAMES_NONE;
}

hl_status hl_sandbox_find(hl_function **out, hl_sandbox *box, const char *name, hl_error *err)
{
    struct hl_function *function;
    uint32_t index;

    if (!out)
        return error_set(err, HL_E_INVALID, "hl_sandbox_find: out is NULL");
    *out = NULL;
    if (!box || !name)
        return error_set(err, HL_E_INVALID, "hl_sandbox_find: %s is NULL", box ? "name" : "box");
    if (box->initialising)
        return error_set(err, HL_E_STATE, "%.255s: the guest is still in its init", name);
    index = sandbox_export_find(box, name);
    if (index == NAMES_NONE)
        return error_set(err, HL_E_UNKNOWN, "the guest exports no function %.255s", name);
    for (function = box->found; function && function->index != index; function = function->next)
        ;
    if (!function) {
        function = calloc(1, sizeof *function);
        if (!function)
            return error_set(err, HL_E_MEMORY, "no memory for a function handle");
        *function = (struct hl_function){box, sandbox_export_at(box, index), index, box->found};
        box->found = function;
    }
    *out = function;
    return error_none(err);
}

hl_state hl_sandbox_state(const hl_sandbox *box)
{
    return (hl_state)atomic_load(&box->state);
}

hl_hypervisor hl_sandbox_hypervisor(const hl_sandbox *box)
{
    return box->kind.hv->id;
}

void *hl_sandbox_user(const hl_sandbox *box)
{
    return box->user;
}

hl_status hl_sandbox_set_deadline(hl_sandbox *box, uint64_t us, hl_error *err)
{
    hl_status status;

    if (!box)
        return error_set(err, HL_E_INVALID, "hl_sandbox_set_deadline: box is NULL");
    if (box->process != process_id())
        return sandbox_inherited("hl_sandbox_set_deadline", err);
    status = deadline_set(&box->deadline, us, err);
    return status ? status : error_none(err);
}

hl_interrupt *hl_sandbox_interrupt(const hl_sandbox *box)
{
    return box->stop;
}
