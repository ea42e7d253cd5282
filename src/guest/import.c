/* SPDX-License-Identifier: Apache-2.0 */
/* Calls of host functions. */
#include <string.h>

#include "../shared/signature.h"
#include "../shared/wire.h"
#include "import.h"
#include "runtime.h"

/* The position in the import table, static rows first. */
HL__HOT static bool position(uint32_t *out, const hl_import *fn)
{
    const uint64_t offset = (uintptr_t)fn - (uintptr_t)__start_hl_imp;
    const uint64_t size = (uintptr_t)__stop_hl_imp - (uintptr_t)__start_hl_imp;

    *out = (uint32_t)(fn->number ? fn->number - 1 : offset / sizeof *fn);
    return fn->number || (offset < size && offset % sizeof *fn == 0);
}

/* Do the arguments fit? Says no more than that, but quickly. */
HL__HOT static bool fits(const hl_import *fn, const hl_value args[], uint32_t count)
{
    const char *at = fn->signature;
    uint32_t i;

    if (!at || (count && !args))
        return false;
    hl__signature_next(&at);
    for (i = 0; i < count; i++)
        if (args[i].type == HL_VOID || args[i].type != hl__signature_next(&at) ||
            hl__value_check(&args[i]))
            return false;
    return hl__signature_next(&at) == HL_VOID;
}

/* What is wrong with arguments that do not fit. */
static hl_status check_args(const hl_import *fn, const hl_value args[], uint32_t count,
                            hl_error *err)
{
    struct hl_signature signature;
    const char *wrong = hl__signature_parse(&signature, fn->signature, strlen(fn->signature));
    uint32_t i;

    if (wrong)
        return hl__error(err, HL_E_INVALID, "%s: signature: %s", fn->name, wrong);
    if (count != signature.count)
        return hl__error(err, HL_E_SIGNATURE, "%s: %u arguments, wanted %u", fn->name, count,
                         signature.count);
    if (count && !args)
        return hl__error(err, HL_E_INVALID, "%s: args is NULL, count %u", fn->name, count);
    for (i = 0; i < count; i++) {
        if (args[i].type != signature.params[i])
            return hl__error(err, HL_E_SIGNATURE, "%s: argument %u is %s, wanted %s", fn->name,
                             i + 1, hl__type_name(args[i].type),
                             hl__type_name(signature.params[i]));
        wrong = hl__value_check(&args[i]);
        if (wrong)
            return hl__error(err, HL_E_INVALID, "%s: argument %u: %s", fn->name, i + 1, wrong);
    }
    return HL_OK;
}

HL__HOT hl_status hl_import_call(hl_value *ret, const hl_import *fn, const hl_value args[],
                                 uint32_t count, hl_error *err)
{
    struct hl__question question = {.kind = HL_KIND_CALL, .count = count, .values = args};
    hl_value unwanted;
    hl_status status;

    ret = ret ? ret : &unwanted;
    *ret = hl_void();
    if (!fn || !position(&question.index, fn))
        return hl__error(err, HL_E_INVALID, "hl_import_call: fn is %s",
                         fn ? "no row of the import table" : "NULL");
    if (!fits(fn, args, count)) {
        status = check_args(fn, args, count, err);
        if (status)
            return status;
    }
    question.name = fn->name;
    return hl__ask(ret, &question, err);
}

/* ---- Calls that mark the current call as failed ----------------------------------- */

static hl_value zero_result(const hl_import *fn)
{
    struct hl_signature signature = {0};
    hl_value zero = hl_void();

    if (fn)
        hl__signature_parse(&signature, fn->signature, strlen(fn->signature));
    zero.type = signature.result;
    if (zero.type == HL_STR || zero.type == HL_BYTES)
        zero.as.str = "";
    return zero;
}

HL__HOT bool hl_import_try(hl_value *ret, const hl_import *fn, const hl_value args[],
                           uint32_t count)
{
    hl_call *call = hl__current;
    hl_error err;

    if (!call->status) {
        if (!hl_import_call(ret, fn, args, count, &err))
            return true;
        hl__call_fail(call, err.status, err.status == HL_E_FAILED ? err.code : err.status,
                      err.text);
    }
    if (ret)
        *ret = zero_result(fn);
    return false;
}
