/* SPDX-License-Identifier: Apache-2.0 */
/* Formats one-line error texts that are safe to print. */
#include "error.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "../shared/utf8.h"

/* The length of the printable character at p, 0 if its first byte must be
 * escaped. */
static size_t printable(const char *p, size_t left)
{
    unsigned char first = (unsigned char)*p;
    size_t n;

    if (first < 0x20 || first == 0x7f)
        return 0;
    for (n = 1; n <= 4 && n <= left; n++)
        if (hl__utf8_valid(p, n))
            return first == 0xc2 && (unsigned char)p[1] < 0xa0 ? 0 : n; /* C1 controls */
    return 0;
}

static void escape(char *out, size_t room, const char *line, size_t len)
{
    static const char hex[] = "0123456789abcdef";
    size_t n;

    for (; len; line += n, len -= n) {
        n = printable(line, len);
        if ((n ? n : 4) >= room)
            break;
        if (n) {
            memcpy(out, line, n);
            out += n;
            room -= n;
            continue;
        }
        n = 1;
        *out++ = '\\';
        *out++ = 'x';
        *out++ = hex[(unsigned char)*line >> 4];
        *out++ = hex[*line & 15];
        room -= 4;
    }
    *out = '\0';
}

hl_status error_write(hl_error *err, hl_status status, const char *format, ...)
{
    char line[2 * sizeof err->text];
    va_list args;
    int n;

    if (!err)
        return status;
    memset(err, 0, offsetof(hl_error, text));
    err->status = status;
    va_start(args, format);
    n = vsnprintf(line, sizeof line, format, args);
    va_end(args);
    escape(err->text, sizeof err->text, line, n < 0 ? 0 : strlen(line));
    return status;
}

hl_status error_errno(hl_error *err, int number, const char *what)
{
    return error_set(err, number == ENOMEM ? HL_E_MEMORY : HL_E_SYSTEM, "%s: %s", what,
                     strerror(number));
}

hl_status error_within(hl_error *err, const char *what)
{
    char text[sizeof err->text];

    memcpy(text, err->text, sizeof text);
    return error_set(err, err->status, "%.255s: %s", what, text);
}

hl_status error_none(hl_error *err)
{
    if (err) {
        memset(err, 0, offsetof(hl_error, text));
        memcpy(err->text, "ok", sizeof "ok");
    }
    return HL_OK;
}
