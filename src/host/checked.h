/* SPDX-License-Identifier: Apache-2.0 */
/* Arithmetic on numbers that a hostile image chose. */
#ifndef HL_HOST_CHECKED_H
#define HL_HOST_CHECKED_H

#include <stdbool.h>
#include <stdint.h>

/* *out = a + b; false if that does not fit. */
static inline bool checked_add(uint64_t *out, uint64_t a, uint64_t b)
{
    return !__builtin_add_overflow(a, b, out);
}

/* *out = x rounded up to a multiple of `to`, a power of two; false if that
 * does not fit. */
static inline bool checked_round_up(uint64_t *out, uint64_t x, uint64_t to)
{
    if (!checked_add(out, x, to - 1))
        return false;
    *out &= ~(to - 1);
    return true;
}

/* [at, at + size) lies in [0, limit). */
static inline bool checked_within(uint64_t at, uint64_t size, uint64_t limit)
{
    return at <= limit && size <= limit - at;
}
#endif
