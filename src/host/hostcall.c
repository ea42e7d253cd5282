/* SPDX-License-Identifier: Apache-2.0 */
/* Serves the guest: host functions, logs, run-time exports and imports. */
#include "hostcall.h"

#include <stdlib.h>

#include "../shared/utf8.h"
#include "error.h"
#include "process_id.h"

static const uint8_t types_text2[] = {HL_STR, HL_STR};

static hl_status broken(hl_error *err, const char *what)
{
    return error_set(err, HL_E_PROTOCOL, "the guest broke the protocol: %s", what);
}

bool hostcall_fits(const struct message *message, const uint8_t types[], uint32_t count)
{
    uint32_t i;

    if (message->head.count != count)
        return false;
    for (i = 0; i < count && message->values[i].type == types[i]; i++)
        ;
    return i == count;
}

/* ---- Host functions --------------------------------------------------------- */

struct reply_block {
    struct reply_block *next;
    _Alignas(16) uint8_t bytes[];
};

struct hl_call {
    hl_sandbox *box;
    const struct host_function *function;
    uint32_t count;
    hl_status status; /* E_FAILED after hl_fail */
    int32_t code;
    uint32_t text_len;
    char text[HL_FAIL_TEXT_MAX];
    struct reply_block *blocks;
};

uint32_t hl_call_count(const hl_call *call)
{
    return call->count;
}

const char *hl_call_name(const hl_call *call)
{
    return call->function->name;
}

void *hl_call_user(const hl_call *call)
{
    return call->function->user;
}

hl_sandbox *hl_call_sandbox(const hl_call *call)
{
    return call->box;
}

bool hl_call_stopped(const hl_call *call)
{
    deadline_check(&call->box->deadline);
    return interrupt_reason(call->box->stop) != HL_OK;
}

void *hl_call_alloc(hl_call *call, size_t size)
{
    struct reply_block *block;

    if (size > HL_LEN_MAX)
        return NULL;
    block = malloc(sizeof *block + size);
    if (!block)
        return NULL;
    block->next = call->blocks;
    call->blocks = block;
    return block->bytes;
}

hl_status hl_fail(hl_call *call, int32_t code, const char *text)
{
    size_t len = text ? strlen(text) : 0;

    if (call->status)
        return call->status;
    call->status = HL_E_FAILED;
    call->code = code;
    call->text_len = (uint32_t)hl__utf8_cut(text, len, sizeof call->text);
    if (text)
        memcpy(call->text, text, call->text_len);
    return call->status;
}

hl_status hl_call_status(const hl_call *call)
{
    return call->status;
}

static void free_blocks(struct reply_block *block)
{
    struct reply_block *next;

    for (; block; block = next) {
        next = block->next;
        free(block);
    }
}

static hl_status answer_failure(hl_sandbox *box, hl_status status, int32_t code, const char *text,
                                size_t len, hl_error *err)
{
    const hl_value values[] = {hl_i32(code),
                               hl_bytes(text, (uint32_t)hl__utf8_cut(text, len, HL_FAIL_TEXT_MAX))};

    return message_answer(box, HL_KIND_FAIL, (uint32_t)-status, values, 2, "failure", err);
}

static hl_status answer_error(hl_sandbox *box, const hl_error *why, hl_error *err)
{
    return answer_failure(box, why->status, why->code, why->text, strlen(why->text), err);
}

/* Is what the host function gave back what it declared? */
static hl_status check_result(const struct hl_call *call, const hl_value *ret, hl_error *err)
{
    const struct host_function *function = call->function;
    const char *wrong;

    if (ret->type != function->signature.result)
        return error_set(err, HL_E_SIGNATURE, "host function %s: result is %s, declared %s",
                         function->name, hl__type_name(ret->type),
                         hl__type_name(function->signature.result));
    wrong = ret->type == HL_VOID ? NULL : hl__value_check(ret);
    if (wrong)
        return error_set(err, HL_E_INVALID, "host function %s: result: %s", function->name, wrong);
    return HL_OK;
}

static hl_status answer_call(struct hl_call *call, hl_status result, const hl_value *ret,
                             hl_error *err)
{
    hl_sandbox *box = call->box;
    hl_error why;

    if (!call->status && result) {
        error_set(&why, HL_E_FAILED, "host function %s returned %d", call->function->name, result);
        why.code = result;
        return answer_error(box, &why, err);
    }
    if (call->status)
        return answer_failure(box, call->status, call->code, call->text, call->text_len, err);
    if (check_result(call, ret, &why))
        return answer_error(box, &why, err);
    if (message_answer(box, HL_KIND_RETURN, 0, ret, ret->type != HL_VOID, call->function->name,
                       &why))
        return answer_error(box, &why, err);
    return HL_OK;
}

/* May the guest resume after the application's code ran? */
static hl_status still_alive(hl_sandbox *box, const char *kind, const char *name, hl_error *err)
{
    if (box->process != process_id()) /* it forked, and this is the child */
        return sandbox_inherited(name, err);
    if (atomic_load_explicit(&box->state, memory_order_relaxed) == HL_POISONED) {
        if (err)
            *err = box->death;
        return box->death.status;
    }
    return box->doomed
               ? error_set(err, HL_E_STATE, "the sandbox was destroyed by its %s%s", kind, name)
               : HL_OK;
}

/* Runs the function one level of the guest asked for. Meanwhile it may call
 * the guest again, so the guest's frame stays where it is. */
static hl_status run_function(hl_sandbox *box, const struct host_function *function,
                              const struct message *message, hl_error *err)
{
    struct hl_call call; /* text is set with its length */
    struct level *level = &box->levels[box->depth - 1];
    const uint64_t reply_at = level->reply_at;
    hl_value ret = hl_void();
    hl_status result, alive;

    call.box = box;
    call.function = function;
    call.count = message->head.count;
    call.status = HL_OK;
    call.blocks = NULL;
    level->reply_at = HL_FRAME_NEXT(reply_at, message->head.size);
    result = function->fn(&call, message->values, &ret);
    level->reply_at = reply_at;
    alive = still_alive(box, "host function ", function->name, err);
    result = alive ? alive : answer_call(&call, result, &ret, err);
    free_blocks(call.blocks);
    return result;
}

hl_status hostcall_function(hl_sandbox *box, const struct message *message, hl_error *err)
{
    const struct host_function *function;
    const struct hl_signature *signature;

    if (message->head.index >= box->import_count)
        return error_set(err, HL_E_PROTOCOL,
                         "the guest broke the protocol: call of import %u, it has %u",
                         message->head.index, box->import_count);
    function = box->imports[message->head.index];
    signature = &function->signature;
    if (!hostcall_fits(message, signature->params, signature->count))
        return error_set(err, HL_E_PROTOCOL,
                         "the guest broke the protocol: arguments of host function %s do not fit "
                         "its signature",
                         function->name);
    return run_function(box, function, message, err);
}

/* ---- Logs -------------------------------------------------------------------- */

enum { BUDGET_LINES = 1000, BUDGET_BYTES = 1 << 20 };

void hostcall_reset_budget(struct log_budget *budget)
{
    budget->lines = BUDGET_LINES;
    budget->bytes = BUDGET_BYTES;
}

hl_status hostcall_log(hl_sandbox *box, const struct message *message, hl_error *err)
{
    static const uint8_t types[] = {HL_BYTES, HL_BYTES, HL_U32};
    struct log_budget *budget = &box->budget;
    const hl_value *values = message->values;
    hl_log_record record = {.level = (hl_level)message->head.index};

    if (!hostcall_fits(message, types, 3) || record.level < HL_LEVEL_ERROR ||
        record.level > HL_LEVEL_TRACE)
        return broken(err, "a malformed log frame");
    if ((uint32_t)record.level > box->log_level)
        return HL_OK;
    if (!budget->lines || (uint64_t)values[0].len + values[1].len > budget->bytes) {
        budget->dropped++;
        return HL_OK;
    }
    budget->lines--;
    budget->bytes -= values[0].len + values[1].len;
    record.dropped = budget->dropped;
    budget->dropped = 0;
    record.text = values[0].as.bytes;
    record.file = values[1].as.bytes;
    record.line = values[2].as.u32;
    box->logging = true; /* the guest waits for no answer, so it cannot be called */
    box->log(box->log_user, &record);
    box->logging = false;
    return still_alive(box, "log function", "", err);
}

/* ---- Run-time exports and imports ------------------------------------------------ */

static hl_status answer_index(hl_sandbox *box, uint32_t index, hl_error *err)
{
    const hl_value value = hl_u32(index);

    return message_answer(box, HL_KIND_RETURN, 0, &value, 1, "index", err);
}

static hl_status parse(struct hl_signature *out, const struct message *message, hl_error *err)
{
    const hl_value *name = &message->values[0], *signature = &message->values[1];
    const char *wrong;

    if (!name->len || name->len > HL_NAME_MAX)
        return error_set(err, HL_E_INVALID, "name of %u bytes, wanted 1 to %d", name->len,
                         HL_NAME_MAX);
    wrong = hl__signature_parse(out, signature->as.str, signature->len);
    if (wrong)
        return error_set(err, HL_E_INVALID, "%s: signature \"%.100s\": %s", name->as.str,
                         signature->as.str, wrong);
    return HL_OK;
}

static hl_status add_export(hl_sandbox *box, const struct message *message, hl_error *err)
{
    const char *name = message->values[0].as.str;
    struct hl_signature signature;
    hl_status status = parse(&signature, message, err);

    if (status)
        return status;
    if (!box->initialising)
        return error_set(err, HL_E_STATE, "export %s: functions can be added during init only",
                         name);
    if (sandbox_export_find(box, name) != NAMES_NONE)
        return error_set(err, HL_E_INVALID, "export %s: exported twice", name);
    if (sandbox_export_count(box) >= HL_FUNCTIONS_MAX)
        return error_set(err, HL_E_INVALID, "export %s: more than %u functions", name,
                         HL_FUNCTIONS_MAX);
    return added_append(&box->exports_added, name, &signature)
               ? HL_OK
               : error_set(err, HL_E_MEMORY, "export %s: no memory", name);
}

hl_status hostcall_export(hl_sandbox *box, const struct message *message, hl_error *err)
{
    hl_error why;

    if (!hostcall_fits(message, types_text2, 2))
        return broken(err, "a malformed export frame");
    if (add_export(box, message, &why))
        return answer_error(box, &why, err);
    return answer_index(box, sandbox_export_count(box) - 1, err);
}

static hl_status add_import(hl_sandbox *box, const struct message *message, hl_error *err)
{
    const char *name = message->values[0].as.str;
    const struct host_function *function, **imports;
    char wanted[HL_SIGNATURE_TEXT_MAX], found[HL_SIGNATURE_TEXT_MAX];
    struct hl_signature signature;
    hl_status status = parse(&signature, message, err);

    if (status)
        return status;
    function = host_find(box->host, name);
    if (!function)
        return error_set(err, HL_E_UNKNOWN, "the host has no function %s", name);
    if (!hl__signature_equal(&signature, &function->signature)) {
        hl__signature_text(wanted, &signature);
        hl__signature_text(found, &function->signature);
        return error_set(err, HL_E_MISMATCH, "%s: the guest wants %s, the host has %s", name,
                         wanted, found);
    }
    if (box->import_count >= HL_FUNCTIONS_MAX)
        return error_set(err, HL_E_INVALID, "import %s: more than %u functions", name,
                         HL_FUNCTIONS_MAX);
    imports = realloc(box->imports, (box->import_count + 1) * sizeof *imports);
    if (imports)
        box->imports = imports;
    if (!imports || !added_append(&box->imports_added, name, &signature))
        return error_set(err, HL_E_MEMORY, "import %s: no memory", name);
    imports[box->import_count++] = function;
    return HL_OK;
}

hl_status hostcall_import(hl_sandbox *box, const struct message *message, hl_error *err)
{
    hl_error why;

    if (!hostcall_fits(message, types_text2, 2))
        return broken(err, "a malformed import frame");
    if (add_import(box, message, &why))
        return answer_error(box, &why, err);
    return answer_index(box, box->import_count - 1, err);
}

/* ---- Abort -------------------------------------------------------------------- */

hl_status hostcall_abort(const struct message *message, hl_error *err)
{
    static const uint8_t types[] = {HL_I32, HL_BYTES};
    const hl_value *text = &message->values[1];

    if (!hostcall_fits(message, types, 2))
        return broken(err, "a malformed abort frame");
    error_set(err, HL_E_ABORT, "the guest aborted with code %d: %.*s", message->values[0].as.i32,
              (int)hl__utf8_cut(text->as.bytes, text->len, HL_FAIL_TEXT_MAX),
              (const char *)text->as.bytes);
    if (err)
        err->code = message->values[0].as.i32;
    return HL_E_ABORT;
}
