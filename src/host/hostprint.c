/* SPDX-License-Identifier: Apache-2.0 */
/* The default HostPrint: text to standard output, safe for a terminal. */
#include <stdio.h>

#include "hosttable.h"
#include "os/os.h"

static bool is_control(unsigned char byte)
{
    return (byte < 0x20 && byte != '\n' && byte != '\t') || byte == 0x7f;
}

/* Writes runs of harmless bytes as they are and the rest as \xNN. C1 controls
 * are two bytes in UTF-8, 0xc2 0x80 to 0x9f. */
static int32_t print_escaped(const char *text, size_t len)
{
    const unsigned char *p = (const unsigned char *)text;
    size_t start = 0, i, n;
    char escape[16];
    int k;

    for (i = 0; i < len; i += n) {
        n = 1;
        if (p[i] == 0xc2 && i + 1 < len && p[i + 1] < 0xa0)
            n = 2;
        else if (!is_control(p[i]))
            continue;
        if (os_print(text + start, i - start) < 0)
            return -1;
        k = snprintf(escape, sizeof escape, "\\x%02x", p[i + n - 1]);
        if (os_print(escape, (size_t)k) < 0)
            return -1;
        start = i + n;
    }
    return os_print(text + start, len - start) < 0 ? -1 : (int32_t)len;
}

hl_status host_print(hl_call *call, const hl_value args[], hl_value *ret)
{
    int32_t n = os_print_to_terminal() ? print_escaped(args[0].as.str, args[0].len)
                                       : os_print(args[0].as.str, args[0].len);

    if (n < 0)
        return hl_fail(call, 1, "standard output cannot be written");
    *ret = hl_i32(n);
    return HL_OK;
}
