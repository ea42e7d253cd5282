/* SPDX-License-Identifier: Apache-2.0 */
/* The process backend: a guest in a locked-down process, for want of a hypervisor. */
#define _GNU_SOURCE
#include "process.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "../arch/x86_64/features.h"
#include "../arch/x86_64/system.h"
#include "../error.h"
#include "../../shared/hot.h"

/* ---- Orders ------------------------------------------------------------------------ */

static hl_status gone(hl_error *err)
{
    return error_set(err, HL_E_SYSTEM, "the tracer of guest processes was killed");
}

static const char *step_name(uint32_t step)
{
    switch (step) {
    case TRACER_BEAR:
        return "starting a guest's process";
    case TRACER_LOAD:
        return "writing memory of a guest's process";
    case TRACER_STORE:
        return "reading memory of a guest's process";
    case TRACER_STOP:
        return "stopping a guest's process";
    default:
        return "tracing a guest's process";
    }
}

hl_status process_failure(const struct hv_vm *vm, hl_error *err)
{
    const int error = vm->slot->error;

    if (error == ESRCH)
        return error_set(err, HL_E_SYSTEM, "%s: it was killed", step_name(vm->slot->step));
    return process_shortage(err, error, step_name(vm->slot->step));
}

HL__HOT static hl_status submit(struct hv_vm *vm, uint32_t steps, hl_error *err)
{
    struct tracer_head *head = vm->template->head;

    vm->slot->steps = steps | (vm->loaded && steps & (TRACER_STOP | TRACER_BEAR) ? TRACER_LOAD : 0);
    if (!(steps & TRACER_STORE))
        vm->slot->count = vm->loaded;
    __atomic_store_n(&vm->slot->done, 0, __ATOMIC_SEQ_CST);
    __atomic_fetch_or(&head->pending[vm->slot_number / 64], 1ull << vm->slot_number % 64,
                      __ATOMIC_SEQ_CST);
    if (syscall(SYS_pidfd_send_signal, vm->template->tracer, SIGUSR1, NULL, 0))
        return errno == ESRCH ? gone(err)
                              : error_errno(err, errno, "waking the tracer of guest processes");
    if (steps & TRACER_BEAR)
        vm->born = true;
    if (vm->slot->steps & TRACER_LOAD)
        vm->loaded = 0;
    return HL_OK;
}

hl_status process_order(struct hv_vm *vm, uint32_t steps, hl_error *err)
{
    hl_status status = submit(vm, steps, err);

    while (!status && !__atomic_load_n(&vm->slot->done, __ATOMIC_SEQ_CST))
        if (!process_sleep(vm->template, &vm->slot->done) &&
            !__atomic_load_n(&vm->slot->done, __ATOMIC_SEQ_CST))
            status = gone(err);
    vm->runs = false;
    return !status && vm->slot->error ? process_failure(vm, err) : status;
}

/* ---- Creating -------------------------------------------------------------------------- */

static void punch(const struct hv_vm *vm, uint64_t at, uint64_t size)
{
    fallocate((int)vm->template->arena.handle, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE,
              (off_t)at, (off_t)size);
}

static hl_status map_messages(const struct hv_vm *vm, uint64_t gpa, uint64_t size, uint64_t offset,
                              hl_error *err)
{
    uint8_t *at = vm->memory + gpa;

    if (size && mmap(at, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED | MAP_NORESERVE,
                     (int)vm->template->arena.handle, (off_t)offset) == MAP_FAILED)
        return error_errno(err, errno, "mapping messages of a guest's process");
    if (size)
        os_harden(at, size);
    return HL_OK;
}

static hl_status use_template(struct hv_vm *vm, const struct tracer_head *wanted, hl_error *err)
{
    const struct tracer_head *head;
    hl_status status = process_template_take(&vm->template, &vm->slot_number, wanted, err);

    if (status) {
        vm->template = NULL;
        return status;
    }
    head = vm->template->head;
    vm->slot = tracer_slot(vm->template->head, vm->slot_number);
    vm->words = process_words(vm->template->words, vm->slot_number);
    status = map_messages(vm, vm->requests_gpa, vm->requests_size,
                          tracer_arena_requests(head, vm->slot_number), err);
    return status ? status
                  : map_messages(vm, vm->replies_gpa, vm->replies_size,
                                 tracer_arena_replies(head, vm->slot_number), err);
}

static hl_status keep_regions(struct hv_vm *vm, const struct hv_setup *setup, hl_error *err)
{
    const size_t size = setup->region_count * sizeof *setup->regions;
    struct hv_region *regions = malloc(size + 1);
    uint32_t i;

    if (!regions)
        return error_errno(err, ENOMEM, "a guest's process");
    free((void *)(uintptr_t)vm->regions);
    vm->regions = memcpy(regions, setup->regions, size);
    vm->region_count = setup->region_count;
    for (i = 0; i < vm->region_count; i++) {
        if (regions[i].kind == HV_REGION_REQUESTS) {
            vm->requests_gpa = regions[i].gpa;
            vm->requests_size = regions[i].size;
        } else if (regions[i].kind == HV_REGION_REPLIES) {
            vm->replies_gpa = regions[i].gpa;
            vm->replies_size = regions[i].size;
        }
    }
    return HL_OK;
}

/* Ends the child, if there is one. */
static hl_status end_child(struct hv_vm *vm, hl_error *err)
{
    hl_status status = HL_OK;

    vm->loaded = 0;
    if (vm->born)
        status = process_order(vm, TRACER_KILL, err);
    vm->born = false;
    return status;
}

static void process_destroy(struct hv_vm *vm)
{
    if (!vm)
        return;
    if (vm->template) {
        end_child(vm, NULL);
        process_template_leave(vm->template, vm->slot_number);
    }
    os_release(vm->memory, vm->memory_size);
    free((void *)(uintptr_t)vm->regions);
    free(vm);
}

static hl_status check_processor(const struct hv_setup *setup, hl_error *err)
{
    enum { FSGSBASE = 2 }; /* AT_HWCAP2, asm/hwcap2.h */

    if (!(getauxval(AT_HWCAP2) & FSGSBASE))
        return error_set(err, HL_E_UNSUPPORTED,
                         "guests need FSGSBASE, which this processor lacks or its kernel has "
                         "switched off (Linux 5.9 or later is wanted)");
    if (setup->avx && !(x86_features(true) >> X86_FEATURE_AVX & 1))
        return error_set(err, HL_E_UNSUPPORTED, "hl_config.avx is 1: no AVX on this processor");
    return HL_OK;
}

static hl_status process_create(struct hv_vm **out, const struct hv_setup *setup, hl_error *err)
{
    struct hv_vm *vm = calloc(1, sizeof *vm);
    struct tracer_head wanted;
    hl_status status;

    *out = NULL;
    if (!vm)
        return error_errno(err, ENOMEM, "a guest's process");
    vm->memory_size = setup->memory_size;
    status = check_processor(setup, err);
    if (!status)
        status = os_reserve(&vm->memory, setup->memory_size, err);
    if (!status)
        status = keep_regions(vm, setup, err);
    if (!status)
        status = process_plan(&wanted, setup, err);
    if (!status)
        status = use_template(vm, &wanted, err);
    if (status)
        process_destroy(vm);
    else
        *out = vm;
    return status;
}

static uint8_t *process_memory(const struct hv_vm *vm)
{
    return vm->memory;
}

/* ---- Running ------------------------------------------------------------------------------ */

static hl_status process_claim(int32_t signal, hl_error *err)
{
    (void)signal;
    (void)err;
    return HL_OK; /* stops need none */
}

static void process_attach(struct hv_vm *vm)
{
    (void)vm;
}

/* Waits for the child to say that it has answered. That is a hint: it may say so
 * at any time, and run on. */
HL__HOT static hl_status await(struct hv_vm *vm, struct hv_exit *exit, hl_error *err)
{
    uint32_t *answer = &vm->words->answer;

    for (;;) {
        if (__atomic_load_n(&vm->slot->event.kind, __ATOMIC_SEQ_CST) != TRACER_NONE)
            return process_event(exit, vm, err);
        if (atomic_load(&vm->stopping)) {
            *exit = (struct hv_exit){.kind = HV_EXIT_STOPPED};
            return HL_OK;
        }
        if (__atomic_load_n(answer, __ATOMIC_SEQ_CST)) {
            *exit = (struct hv_exit){.kind = HV_EXIT_GATE};
            return HL_OK;
        }
        if (!process_sleep(vm->template, answer) &&
            !__atomic_load_n(&vm->slot->event.kind, __ATOMIC_SEQ_CST))
            return gone(err);
    }
}

/* What the guest wrote to its replies, which no dirty page names. */
static void clear_replies(const struct hv_vm *vm)
{
    enum { FEW = 16 * TRACER_PAGE };
    const int arena = (int)vm->template->arena.handle;
    const uint64_t start = tracer_arena_replies(vm->template->head, vm->slot_number);
    const uint64_t end = start + vm->replies_size;
    const off_t hole = lseek(arena, (off_t)start, SEEK_HOLE);
    const off_t more = hole < 0 ? hole : lseek(arena, hole, SEEK_DATA);
    const bool rest = hole < 0 || (more >= 0 && (uint64_t)more < end) || (uint64_t)hole > end;

    if (!rest && (uint64_t)hole - start <= FEW)
        memset(vm->memory + vm->replies_gpa, 0, (uint64_t)hole - start);
    else
        punch(vm, start, vm->replies_size);
}

/* A child that is stopped: the one that there is, or a new one. */
static uint32_t hold(const struct hv_vm *vm)
{
    if (vm->born)
        return TRACER_STOP;
    vm->slot->event.kind = TRACER_NONE; /* of the one before, if any */
    return TRACER_BEAR;
}

static hl_status go(struct hv_vm *vm, const struct hv_reset *reset, hl_error *err)
{
    uint32_t steps = TRACER_GO;

    if (reset) {
        clear_replies(vm);
        vm->slot->rip = HL_GATE + (uint64_t)(gate_process_scrub - gate_process_begin);
        vm->slot->rsp = reset->rsp;
        vm->slot->rdi = reset->rdi;
        vm->slot->rflags = reset->rflags;
        steps |= hold(vm) | TRACER_RESET;
    } else if (vm->loaded) {
        steps |= hold(vm);
    }
    __atomic_store_n(&vm->words->request, reset ? 0 : 1, __ATOMIC_SEQ_CST);
    vm->runs = true;
    return submit(vm, steps, err);
}

HL__HOT static hl_status process_run(struct hv_vm *vm, const struct hv_reset *reset,
                                     struct hv_exit *exit, hl_error *err)
{
    hl_status status = HL_OK;

    __atomic_store_n(&vm->words->answer, 0, __ATOMIC_SEQ_CST);
    if (reset || !vm->runs) {
        status = go(vm, reset, err);
    } else {
        __atomic_store_n(&vm->words->request, 1, __ATOMIC_SEQ_CST);
        process_wake(&vm->words->request);
    }
    return status ? status : await(vm, exit, err);
}

static void process_stop(struct hv_vm *vm)
{
    atomic_store(&vm->stopping, true);
    __atomic_store_n(&vm->words->answer, 1, __ATOMIC_SEQ_CST);
    process_wake(&vm->words->answer);
}

static void process_settle(struct hv_vm *vm)
{
    atomic_store(&vm->stopping, false);
}

static void process_halt(struct hv_vm *vm)
{
    if (vm->born && vm->runs)
        process_order(vm, TRACER_STOP, NULL);
}

/* ---- Memory --------------------------------------------------------------------------------- */

static bool address_of(uint64_t *out, const struct hv_vm *vm, uint64_t page)
{
    const uint64_t gpa = page * HL_PAGE;
    uint32_t i;

    for (i = 0; i < vm->region_count; i++) {
        if (vm->regions[i].kind != HV_REGION_MEMORY || !vm->regions[i].access ||
            gpa - vm->regions[i].gpa >= vm->regions[i].size)
            continue;
        *out = vm->regions[i].address + (gpa - vm->regions[i].gpa);
        return true;
    }
    return false;
}

/* Gives the child what it has yet to get. */
static hl_status flush(struct hv_vm *vm, hl_error *err)
{
    if (!vm->loaded)
        return HL_OK;
    return process_order(vm, hold(vm), err);
}

/* No guest can see a page that it has no address for. */
static hl_status process_load(struct hv_vm *vm, uint64_t page, const uint8_t *bytes, hl_error *err)
{
    hl_status status;
    uint64_t address;

    if (!address_of(&address, vm, page))
        return HL_OK;
    status = vm->loaded == TRACER_BATCH ? flush(vm, err) : HL_OK;
    if (status)
        return status;
    vm->slot->address[vm->loaded] = address;
    memcpy(vm->slot->pages[vm->loaded++], bytes, TRACER_PAGE);
    return HL_OK;
}

static hl_status process_store(const uint8_t *out[], struct hv_vm *vm, const uint64_t pages[],
                               uint32_t count, hl_error *err)
{
    static uint8_t zero[TRACER_PAGE]; /* never written; const, it would be in the file */
    hl_status status = flush(vm, err);
    uint32_t i, n = 0;

    for (i = 0; i < count; i++)
        out[i] = address_of(&vm->slot->address[n], vm, pages[i]) ? vm->slot->pages[n++] : zero;
    if (status || !n)
        return status;
    vm->slot->count = n;
    return process_order(vm, hold(vm) | TRACER_STORE, err);
}

/* Every page of memory that the guest may write. */
static void name_all(const struct hv_vm *vm, hv_page_fn page, void *ctx)
{
    const struct hv_region *region = vm->regions;
    uint64_t at;
    uint32_t i;

    for (i = 0; i < vm->region_count; i++, region++)
        for (at = 0;
             region->kind == HV_REGION_MEMORY && region->access & HL_WRITE && at < region->size;
             at += HL_PAGE)
            page(ctx, (region->gpa + at) / HL_PAGE);
}

static void name_range(const struct hv_vm *vm, const struct tracer_range *range, hv_page_fn page,
                       void *ctx)
{
    const struct hv_region *region;
    uint64_t at;
    uint32_t i;

    for (at = range->start; at < range->end; at += HL_PAGE)
        for (i = 0, region = vm->regions; i < vm->region_count; i++, region++)
            if (region->kind == HV_REGION_MEMORY && at - region->address < region->size) {
                page(ctx, (region->gpa + (at - region->address)) / HL_PAGE);
                break;
            }
}

static hl_status process_dirty(struct hv_vm *vm, hv_page_fn page, void *ctx, hl_error *err)
{
    hl_status status;
    uint32_t i;

    if (!vm->born)
        return HL_OK;
    status = flush(vm, err);
    if (!status)
        status = process_order(vm, TRACER_STOP | TRACER_DIRTY, err);
    if (status)
        return status;
    vm->rsp = vm->slot->stack;
    if (vm->slot->everything)
        name_all(vm, page, ctx);
    else
        for (i = 0; i < vm->slot->range_count; i++)
            name_range(vm, &vm->slot->ranges[i], page, ctx);
    return HL_OK;
}

static hl_status process_forget(struct hv_vm *vm, hl_error *err)
{
    (void)vm;
    (void)err;
    return HL_OK; /* what a child wrote stays its own */
}

static uint64_t process_stack(const struct hv_vm *vm)
{
    return vm->rsp;
}

/* The template has views of its own: another one, if they differ. */
static hl_status process_renew(struct hv_vm *vm, const struct hv_setup *setup, hl_error *err)
{
    struct tracer_head wanted;
    const uint32_t before = vm->slot_number;
    struct process_template *old = vm->template;
    hl_status status = end_child(vm, err);

    if (!status)
        status = keep_regions(vm, setup, err);
    if (!status)
        status = process_plan(&wanted, setup, err);
    if (status || process_template_fits(vm->template, &wanted)) {
        process_template_clear(vm->template, vm->slot_number);
        return status;
    }
    status = use_template(vm, &wanted, err);
    if (vm->template)
        process_template_leave(old, before);
    else
        vm->template = old;
    return status;
}

const struct hv_ops hv_process = {
    .name = "process",
    .id = HL_HYPERVISOR_PROCESS,
    .probe = process_probe,
    .claim = process_claim,
    .create = process_create,
    .memory = process_memory,
    .attach = process_attach,
    .run = process_run,
    .stop = process_stop,
    .settle = process_settle,
    .dirty = process_dirty,
    .forget = process_forget,
    .stack = process_stack,
    .renew = process_renew,
    .halt = process_halt,
    .load = process_load,
    .store = process_store,
    .destroy = process_destroy,
};
