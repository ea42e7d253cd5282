/* SPDX-License-Identifier: Apache-2.0 */
/* What a guest function sees of the call in progress. */
#include <stdlib.h>
#include <string.h>

#include "../shared/utf8.h"
#include "runtime.h"

hl_call *hl__current;

uint32_t hl_call_count(const hl_call *call)
{
    return call->count;
}

const char *hl_call_name(const hl_call *call)
{
    return call->name;
}

void *hl_call_user(const hl_call *call)
{
    return call->user;
}

/* ---- Memory for the reply --------------------------------------------------- */

struct hl__block {
    struct hl__block *next;
    _Alignas(16) uint8_t bytes[];
};

void *hl_call_alloc(hl_call *call, size_t size)
{
    struct hl__block *block;

    if (size > HL_LEN_MAX)
        return NULL;
    block = malloc(sizeof *block + size);
    if (!block)
        return NULL;
    block->next = call->blocks;
    call->blocks = block;
    return block->bytes;
}

HL__HOT void hl__call_free(hl_call *call)
{
    struct hl__block *block = call->blocks, *next;

    for (; block; block = next) {
        next = block->next;
        free(block);
    }
    call->blocks = NULL;
}

/* ---- Failing ------------------------------------------------------------------ */

void hl__call_fail(hl_call *call, hl_status status, int32_t code, const char *text)
{
    const size_t len = text ? strlen(text) : 0;

    if (call->status)
        return;
    call->status = status;
    call->code = code;
    call->text_len = (uint32_t)hl__utf8_cut(text, len, HL_FAIL_TEXT_MAX);
    if (text)
        memcpy(call->text, text, call->text_len);
    call->text[call->text_len] = '\0';
}

void hl__call_failf(hl_call *call, int32_t code, const char *format, ...)
{
    char text[HL_FAIL_TEXT_MAX + 4]; /* room for a character cut in two */
    va_list args;

    va_start(args, format);
    hl__format(text, sizeof text, format, args);
    va_end(args);
    hl__call_fail(call, HL_E_FAILED, code, text);
}

hl_status hl_fail(hl_call *call, int32_t code, const char *text)
{
    hl__call_fail(call, HL_E_FAILED, code, text);
    return HL_E_FAILED;
}

HL__HOT hl_status hl_call_status(const hl_call *call)
{
    return call->status;
}

bool hl_recover(hl_error *err)
{
    hl_call *call = hl__current;
    const hl_status status = call->status;

    if (!status) {
        hl__ok(err);
        return false;
    }
    hl__error(err, status, "%s", call->text);
    if (err && status == HL_E_FAILED)
        err->code = call->code;
    call->status = HL_OK;
    return true;
}
