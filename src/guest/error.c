/* SPDX-License-Identifier: Apache-2.0 */
/* Fills hl_error. */
#include "../shared/utf8.h"
#include "../shared/wire.h"
#include "runtime.h"

hl_status hl__ok(hl_error *err)
{
    if (err) {
        __builtin_memset(err, 0, offsetof(hl_error, text));
        err->text[0] = '\0';
    }
    return HL_OK;
}

hl_status hl__error(hl_error *err, hl_status status, const char *format, ...)
{
    char text[sizeof err->text + 3]; /* room for a character cut in two */
    va_list args;
    size_t len;

    if (!err)
        return status;
    hl__ok(err);
    err->status = status;
    va_start(args, format);
    len = hl__format(text, sizeof text, format, args);
    va_end(args);
    len = hl__utf8_cut(text, len, sizeof err->text - 1);
    __builtin_memcpy(err->text, text, len);
    err->text[len] = '\0';
    return status;
}

hl_status hl__texts_check(const char *what, const hl_value texts[2], hl_error *err)
{
    static const char *const names[] = {"name", "signature"};
    const char *wrong;
    int i;

    for (i = 0; i < 2; i++) {
        wrong = hl__value_check(&texts[i]);
        if (wrong)
            return hl__error(err, HL_E_INVALID, "%s: %s: %s", what, names[i], wrong);
    }
    return HL_OK;
}
