/* SPDX-License-Identifier: Apache-2.0 */
/* The default HostPrint: text to standard output, safe for a terminal. */
#include <stdio.h>

#include "hosttable.h"
#include "os/os.h"

/* Text goes out in pieces: escapes for a terminal together, and between two of
 * them a print that has been stopped ends. */
enum { PIECE = 4096, ESCAPE = 4 };

static bool put(hl_call *call, const char *text, size_t len)
{
    return !hl_call_stopped(call) && os_print(text, len) >= 0;
}

static bool print_plain(hl_call *call, const char *text, size_t len)
{
    size_t i, n;

    for (i = 0; i < len; i += n) {
        n = len - i < 16 * PIECE ? len - i : 16 * PIECE;
        if (!put(call, text + i, n))
            return false;
    }
    return true;
}

/* The bytes of the control character at p, 0 if it is none. C1 controls are
 * two bytes in UTF-8, 0xc2 0x80 to 0x9f. */
static size_t control(const char *p, size_t left)
{
    const unsigned char first = (unsigned char)*p;

    if (first == 0xc2 && left > 1 && (unsigned char)p[1] < 0xa0)
        return 2;
    return (first < 0x20 && first != '\n' && first != '\t') || first == 0x7f;
}

/* Controls become \xNN, everything else stays what it is. */
static bool print_escaped(hl_call *call, const char *text, size_t len)
{
    char piece[PIECE + 1]; /* and a NUL */
    size_t used = 0, i, n;

    for (i = 0; i < len; i += n ? n : 1) {
        if (used + ESCAPE > PIECE) {
            if (!put(call, piece, used))
                return false;
            used = 0;
        }
        n = control(text + i, len - i);
        if (n)
            used += (size_t)snprintf(piece + used, ESCAPE + 1, "\\x%02x",
                                     (unsigned)(unsigned char)text[i + n - 1]);
        else
            piece[used++] = text[i];
    }
    return put(call, piece, used);
}

hl_status host_print(hl_call *call, const hl_value args[], hl_value *ret)
{
    const bool done = os_print_to_terminal() ? print_escaped(call, args[0].as.str, args[0].len)
                                             : print_plain(call, args[0].as.str, args[0].len);

    if (!done)
        return hl_fail(call, 1, "standard output cannot be written");
    *ret = hl_i32((int32_t)args[0].len);
    return HL_OK;
}
