/* SPDX-License-Identifier: Apache-2.0 */
/* A plug-in: capital letters. */
#include <ctype.h>
#include <hyperlight/easy.h>
#include <string.h>

HL_FUNCTION(str, Transform, (str, text))
{
    const size_t size = strlen(text) + 1;
    char *out = hl_call_alloc(call, size);
    size_t i;

    if (!out)
        return hl_fail(call, 1, "no memory"), "";
    for (i = 0; i < size; i++)
        out[i] = (char)toupper((unsigned char)text[i]);
    return out;
}
