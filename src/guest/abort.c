/* SPDX-License-Identifier: Apache-2.0 */
/* The end of a guest that gives up. */
#include <string.h>

#include "../shared/utf8.h"
#include "runtime.h"

void hl_abort(int32_t code, const char *text)
{
    const size_t len = text ? strlen(text) : 0;
    hl_value values[2];

    values[0] = hl_i32(code);
    values[1] = hl_bytes(text, (uint32_t)hl__utf8_cut(text, len, HL_FAIL_TEXT_MAX));
    hl__put(hl__current, HL_KIND_ABORT, 0, values, 2);
    hl__gate();
    __builtin_trap();
}
