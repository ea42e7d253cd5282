/* SPDX-License-Identifier: Apache-2.0 */
/* Making and unmaking sandboxes. */
#include "sandbox.h"

#include <stdlib.h>
#include <string.h>

#include "arch/x86_64/system.h"
#include "call.h"
#include "config.h"
#include "error.h"

/* ---- What the host keeps for a sandbox ------------------------------------------ */

/* Binds the declared imports to the host's functions. */
static hl_status bind_imports(hl_sandbox *box, hl_error *err)
{
    const struct image *image = &box->guest->image;
    const struct image_function *wanted;
    const struct host_function *found;
    char text[HL_SIGNATURE_TEXT_MAX];
    uint32_t i;

    box->imports = calloc(image->import_count + 1u, sizeof *box->imports);
    if (!box->imports)
        return error_set(err, HL_E_MEMORY, "no memory for %u imports", image->import_count);
    for (i = 0; i < image->import_count; i++) {
        wanted = &image->imports[i];
        found = host_find(box->host, wanted->name);
        if (!found)
            return error_set(err, HL_E_MISMATCH,
                             "the guest imports %s: %s, which the host does not offer",
                             wanted->name, wanted->signature_text);
        if (!hl__signature_equal(&wanted->signature, &found->signature)) {
            hl__signature_text(text, &found->signature);
            return error_set(err, HL_E_MISMATCH, "%s: the guest imports %s, the host offers %s",
                             wanted->name, wanted->signature_text, text);
        }
        box->imports[i] = found;
    }
    box->import_count = image->import_count;
    return HL_OK;
}

static hl_status take_interrupt(hl_sandbox *box, const hl_config *config, hl_error *err)
{
    hl_interrupt *given = (hl_interrupt *)(uintptr_t)config->interrupt;

    if (given && !interrupt_claim(given, box->hv))
        return error_set(err, HL_E_INVALID, "hl_config.interrupt serves another sandbox already");
    if (given) {
        hl_interrupt_retain(given);
        box->stop = given;
    } else {
        if (hl_interrupt_create(&box->stop, err))
            return HL_E_MEMORY;
        interrupt_claim(box->stop, box->hv);
    }
    box->deadline.stop = box->stop;
    return deadline_set(&box->deadline, config->deadline_us, err);
}

static hl_status retain_host(hl_sandbox *box, const hl_host *host, hl_error *err)
{
    hl_host *own;
    hl_status status;

    if (host) {
        hl_host_retain(host);
        box->host = host;
        return HL_OK;
    }
    status = hl_host_create(&own, NULL, 0, err);
    box->host = own;
    return status;
}

static hl_status renew_identity(hl_sandbox *box, hl_error *err)
{
    hl_status status = os_random(&box->generation, sizeof box->generation, err);

    box->generation |= 1; /* 0 stands for none */
    return status ? status : os_random(box->seed, sizeof box->seed, err);
}

static hl_status prepare(hl_sandbox *box, const hl_guest *guest, const hl_host *host,
                         const hl_config *config, hl_error *err)
{
    const struct sizes sizes = config_sizes(config);
    hl_status status;

    box->user = config->user;
    box->log = config->log;
    box->log_user = config->log_user;
    box->log_level = config->log_level;
    hl_guest_retain(guest);
    box->guest = guest;
    box->level_count = config->call_depth;
    box->levels = calloc(box->level_count, sizeof *box->levels);
    if (!box->levels)
        return error_set(err, HL_E_MEMORY, "no memory for %u levels", box->level_count);
    status = guest_shape(&box->shape, guest, &sizes, err);
    if (!status)
        status = retain_host(box, host, err);
    if (!status)
        status = bind_imports(box, err);
    if (!status)
        status = renew_identity(box, err);
    return status ? status : take_interrupt(box, config, err);
}

/* ---- Its VM ---------------------------------------------------------------------- */

static hl_status make_vm(hl_sandbox *box, const hl_config *config, hl_error *err)
{
    const struct layout *layout = &box->shape->layout;
    const struct hv_view views[] = {
        {&box->shape->system, 0, SYSTEM_SIZE},
        {&box->guest->contents, layout->image_gpa, box->guest->image.span},
    };
    struct x86_state state;
    struct hv_setup setup = {
        .memory_size = layout->memory_size,
        .views = views,
        .view_count = 2,
        .state = &state,
        .avx = config->avx,
        .signal = config->interrupt_signal,
    };
    hl_status status;

    x86_state_init(&state, config->avx, x86_vendor_intel());
    status = box->hv->create(&box->vm, &setup, err);
    if (status)
        return status;
    box->memory = (struct memory){box->hv->memory(box->vm), layout};
    if (config->init_size)
        memcpy(memory_at(&box->memory, AREA_INIT, 0, config->init_size), config->init_data,
               config->init_size);
    box->hv->attach(box->vm);
    interrupt_publish(box->stop, box->vm);
    return HL_OK;
}

/* From here on the stop handle and the deadline work. */
static hl_status start(hl_sandbox *box, const hl_config *config, hl_error *err)
{
    hl_status status;

    box->initialising = true;
    atomic_store(&box->state, HL_RUNNING);
    call_begin(box);
    status = make_vm(box, config, err);
    if (!status)
        status = call_init(box, err);
    status = call_end(box, status, err);
    box->initialising = false;
    return status;
}

hl_status sandbox_create_on(hl_sandbox **out, const struct hv_ops *hv, const hl_guest *guest,
                            const hl_host *host, const hl_config *given, hl_error *err)
{
    hl_sandbox *box;
    hl_config config;
    hl_status status = config_complete(&config, given, err);

    if (status)
        return status;
    box = calloc(1, sizeof *box);
    if (!box)
        return error_set(err, HL_E_MEMORY, "no memory for a sandbox");
    box->hv = hv;
    status = prepare(box, guest, host, &config, err);
    if (!status)
        status = start(box, &config, err);
    if (status) {
        sandbox_free(box);
        return status;
    }
    *out = box;
    return error_none(err);
}

hl_status hl_sandbox_create(hl_sandbox **out, const hl_guest *guest, const hl_host *host,
                            const hl_config *config, hl_error *err)
{
    const struct hv_ops *hv;
    uint32_t which = HL_HYPERVISOR_ANY;

    if (!out)
        return error_set(err, HL_E_INVALID, "hl_sandbox_create: out is NULL");
    *out = NULL;
    if (!guest)
        return error_set(err, HL_E_INVALID, "hl_sandbox_create: guest is NULL");
    if (config && config->struct_size >= offsetof(hl_config, heap_size))
        which = config->hypervisor;
    hv = hv_find((hl_hypervisor)which);
    if (!hv)
        return error_set(err, HL_E_INVALID, "hl_config.hypervisor is %u, wanted 0 (any) or 1 (kvm)",
                         which);
    return sandbox_create_on(out, hv, guest, host, config, err);
}

/* ---- The end ---------------------------------------------------------------------- */

static void free_functions(hl_sandbox *box)
{
    struct hl_function *next;
    uint32_t i;

    for (; box->found; box->found = next) {
        next = box->found->next;
        free(box->found);
    }
    for (i = 0; i < box->added_count; i++)
        free((char *)(uintptr_t)box->added[i].name);
    free(box->added);
    free(box->imports);
}

void sandbox_free(hl_sandbox *box)
{
    uint32_t i;

    deadline_remove(&box->deadline);
    if (box->stop)
        interrupt_disclaim(box->stop);
    if (box->vm)
        box->hv->destroy(box->vm);
    for (i = 0; box->levels && i < box->level_count; i++)
        buffer_free(&box->levels[i].payload);
    free(box->levels);
    free_functions(box);
    if (box->shape)
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

/* ---- Asking it ---------------------------------------------------------------------- */

const struct image_function *sandbox_export_at(const hl_sandbox *box, uint32_t index)
{
    const struct image *image = &box->guest->image;

    if (index < image->export_count)
        return &image->exports[index];
    index -= image->export_count;
    return index < box->added_count ? &box->added[index] : NULL;
}

uint32_t sandbox_export_find(const hl_sandbox *box, const char *name)
{
    uint32_t index = names_find(&box->guest->exports, name), i;

    if (index != NAMES_NONE)
        return index;
    for (i = 0; i < box->added_count; i++)
        if (!strcmp(box->added[i].name, name))
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
    return box->hv->id;
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
    status = deadline_set(&box->deadline, us, err);
    return status ? status : error_none(err);
}

hl_interrupt *hl_sandbox_interrupt(const hl_sandbox *box)
{
    return box->stop;
}

bool hl_sandbox_export(hl_symbol *out, const hl_sandbox *box, size_t index)
{
    const struct image_function *function;
    uint32_t i;

    for (i = 0; i < sandbox_export_count(box); i++) {
        function = sandbox_export_at(box, i);
        if (!*function->name || index--)
            continue;
        *out = (hl_symbol){function->name, function->signature_text};
        return true;
    }
    return false;
}

/* The area or image segment with the lowest address above `after`. */
static bool next_area(hl_area *out, const hl_sandbox *box, uint64_t after)
{
    const hl_area *areas = box->shape->layout.areas;
    hl_area segment;
    bool found = false;
    uint32_t i;

    for (i = 0; i < AREA_COUNT; i++) {
        if (!areas[i].size || areas[i].address <= after ||
            (found && areas[i].address > out->address))
            continue;
        *out = areas[i];
        found = true;
    }
    for (i = 0; hl_guest_segment(&segment, box->guest, i); i++) {
        if (segment.address <= after || (found && segment.address > out->address))
            continue;
        *out = segment;
        found = true;
    }
    return found;
}

bool hl_sandbox_area(hl_area *out, const hl_sandbox *box, size_t index)
{
    uint64_t after = 0;
    size_t i;

    for (i = 0; i <= index; i++) {
        if (!next_area(out, box, after))
            return false;
        after = out->address;
    }
    return true;
}
