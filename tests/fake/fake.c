/* SPDX-License-Identifier: Apache-2.0 */
/* The fake backend: memory of the host, guests of the host, exits by hand. */
#include "fake.h"

#include <stdlib.h>

#include "../../src/host/arch/x86_64/system.h"
#include "../../src/host/error.h"
#include "../test.h"

struct hv_vm {
    struct fake_guest guest;
};

static _Thread_local const struct fake_program *next;
static atomic_int alive;

void fake_use(const struct fake_program *program)
{
    next = program;
    hl_cache_limit(0);
}

int fake_alive(void)
{
    return atomic_load(&alive);
}

struct fake_guest *fake_of(const hl_sandbox *box)
{
    return &box->vm->machine->guest;
}

/* ---- Frames ------------------------------------------------------------------------ */

static struct fake_level *current(struct fake_guest *guest)
{
    return &guest->levels[guest->depth];
}

/* The host's frame at `at`, by the rules that the guest runtime goes by. */
static void check_frame(struct fake_guest *guest, uint64_t at)
{
    struct hl_slot slots[HL_VALUES_MAX];
    const uint8_t *frame = guest->requests + at;
    const char *wrong;

    if (at + sizeof guest->in > guest->boot.requests_size)
        FAIL("the host's frame at %llu lies outside its buffer", (unsigned long long)at);
    memcpy(&guest->in, frame, sizeof guest->in);
    wrong = hl__wire_check_head(&guest->in, guest->boot.requests_size - at);
    if (!wrong) {
        memcpy(slots, frame + sizeof guest->in, guest->in.count * sizeof *slots);
        wrong = hl__wire_check_slots(&guest->in, slots);
    }
    if (!wrong)
        wrong = hl__wire_check_payload(&guest->in, slots,
                                       frame + hl__wire_payload(guest->in.count));
    if (wrong)
        FAIL("the host's frame of kind %u at %llu: %s", guest->in.kind, (unsigned long long)at,
             wrong);
    hl__wire_values(guest->args, &guest->in, slots, frame + hl__wire_payload(guest->in.count));
}

/* Level 0 stands for "no request": its next frames begin at 0. */
void fake_receive(struct fake_guest *guest)
{
    const struct fake_level *below = current(guest);
    const uint64_t at = HL_FRAME_NEXT(below->request_at, below->request_size);
    const uint64_t reply_at = HL_FRAME_NEXT(below->reply_at, below->reply_size);
    const bool request = (check_frame(guest, at),
                          guest->in.kind == HL_KIND_CALL || guest->in.kind == HL_KIND_INIT);

    if (request) {
        guest->depth++;
        *current(guest) = (struct fake_level){
            .request_at = at, .request_size = guest->in.size, .reply_at = reply_at};
    } else if (guest->in.kind != HL_KIND_RETURN && guest->in.kind != HL_KIND_FAIL) {
        FAIL("the host sent a frame of kind %u", guest->in.kind);
    }
    if (guest->in.depth != guest->depth)
        FAIL("the host sent depth %u at depth %u", guest->in.depth, guest->depth);
}

uint8_t *fake_reply(struct fake_guest *guest)
{
    return guest->replies + current(guest)->reply_at;
}

void fake_send(struct fake_guest *guest, enum hl_kind kind, uint32_t index, const hl_value values[],
               uint32_t count)
{
    const struct hl_frame head = {.kind = kind, .index = index, .depth = guest->depth};
    const uint64_t size = hl__wire_size(values, count);
    uint64_t at;

    if (current(guest)->reply_at + size > guest->boot.replies_size)
        FAIL("a frame of %llu bytes does not fit", (unsigned long long)size);
    hl__wire_write(fake_reply(guest), &head, values, count, size);
    for (at = 0; at < size; at += HL_PAGE)
        fake_wrote(guest, (uint64_t)(fake_reply(guest) + at - guest->memory) / HL_PAGE);
    fake_wrote(guest, (uint64_t)(fake_reply(guest) + size - 1 - guest->memory) / HL_PAGE);
    current(guest)->reply_size = size;
    if (kind == HL_KIND_RETURN || kind == HL_KIND_FAIL)
        guest->depth--;
}

hl_status fake_return(struct fake_guest *guest, hl_value value)
{
    fake_send(guest, HL_KIND_RETURN, 0, &value, value.type != HL_VOID);
    return HL_OK;
}

hl_status fake_fail(struct fake_guest *guest, int32_t code, const char *text)
{
    const hl_value values[] = {hl_i32(code), hl_bytes(text, (uint32_t)strlen(text))};

    fake_send(guest, HL_KIND_FAIL, 0, values, 2);
    return HL_OK;
}

hl_status fake_call(struct fake_guest *guest, uint32_t import, const hl_value values[],
                    uint32_t count)
{
    fake_send(guest, HL_KIND_CALL, import, values, count);
    return HL_OK;
}

/* ---- Bodies ------------------------------------------------------------------------ */

hl_status fake_spin(struct fake_guest *guest, struct hv_exit *exit)
{
    while (!atomic_load(&guest->stopped))
        os_wait(&guest->stopped, 0, UINT64_MAX);
    *exit = (struct hv_exit){.kind = HV_EXIT_STOPPED};
    return HL_OK;
}

hl_status fake_noop(struct fake_guest *guest, struct hv_exit *exit, hl_error *err)
{
    static const struct hl_frame head = {.kind = HL_KIND_RETURN, .depth = 1, .size = sizeof head};

    (void)exit;
    (void)err;
    memcpy(guest->replies, &head, sizeof head);
    return HL_OK;
}

static hl_status return_nothing(struct fake_guest *guest, struct hv_exit *exit, hl_error *err)
{
    (void)exit;
    (void)err;
    return fake_return(guest, hl_void());
}

/* The body of a request that came in: init, or the export called. Run-time
 * exports, beyond the table, are played by the last one in it. */
static fake_body body_of(const struct fake_guest *guest)
{
    const struct fake_program *program = guest->program;
    uint32_t i = guest->in.index;

    if (guest->in.kind == HL_KIND_INIT)
        return program->init ? program->init : return_nothing;
    if (i == HL_INDEX_NAMED)
        for (i = 0; i < program->export_count && *program->exports[i].name; i++)
            ;
    else if (i >= program->export_count)
        i = program->export_count - 1;
    if (i >= program->export_count)
        FAIL("the host called function %u of %u", guest->in.index, program->export_count);
    return program->exports[i].body ? program->exports[i].body : return_nothing;
}

static hl_status dispatch(struct fake_guest *guest, struct hv_exit *exit, hl_error *err)
{
    const uint32_t before = guest->depth;
    struct fake_level *level;

    fake_receive(guest);
    level = current(guest);
    if (guest->depth > before)
        level->body = body_of(guest);
    guest->step = level->step++;
    return level->body(guest, exit, err);
}

/* ---- The table --------------------------------------------------------------------- */

static hl_status fake_probe(hl_error *err)
{
    return error_none(err);
}

static hl_status fake_claim(int32_t signal, hl_error *err)
{
    (void)signal;
    return error_none(err);
}

static uint8_t *fake_memory(const struct hv_vm *vm)
{
    return vm->guest.memory;
}

static void fake_destroy(struct hv_vm *vm)
{
    os_release(vm->guest.memory, vm->guest.memory_size);
    free(vm->guest.pages);
    free(vm);
    atomic_fetch_sub(&alive, 1);
}

static hl_status map_memory(struct fake_guest *guest, const struct hv_setup *setup, hl_error *err)
{
    const struct hv_view *view = setup->views;
    hl_status status = os_reserve(&guest->memory, setup->memory_size, err);
    uint32_t i;

    if (status)
        return status;
    guest->memory_size = setup->memory_size;
    guest->pages = calloc(1, setup->memory_size / HL_PAGE);
    if (!guest->pages)
        return error_set(err, HL_E_MEMORY, "no memory for a fake VM");
    status = os_commit(guest->memory, setup->memory_size, err);
    for (i = 0; !status && i < setup->view_count; i++, view++)
        status = os_view(guest->memory + view->gpa, view->share, view->offset, view->size, err);
    return status;
}

static hl_status fake_create_vm(struct hv_vm **out, const struct hv_setup *setup, hl_error *err)
{
    struct fake_guest *guest;
    hl_status status;

    if (!next)
        FAIL("no program for a fake VM");
    if (next->create)
        return error_set(err, next->create, "the fake makes no VM");
    *out = calloc(1, sizeof **out);
    if (!*out)
        return error_set(err, HL_E_MEMORY, "no memory for a fake VM");
    atomic_fetch_add(&alive, 1);
    guest = &(*out)->guest;
    guest->program = next;
    guest->state = *setup->state;
    status = map_memory(guest, setup, err);
    if (status) {
        fake_destroy(*out);
        *out = NULL;
        return status;
    }
    memcpy(&guest->boot, guest->memory + layout_gpa(HL_BOOT), sizeof guest->boot);
    guest->requests = guest->memory + layout_gpa(guest->boot.requests);
    guest->replies = guest->memory + layout_gpa(guest->boot.replies);
    return HL_OK;
}

static void fake_attach(struct hv_vm *vm)
{
    if (atomic_load(&vm->guest.stopped))
        FAIL("attached while a stop is in force");
    vm->guest.thread = os_thread_self();
}

/* A guest is parked between two outermost requests. */
static void resume(struct fake_guest *guest, const struct hv_reset *reset)
{
    guest->reset = *reset;
    guest->resets++;
    guest->rsp = reset->rsp;
    guest->depth = 0;
    memset(guest->levels, 0, sizeof guest->levels[0]);
}

static hl_status fake_run(struct hv_vm *vm, const struct hv_reset *reset, struct hv_exit *exit,
                          hl_error *err)
{
    struct fake_guest *guest = &vm->guest;

    if (guest->thread != os_thread_self())
        FAIL("run by a thread that did not attach");
    guest->runs++;
    if (reset)
        resume(guest, reset);
    if (atomic_load_explicit(&guest->stopped, memory_order_relaxed)) {
        *exit = (struct hv_exit){.kind = HV_EXIT_STOPPED};
        return HL_OK;
    }
    *exit = (struct hv_exit){
        .kind = HV_EXIT_PORT, .write = true, .size = 1, .count = 1, .port = PORT_GATE};
    return guest->program->whole ? guest->program->whole(guest, exit, err)
                                 : dispatch(guest, exit, err);
}

static void fake_stop(struct hv_vm *vm)
{
    atomic_fetch_add(&vm->guest.stops, 1);
    atomic_store(&vm->guest.stopped, 1);
    os_wake(&vm->guest.stopped);
}

static void fake_settle(struct hv_vm *vm)
{
    atomic_store(&vm->guest.stopped, 0);
}

void fake_wrote(struct fake_guest *guest, uint64_t page)
{
    if (page >= guest->memory_size / HL_PAGE)
        FAIL("page %llu written, the guest has %llu", (unsigned long long)page,
             (unsigned long long)guest->memory_size / HL_PAGE);
    if (guest->pages[page] == FAKE_CLEAN)
        guest->pages[page] = FAKE_WRITTEN;
}

static hl_status fake_dirty(struct hv_vm *vm, hv_page_fn page, void *ctx, hl_error *err)
{
    struct fake_guest *guest = &vm->guest;
    uint64_t i;

    if (guest->program->dirty)
        return error_set(err, guest->program->dirty, "the fake names no page");
    fake_wrote(guest, (uint64_t)(guest->replies - guest->memory) / HL_PAGE);
    for (i = 0; i < guest->memory_size / HL_PAGE; i++) {
        if (guest->pages[i] != FAKE_WRITTEN)
            continue;
        guest->pages[i] = FAKE_NAMED;
        page(ctx, i);
    }
    return HL_OK;
}

static hl_status fake_forget(struct hv_vm *vm, hl_error *err)
{
    struct fake_guest *guest = &vm->guest;
    uint64_t i;

    if (guest->program->forget)
        return error_set(err, guest->program->forget, "the fake forgets no page");
    for (i = 0; i < guest->memory_size / HL_PAGE; i++)
        if (guest->pages[i] == FAKE_NAMED)
            guest->pages[i] = FAKE_CLEAN;
    guest->forgets++;
    return HL_OK;
}

static uint64_t fake_stack(const struct hv_vm *vm)
{
    return vm->guest.rsp;
}

static hl_status fake_scrub(struct hv_vm *vm, hl_error *err)
{
    if (vm->guest.program->scrub)
        return error_set(err, vm->guest.program->scrub, "the fake cannot be scrubbed");
    vm->guest.scrubs++;
    return HL_OK;
}

static hl_status fake_map(struct hv_vm *vm, uint32_t place, const struct hv_map *map, hl_error *err)
{
    if (vm->guest.maps[place].size)
        FAIL("place %u is taken", place);
    if (vm->guest.program->map)
        return error_set(err, vm->guest.program->map, "the fake maps nothing");
    vm->guest.maps[place] = *map;
    return HL_OK;
}

static hl_status fake_unmap(struct hv_vm *vm, uint32_t place, hl_error *err)
{
    if (!vm->guest.maps[place].size)
        FAIL("place %u is free", place);
    if (vm->guest.program->unmap)
        return error_set(err, vm->guest.program->unmap, "the fake unmaps nothing");
    vm->guest.maps[place].size = 0;
    return HL_OK;
}

#define OPERATIONS(label, can_remap) \
    { \
        .name = (label), .id = HL_HYPERVISOR_ANY, .remaps = (can_remap), .probe = fake_probe, \
        .claim = fake_claim, .create = fake_create_vm, .memory = fake_memory, \
        .attach = fake_attach, .run = fake_run, .stop = fake_stop, .settle = fake_settle, \
        .dirty = fake_dirty, .forget = fake_forget, .stack = fake_stack, .scrub = fake_scrub, \
        .map = (can_remap) ? fake_map : NULL, .unmap = (can_remap) ? fake_unmap : NULL, \
        .destroy = fake_destroy, \
    }

const struct hv_ops hv_fake = OPERATIONS("fake", true);
const struct hv_ops hv_fake_pinned = OPERATIONS("pinned fake", false);
