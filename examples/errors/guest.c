/* SPDX-License-Identifier: Apache-2.0 */
/* A guest that fails in several ways. */
#include <hyperlight/easy.h>
#include <stdio.h>

HL_IMPORT(i32, Lookup, (str, name))

/* Its own errors: a code and a text for the host. The sandbox stays READY. */
HL_FUNCTION(i32, Divide, (i32, a, i32, b))
{
    if (!b || (a == INT32_MIN && b == -1))
        return hl_fail(call, 33, "this quotient does not exist"), 0;
    return a / b;
}

/* An error of the host that it does not handle becomes its own. */
HL_FUNCTION(i32, Price, (str, name))
{
    return 2 * Lookup(name);
}

/* Or it handles it: hl_recover says what it was, and clears it. */
HL_FUNCTION(i32, PriceOrZero, (str, name))
{
    const int32_t price = Lookup(name);
    hl_error err;
    char line[200];

    if (!hl_recover(&err))
        return 2 * price;
    snprintf(line, sizeof line, "  guest: no price, because the host says: %s\n", err.text);
    hl_print(line);
    return 0;
}

/* What nobody planned: the processor ends it. */
HL_FUNCTION(i32, Crash, (u32, address))
{
    return *(volatile int32_t *)(uintptr_t)address;
}

HL_FUNCTION(void, GiveUp, ())
{
    hl_abort(7, "nothing makes sense any more");
}
