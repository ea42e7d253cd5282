/* SPDX-License-Identifier: Apache-2.0 */
/* A guest that works: the longest Collatz chain of a range of numbers. */
#include <hyperlight/easy.h>

static uint32_t steps_of(uint64_t x)
{
    uint32_t steps = 0;

    for (; x != 1; x = x % 2 ? 3 * x + 1 : x / 2)
        steps++;
    return steps;
}

/* The number in [from, from + count) that takes most steps; from >= 1. */
HL_FUNCTION(u64, Longest, (u64, from, u32, count))
{
    uint64_t best = from;
    uint32_t most = 0, steps, i;

    for (i = 0; i < count; i++) {
        steps = steps_of(from + i);
        if (steps > most) {
            most = steps;
            best = from + i;
        }
    }
    return best;
}

HL_FUNCTION(u32, Steps, (u64, x))
{
    return steps_of(x);
}
