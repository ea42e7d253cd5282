/* SPDX-License-Identifier: Apache-2.0 */
/* The guest that the examples of the manual pages call. */
#include <hyperlight/easy.h>
#include <stdio.h>
#include <string.h>

static uint32_t loaded;

HL_FUNCTION(i32, Add, (i32, a, i32, b))
{
    return a + b;
}

HL_FUNCTION(u32, Hash, (bytes, data))
{
    const uint8_t *at = (const uint8_t *)data.data;
    uint32_t i, sum = 0;

    for (i = 0; i < data.len; i++)
        sum = 31 * sum + at[i];
    return sum;
}

HL_FUNCTION(bytes, Shrink, (bytes, data, bytes, how))
{
    if (how.len != 4 || memcmp(how.data, "fast", 4))
        return hl_fail(call, 1, "only fast"), data;
    data.len /= 2;
    return data;
}

HL_FUNCTION(void, LoadModel, (bytes, weights))
{
    loaded = weights.len;
}

HL_FUNCTION(str, Answer, (str, question))
{
    static char text[40];

    snprintf(text, sizeof text, "%d of %u bytes", *question ? 42 : 0, (unsigned)loaded);
    return text;
}
