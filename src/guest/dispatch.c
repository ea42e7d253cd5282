/* SPDX-License-Identifier: Apache-2.0 */
/* Receives requests, runs the function each one names, replies. */
#include "../shared/signature.h"
#include "../shared/wire.h"
#include "arch/x86_64/thread.h"
#include "runtime.h"

uint32_t hl__log_level;

static uint64_t generation;

uint64_t hl_generation(void)
{
    return generation;
}

/* ---- The reply ---------------------------------------------------------------- */

/* Fails the call unless the result may be sent as what was declared. */
HL__HOT static void check_result(hl_call *call, uint32_t declared, const hl_value *ret)
{
    const char *wrong;
    uint64_t size;

    if (declared != HL__ANY_RESULT && ret->type != declared) {
        hl__call_failf(call, HL_E_SIGNATURE, "%s: result is %s, declared %s", call->name,
                       hl__type_name(ret->type), hl__type_name(declared));
        return;
    }
    if (ret->type == HL_VOID)
        return;
    wrong = hl__value_check(ret);
    if (wrong) {
        hl__call_failf(call, HL_E_INVALID, "%s: result: %s", call->name, wrong);
        return;
    }
    size = hl__wire_size(ret, 1);
    if (size > hl__room(call))
        hl__call_failf(call, HL_E_TOO_LARGE,
                       "%s: result of %llu bytes, %llu fit (hl_config.message_size)", call->name,
                       (unsigned long long)size, (unsigned long long)hl__room(call));
}

HL__HOT static void reply(const hl_call *call, const hl_value *ret)
{
    hl_value failure[2];

    if (!call->status) {
        hl__put(call, HL_KIND_RETURN, 0, ret, ret->type != HL_VOID);
        return;
    }
    failure[0] = hl_i32(call->code);
    failure[1] = hl_bytes(call->text, call->text_len);
    hl__put(call, HL_KIND_FAIL, 0, failure, 2);
}

/* ---- The function --------------------------------------------------------------- */

HL__HOT static void run(hl_call *call, const struct hl__function *function, const hl_value args[])
{
    hl_value ret = hl_void();
    hl_status status;

    call->name = function->name;
    call->user = function->user;
    if (call->init)
        hl__construct();
    status = function->fn && !call->status ? function->fn(call, args, &ret) : HL_OK;
    if (status) /* the first failure wins */
        hl__call_failf(call, status, "%s returned %d without hl_fail", call->name, status);
    if (!call->status)
        check_result(call, function->result, &ret);
    reply(call, &ret);
}

/* What the host asks for. Of a fallback's values the first is the name. */
HL__HOT static struct hl__function requested(hl_call *call, uint32_t index, const hl_value **args)
{
    struct hl__function function;

    if (call->init)
        return hl__export_special("init");
    if (index != HL_INDEX_NAMED)
        return hl__export_at(index);
    function = hl__export_special("fallback");
    function.name = (*args)->as.str;
    ++*args;
    call->count--;
    return function;
}

HL__HOT void hl__serve(uint64_t request_at, uint64_t reply_at)
{
    const struct hl_frame *frame = hl__request(request_at);
    struct hl__function function;
    hl_value values[HL_VALUES_MAX];
    const hl_value *args = values;
    hl_call call;

    call.outer = hl__current;
    call.answer_at = HL_FRAME_NEXT(request_at, frame->size);
    call.reply_at = reply_at;
    call.depth = frame->depth;
    call.count = frame->count;
    call.init = frame->kind == HL_KIND_INIT;
    call.blocks = NULL;
    call.status = HL_OK;
    hl__log_level = frame->log_level;
    hl__frame_values(values, frame);
    function = requested(&call, frame->index, &args);
    hl__current = &call;
    run(&call, &function, args);
    hl__current = call.outer;
    hl__call_free(&call);
}

/* ---- For ever ---------------------------------------------------------------------- */

/* A new sandbox or clone: random numbers and canary of its own. The only frames
 * alive here have no canary. It is a word of the seed, because a first random
 * number would cost every restore two rounds of the generator; whoever learns
 * it lacks 128 bits of the key still. */
HL__HOT HL__NO_CANARY static void adopt(const struct hl_frame *frame)
{
    generation = frame->generation;
    hl__random_seed(frame->seed, generation);
    hl__thread_set_canary(frame->seed[2]);
}

HL__HOT HL__NO_CANARY void hl__dispatch(void)
{
    const struct hl_frame *frame = hl__request(0);

    for (;;) {
        if (frame->generation != generation)
            adopt(frame);
        hl__serve(0, 0);
        hl__gate();
    }
}
