/* SPDX-License-Identifier: Apache-2.0 */
/* A guest that may not come back. */
#include <hyperlight/easy.h>

static volatile uint32_t rounds;

HL_FUNCTION(u32, Spin, ())
{
    for (;;)
        rounds++;
}

HL_FUNCTION(u32, Short, ())
{
    return ++rounds;
}
