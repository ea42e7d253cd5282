/* SPDX-License-Identifier: Apache-2.0 */
/* A guest that is slow to get ready: it looks for primes. */
#include <hyperlight/easy.h>

enum { LIMIT = 1 << 16 };
static bool composite[LIMIT];

HL_FUNCTION(void, WarmUp, ())
{
    uint32_t i, k;

    for (i = 2; i * i < LIMIT; i++)
        for (k = i * i; !composite[i] && k < LIMIT; k += i)
            composite[k] = true;
}

HL_FUNCTION(bool, IsPrime, (u32, n))
{
    return n > 1 && n < LIMIT && !composite[n];
}
