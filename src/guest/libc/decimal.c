/* SPDX-License-Identifier: Apache-2.0 */
/* Doubles as exact decimal numbers.
 *
 * A double is m * 2^e with integers m < 2^53 and e. For e >= 0 that is an integer; for
 * e < 0 it is m * 5^-e * 10^e, again an integer with the point moved. So all it takes
 * is an integer in base 10^9 and multiplication by small numbers. */
#include "decimal.h"

#include <string.h>

#define LIMB 1000000000u /* nine digits */
#define LIMB_DIGITS 9
#define LIMBS (HL__DECIMAL_DIGITS / LIMB_DIGITS)

struct big {
    uint32_t limbs[LIMBS]; /* lowest first */
    int count;
};

static void multiply(struct big *big, uint32_t factor)
{
    uint64_t carry = 0;

    for (int i = 0; i < big->count; i++) {
        carry += (uint64_t)big->limbs[i] * factor;
        big->limbs[i] = (uint32_t)(carry % LIMB);
        carry /= LIMB;
    }
    for (; carry != 0; carry /= LIMB)
        big->limbs[big->count++] = (uint32_t)(carry % LIMB);
}

/* times base^power; `step` is base^step_power, the largest that fits 32 bits. */
static void multiply_power(struct big *big, uint32_t base, int power, uint32_t step, int step_power)
{
    for (; power >= step_power; power -= step_power)
        multiply(big, step);
    for (; power > 0; power--)
        multiply(big, base);
}

static void write_digits(struct hl__decimal *decimal, const struct big *big)
{
    char *digits = decimal->digits;
    int count = big->count * LIMB_DIGITS, skip = 0;

    for (int i = 0; i < big->count; i++) {
        char *at = digits + (big->count - i) * LIMB_DIGITS;
        uint32_t limb = big->limbs[i];

        for (int n = 0; n < LIMB_DIGITS; n++, limb /= 10)
            *--at = (char)('0' + limb % 10);
    }
    while (digits[skip] == '0')
        skip++;
    count -= skip;
    memmove(digits, digits + skip, (size_t)count);
    decimal->exponent += count - 1;
    while (digits[count - 1] == '0')
        count--;
    decimal->count = count;
}

void hl__decimal_from_double(struct hl__decimal *decimal, double value)
{
    struct big big = {.count = 0};
    uint64_t bits, mantissa;
    unsigned shift;
    int exponent;

    memcpy(&bits, &value, sizeof bits);
    mantissa = bits & ((UINT64_C(1) << 52) - 1);
    exponent = (int)(bits >> 52 & 0x7ff);
    decimal->count = 0;
    decimal->exponent = 0;
    if (exponent == 0 && mantissa == 0)
        return;
    if (exponent != 0)
        mantissa |= UINT64_C(1) << 52;
    else
        exponent = 1; /* subnormal */
    exponent -= 1075;
    shift = (unsigned)__builtin_ctzll(mantissa);
    mantissa >>= shift;
    exponent += (int)shift;

    for (; mantissa != 0; mantissa /= LIMB)
        big.limbs[big.count++] = (uint32_t)(mantissa % LIMB);
    if (exponent >= 0) {
        multiply_power(&big, 2, exponent, UINT32_C(1) << 31, 31);
    } else {
        multiply_power(&big, 5, -exponent, UINT32_C(1220703125), 13);
        decimal->exponent = exponent;
    }
    write_digits(decimal, &big);
}

static int rounds_up(const struct hl__decimal *decimal, int keep)
{
    if (decimal->digits[keep] != '5')
        return decimal->digits[keep] > '5';
    if (keep + 1 < decimal->count)
        return 1;
    return keep > 0 && (decimal->digits[keep - 1] - '0') % 2 != 0;
}

void hl__decimal_round(struct hl__decimal *decimal, int64_t keep)
{
    char *digits = decimal->digits;
    int count, up;

    if (keep >= decimal->count)
        return;
    count = keep >= 0 ? (int)keep : 0;
    up = keep >= 0 && rounds_up(decimal, count);
    if (up) {
        while (count > 0 && digits[count - 1] == '9')
            count--;
        if (count > 0) {
            digits[count - 1]++;
        } else {
            digits[count++] = '1';
            decimal->exponent++;
        }
    }
    while (count > 0 && digits[count - 1] == '0')
        count--;
    decimal->count = count;
    if (count == 0)
        decimal->exponent = 0;
}
