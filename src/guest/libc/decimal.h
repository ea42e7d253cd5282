/* SPDX-License-Identifier: Apache-2.0 */
/* Doubles as exact decimal numbers. */
#ifndef HL_GUEST_LIBC_DECIMAL_H
#define HL_GUEST_LIBC_DECIMAL_H

#include <stdint.h>

#define HL__DECIMAL_DIGITS 792 /* no double has more than 767 */

/* d.ddd * 10^exponent, the digits as characters. The first and the last are not '0';
 * zero has no digits and exponent 0. */
struct hl__decimal {
    char digits[HL__DECIMAL_DIGITS];
    int count;
    int exponent;
};

/* The exact value of a finite double, without its sign. */
void hl__decimal_from_double(struct hl__decimal *decimal, double value);

/* Rounds to `keep` digits (which may be none or negative), half to even. */
void hl__decimal_round(struct hl__decimal *decimal, int64_t keep);

#endif
