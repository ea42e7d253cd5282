/* SPDX-License-Identifier: Apache-2.0 */
/* A plug-in that uses what its host offers. */
#include <hyperlight/easy.h>
#include <stdio.h>
#include <string.h>

HL_IMPORT(str, Author, ())

HL_FUNCTION(str, Transform, (str, text))
{
    char name[64], *out = hl_call_alloc(call, strlen(text) + sizeof name + 8);

    snprintf(name, sizeof name, "%s", Author());
    if (!out)
        return hl_fail(call, 1, "no memory"), "";
    snprintf(out, strlen(text) + sizeof name + 8, "%s -- %s", text, name);
    return out;
}
