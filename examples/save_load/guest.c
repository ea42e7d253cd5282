/* SPDX-License-Identifier: Apache-2.0 */
/* A guest whose init takes long: it finds the primes below a million. */
#include <hyperlight/easy.h>

enum { LIMIT = 1000000 };

static uint8_t composite[LIMIT];
static uint32_t primes;

static hl_status find_primes(hl_call *call, const hl_value args[], hl_value *ret)
{
    uint32_t i, k;

    (void)call;
    (void)args;
    (void)ret;
    for (i = 2; i < LIMIT; i++) {
        primes += !composite[i];
        for (k = 2 * i; !composite[i] && k < LIMIT; k += i)
            composite[k] = 1;
    }
    return HL_OK;
}
HL_INIT(find_primes);

HL_FUNCTION(u32, CountPrimes, ())
{
    return primes;
}

HL_FUNCTION(bool, IsPrime, (u32, n))
{
    return n >= 2 && n < LIMIT && !composite[n];
}
