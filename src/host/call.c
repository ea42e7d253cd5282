/* SPDX-License-Identifier: Apache-2.0 */
/* One call, from the application's arguments to the guest's answer. */
#include "call.h"

#include "arch/x86_64/system.h"
#include "error.h"
#include "fault.h"
#include "hostcall.h"
#include "process_id.h"
#include "../shared/hot.h"

/* ---- Entering the guest ------------------------------------------------------ */

static hl_status report_fault(hl_sandbox *box, hl_error *err)
{
    struct system_report report;
    struct fault fault;

    memcpy(&report, box->vm->memory.base + SYSTEM_REPORT, sizeof report);
    fault = (struct fault){.vector = (uint32_t)report.vector,
                           .error = (uint32_t)report.error,
                           .known = true,
                           .address = report.cr2,
                           .rip = report.rip};
    return fault_describe(err, &fault, box->vm->memory.layout);
}

/* The two exits that the protocol knows are one-byte outs; everything else is
 * a guest that left by another door. */
HL__HOT static hl_status port_exit(hl_sandbox *box, const struct hv_exit *exit, hl_error *err)
{
    const bool plain = exit->write && exit->size == 1 && exit->count == 1;

    if (plain && exit->port == PORT_GATE) {
        box->vm->abnormal = false;
        return HL_OK;
    }
    if (plain && exit->port == PORT_REPORT)
        return report_fault(box, err);
    return error_set(err, HL_E_PROTOCOL,
                     "the guest broke the protocol: port 0x%x, %s of %u x %u bytes", exit->port,
                     exit->write ? "output" : "input", exit->count, exit->size);
}

static hl_status exit_fault(const hl_sandbox *box, const struct hv_exit *exit, hl_error *err)
{
    const struct fault fault = {.vector = exit->vector,
                                .error = exit->error,
                                .known = exit->known,
                                .call = exit->call,
                                .number = exit->code,
                                .address = exit->address,
                                .rip = exit->rip};

    return fault_describe(err, &fault, box->vm->memory.layout);
}

/* What stopped a call, in words. */
static hl_status stopped(hl_status reason, hl_error *err)
{
    return error_set(err, reason,
                     reason == HL_E_CANCELLED ? "the call was cancelled"
                                              : "the call ran past its deadline");
}

/* Lets the guest run until it calls the gate. */
HL__HOT static hl_status enter(hl_sandbox *box, hl_error *err)
{
    struct hv_exit exit;
    hl_status status;

    for (;;) {
        status = interrupt_reason(box->stop);
        if (status)
            return stopped(status, err);
        box->vm->abnormal = true; /* until it proves to be well */
        status = vm_run(box->vm, &exit, err);
        if (status)
            return status;
        switch (exit.kind) {
        case HV_EXIT_GATE:
            box->vm->abnormal = false;
            return HL_OK;
        case HV_EXIT_FAULT:
            return exit_fault(box, &exit, err);
        case HV_EXIT_PORT:
            return port_exit(box, &exit, err);
        case HV_EXIT_STOPPED:
        case HV_EXIT_DIRTY:
            break;
        case HV_EXIT_MEMORY:
            return error_set(err, HL_E_PROTOCOL,
                             "the guest broke the protocol: %s guest-physical 0x%llx, no memory "
                             "there",
                             exit.write ? "writing" : "reading", (unsigned long long)exit.address);
        case HV_EXIT_SHUTDOWN:
            box->vm->lost = true;
            return error_set(err, HL_E_FAULT, "triple fault: the virtual processor shut down");
        case HV_EXIT_OTHER:
            return error_set(err, HL_E_PROTOCOL, "the guest broke the protocol: %s exit of kind %u",
                             box->kind.hv->name, exit.code);
        }
        /* Stopped, perhaps for no reason of ours: look, and go on. */
    }
}

/* ---- Serving it until it answers -------------------------------------------------- */

static hl_status serve(hl_sandbox *box, struct message *message, hl_error *err)
{
    switch (message->head.kind) {
    case HL_KIND_CALL:
        return hostcall_function(box, message, err);
    case HL_KIND_LOG:
        return hostcall_log(box, message, err);
    case HL_KIND_EXPORT:
        return hostcall_export(box, message, err);
    case HL_KIND_IMPORT:
        return hostcall_import(box, message, err);
    case HL_KIND_ABORT:
        return hostcall_abort(message, err);
    default:
        return error_set(err, HL_E_PROTOCOL, "the guest broke the protocol: frame of kind %u",
                         message->head.kind);
    }
}

/* Runs the guest until it returns from the request that was written. The
 * answer's bytes live in the level's payload buffer. */
HL__HOT static hl_status converse(hl_sandbox *box, struct message *answer, hl_error *err)
{
    struct level *level = &box->levels[box->depth - 1];
    hl_status status;

    for (;;) {
        status = enter(box, err);
        if (status)
            return status;
        status = message_receive(answer, box, &level->payload, err);
        if (status)
            return status;
        if (answer->head.kind == HL_KIND_RETURN || answer->head.kind == HL_KIND_FAIL)
            return HL_OK;
        status = serve(box, answer, err);
        if (status)
            return status;
        deadline_check(&box->deadline);
    }
}

/* ---- The answer ------------------------------------------------------------------- */

static hl_status guest_failure(const struct message *answer, hl_error *err)
{
    static const uint8_t types[] = {HL_I32, HL_BYTES};
    const hl_value *values = answer->values;

    if (!hostcall_fits(answer, types, 2) || values[1].len > HL_FAIL_TEXT_MAX)
        return error_set(err, HL_E_PROTOCOL, "the guest broke the protocol: a malformed failure");
    error_set(err, HL_E_FAILED, "%.*s", (int)values[1].len, (const char *)values[1].as.bytes);
    if (err)
        err->code = values[0].as.i32;
    return HL_E_FAILED;
}

/* result: the declared type, or HL_BYTES + 1 if any will do. */
HL__HOT static hl_status take_answer(hl_value *ret, const struct message *answer, uint8_t result,
                                     const char *name, hl_error *err)
{
    uint32_t type;

    if (answer->head.kind == HL_KIND_FAIL)
        return guest_failure(answer, err);
    type = answer->head.count ? answer->values[0].type : HL_VOID;
    if (answer->head.count > 1 || (result <= HL_BYTES && type != result))
        return error_set(err, HL_E_PROTOCOL,
                         "the guest broke the protocol: %s returned %u values, the first %s, "
                         "declared %s",
                         name, answer->head.count, hl__type_name(type), hl__type_name(result));
    if (ret)
        *ret = type == HL_VOID ? hl_void() : answer->values[0];
    return HL_OK;
}

/* ---- Beginning and ending an outermost call ------------------------------------------ */

HL__HOT void call_begin(hl_sandbox *box)
{
    hostcall_reset_budget(&box->budget);
    atomic_store_explicit(&box->owner, os_thread_self(), memory_order_relaxed);
    if (box->vm)
        box->kind.hv->attach(box->vm->machine);
    if (!deadline_arm(&box->deadline)) {
        interrupt_begin(box->stop);
        return;
    }
    interrupt_begin(box->stop);
    deadline_started();
}

/* A status that leaves the guest where the next call expects it. */
static bool guest_is_well(hl_status status)
{
    return status == HL_OK || status == HL_E_FAILED;
}

/* What may run on after a bad end does not; unless this is a child that a host
 * function forked off. */
static void halt(hl_sandbox *box)
{
    if (box->vm && box->kind.hv->halt && box->process == process_id())
        box->kind.hv->halt(box->vm->machine);
}

HL__HOT hl_status call_end(hl_sandbox *box, hl_status status, hl_error *err)
{
    const hl_status stop = interrupt_end(box->stop);
    hl_error why;

    if (stop) {
        status = stopped(stop, err);
        stopped(stop, &why);
        sandbox_poison(box, &why);
    }
    atomic_store_explicit(&box->owner, 0, memory_order_relaxed);
    if (guest_is_well(status))
        atomic_store_explicit(&box->state, HL_READY, memory_order_release);
    else
        halt(box);
    return status;
}

/* ---- Init ------------------------------------------------------------------------------ */

hl_status call_init(hl_sandbox *box, hl_error *err)
{
    struct message answer;
    hl_status status;

    box->depth = 1;
    status = message_request(box, HL_KIND_INIT, 0, NULL, 0, "init", err);
    if (!status)
        status = converse(box, &answer, err);
    if (!status)
        status = take_answer(NULL, &answer, HL_VOID, "init", err);
    box->depth = 0;
    return status;
}

/* ---- Calls -------------------------------------------------------------------------------- */

/* What is called: an export, or the fallback with a name in front. */
struct callee {
    const char *name;
    const struct hl_signature *signature; /* NULL: the fallback takes anything */
    uint32_t index;
};

HL__HOT static hl_status check_count(const struct callee *callee, const hl_value args[],
                                     uint32_t count, hl_error *err)
{
    const uint32_t wanted = callee->signature ? callee->signature->count : HL_PARAMS_MAX;

    if (callee->signature ? count != wanted : count > wanted)
        return error_set(err, HL_E_SIGNATURE, "%s: %u arguments, wanted %s%u", callee->name, count,
                         callee->signature ? "" : "at most ", wanted);
    if (count && !args)
        return error_set(err, HL_E_INVALID, "%s: args is NULL, count %u", callee->name, count);
    return HL_OK;
}

HL__HOT static hl_status check_args(const struct callee *callee, const hl_value args[],
                                    uint32_t count, hl_error *err)
{
    hl_status status = check_count(callee, args, count, err);
    const char *wrong;
    uint32_t i;

    for (i = 0; !status && i < count; i++) {
        if (callee->signature && args[i].type != callee->signature->params[i])
            return error_set(err, HL_E_SIGNATURE, "%s: argument %u is %s, wanted %s", callee->name,
                             i + 1, hl__type_name(args[i].type),
                             hl__type_name(callee->signature->params[i]));
        wrong = hl__value_check(&args[i]);
        if (wrong)
            return error_set(err, HL_E_INVALID, "%s: argument %u: %s", callee->name, i + 1, wrong);
    }
    return status;
}

/* May a call begin here and now? Takes the sandbox if it is an outermost one. */
HL__HOT static hl_status claim(hl_sandbox *box, const char *name, hl_error *err)
{
    int ready = HL_READY;

    if (box->process != process_id())
        return sandbox_inherited(name, err);
    if (atomic_compare_exchange_strong(&box->state, &ready, HL_RUNNING))
        return HL_OK;
    if (ready == HL_POISONED || ready == HL_DEAD)
        return sandbox_ended(box, ready, name, err);
    if (atomic_load(&box->owner) != os_thread_self())
        return error_set(err, HL_E_STATE, "%s: the sandbox is RUNNING on another thread", name);
    if (box->initialising)
        return error_set(err, HL_E_STATE, "%s: the guest is still in its init", name);
    if (box->doomed)
        return error_set(err, HL_E_STATE, "%s: the sandbox was destroyed", name);
    if (box->logging)
        return error_set(err, HL_E_STATE, "%s: a log function cannot call the guest", name);
    if (box->depth >= box->level_count)
        return error_set(err, HL_E_DEPTH, "%s: %u calls are in progress, at most %u may be", name,
                         box->depth, box->level_count);
    return HL_OK;
}

HL__HOT static hl_status too_large(const hl_sandbox *box, const char *name, const hl_value args[],
                                   uint32_t count, hl_error *err)
{
    const uint64_t at = box->depth ? box->levels[box->depth - 1].request_end : 0;
    const uint64_t room = box->vm->memory.layout->areas[AREA_REQUESTS].size - MESSAGE_RESERVE;
    const uint64_t size = hl__wire_size(args, count);

    if (at <= room && size <= room - at)
        return HL_OK;
    return message_too_large(err, name, size, at <= room ? room - at : 0);
}

/* One level down: request, conversation, answer. */
HL__HOT static hl_status descend(hl_value *ret, hl_sandbox *box, const struct callee *callee,
                                 const hl_value args[], uint32_t count, hl_error *err)
{
    const uint64_t reply_at = box->depth ? box->levels[box->depth - 1].reply_at : 0;
    struct message answer;
    hl_error local;
    hl_status status;

    err = err ? err : &local;
    box->levels[box->depth++].reply_at = reply_at;
    status = message_request(box, HL_KIND_CALL, callee->index, args, count, callee->name, err);
    if (!status)
        status = converse(box, &answer, err);
    if (!status)
        status = take_answer(ret, &answer,
                             callee->signature ? callee->signature->result : HL_BYTES + 1,
                             callee->name, err);
    if (!guest_is_well(status))
        sandbox_poison(box, err);
    box->depth--;
    return status;
}

HL__HOT static hl_status call(hl_value *ret, hl_sandbox *box, const struct callee *callee,
                              const hl_value args[], uint32_t count, hl_error *err)
{
    const bool nested = box->depth > 0;
    hl_status status;

    if (nested) {
        status = descend(ret, box, callee, args, count, err);
        return status ? status : error_none(err);
    }
    call_begin(box);
    status = descend(ret, box, callee, args, count, err);
    status = call_end(box, status, err);
    if (box->doomed)
        sandbox_free(box);
    return status ? status : error_none(err);
}

/* Checks everything that can be checked before anything runs. To a fallback the
 * name goes in front of the arguments. */
HL__HOT static hl_status checked_call(hl_value *ret, hl_sandbox *box, const struct callee *callee,
                                      const hl_value args[], uint32_t count, hl_error *err)
{
    hl_value named[HL_VALUES_MAX];
    hl_status status = check_args(callee, args, count, err);
    bool outermost;

    if (!status)
        status = claim(box, callee->name, err);
    if (status)
        return status;
    if (!callee->signature) {
        named[0] = hl_str(callee->name);
        if (count)
            memcpy(named + 1, args, count * sizeof *args);
        args = named;
        count++;
    }
    outermost = box->depth == 0;
    status = too_large(box, callee->name, args, count, err);
    if (!status)
        return call(ret, box, callee, args, count, err);
    if (outermost)
        atomic_store(&box->state, HL_READY);
    return status;
}

/* A name the guest does not export: its fallback gets it, if it has one. */
static hl_status call_fallback(hl_value *ret, hl_sandbox *box, const char *name,
                               const hl_value args[], uint32_t count, hl_error *err)
{
    const struct callee callee = {name, NULL, HL_INDEX_NAMED};
    const hl_value value = hl_str(name);

    if (box->guest->image.fallback == HL_INDEX_NAMED)
        return error_set(err, HL_E_UNKNOWN, "the guest exports no function %.255s", name);
    if (!value.len || value.len > HL_NAME_MAX || hl__value_check(&value))
        return error_set(err, HL_E_INVALID, "name of %u bytes, wanted 1 to %d of UTF-8", value.len,
                         HL_NAME_MAX);
    return checked_call(ret, box, &callee, args, count, err);
}

/* Whatever fails leaves void; only now, since ret may be one of the arguments. */
HL__HOT static hl_status finish(hl_value *ret, hl_status status)
{
    if (status && ret)
        *ret = hl_void();
    return status;
}

HL__HOT hl_status hl_sandbox_call(hl_value *ret, hl_sandbox *box, const char *name,
                                  const hl_value args[], uint32_t count, hl_error *err)
{
    const struct image_function *function;
    struct callee callee;
    uint32_t index;

    if (!box || !name)
        return finish(
            ret, error_set(err, HL_E_INVALID, "hl_sandbox_call: %s is NULL", box ? "name" : "box"));
    index = sandbox_export_find(box, name);
    if (index == NAMES_NONE)
        return finish(ret, call_fallback(ret, box, name, args, count, err));
    function = sandbox_export_at(box, index);
    callee = (struct callee){function->name, &function->signature, index};
    return finish(ret, checked_call(ret, box, &callee, args, count, err));
}

HL__HOT hl_status hl_function_call(hl_value *ret, hl_function *fn, const hl_value args[],
                                   uint32_t count, hl_error *err)
{
    struct callee callee;

    if (!fn)
        return finish(ret, error_set(err, HL_E_INVALID, "hl_function_call: fn is NULL"));
    if (!fn->function)
        return finish(ret, error_set(err, HL_E_UNKNOWN,
                                     "the guest no longer exports this function since it was "
                                     "restored"));
    callee = (struct callee){fn->function->name, &fn->function->signature, fn->index};
    return finish(ret, checked_call(ret, fn->box, &callee, args, count, err));
}
