/* SPDX-License-Identifier: Apache-2.0 */
/* Formatted doubles: f, e and g. */
#include "decimal.h"
#include "printf.h"

#include <stdint.h>
#include <string.h>

#define PRECISION_DEFAULT 6

/* `count` digits from digit `from` on; there are zeros on both sides of them. */
static void print_digits(struct hl__sink *sink, const struct hl__decimal *decimal, int64_t from,
                         int64_t count)
{
    int64_t n = from < 0 ? -from : 0;

    if (n > count)
        n = count;
    hl__sink_fill(sink, '0', (size_t)n);
    from += n;
    count -= n;
    n = from < decimal->count ? decimal->count - from : 0;
    if (n > count)
        n = count;
    hl__sink_text(sink, decimal->digits + (n > 0 ? from : 0), (size_t)n);
    hl__sink_fill(sink, '0', (size_t)(count - n));
}

static void print_fixed(struct hl__sink *sink, const struct hl__spec *spec, const char *sign,
                        const struct hl__decimal *decimal)
{
    int64_t units = decimal->exponent; /* index of the digit before the point */
    int64_t first = units < 0 ? units : 0;
    bool point = spec->precision > 0 || spec->alternate;
    size_t body = (size_t)(units - first) + 1 + point + (size_t)spec->precision;
    size_t after = hl__sink_before(sink, spec, sign, body);

    print_digits(sink, decimal, first, units - first + 1);
    hl__sink_text(sink, ".", point);
    print_digits(sink, decimal, units + 1, spec->precision);
    hl__sink_fill(sink, ' ', after);
}

/* "e+05" or "E-300" into text; returns its length. */
static size_t write_exponent(char text[5], char e, int exponent)
{
    unsigned rest = (unsigned)(exponent < 0 ? -exponent : exponent);
    size_t n = 0;

    text[n++] = e;
    text[n++] = exponent < 0 ? '-' : '+';
    if (rest >= 100)
        text[n++] = (char)('0' + rest / 100);
    text[n++] = (char)('0' + rest / 10 % 10);
    text[n++] = (char)('0' + rest % 10);
    return n;
}

static void print_scientific(struct hl__sink *sink, const struct hl__spec *spec, const char *sign,
                             const struct hl__decimal *decimal)
{
    bool upper = spec->conversion == 'E' || spec->conversion == 'G';
    bool point = spec->precision > 0 || spec->alternate;
    char exponent[5];
    size_t size = write_exponent(exponent, upper ? 'E' : 'e', decimal->exponent);
    size_t body = 1 + point + (size_t)spec->precision + size;
    size_t after = hl__sink_before(sink, spec, sign, body);

    print_digits(sink, decimal, 0, 1);
    hl__sink_text(sink, ".", point);
    print_digits(sink, decimal, 1, spec->precision);
    hl__sink_text(sink, exponent, size);
    hl__sink_fill(sink, ' ', after);
}

/* The precision counts significant digits, and zeros at the end go unless '#'. */
static void print_general(struct hl__sink *sink, struct hl__spec *spec, const char *sign,
                          struct hl__decimal *decimal)
{
    int significant = spec->precision > 0 ? spec->precision : 1;
    int exponent, used;
    bool fixed;

    hl__decimal_round(decimal, significant);
    exponent = decimal->exponent;
    fixed = exponent >= -4 && exponent < significant;
    used = decimal->count;
    if (spec->alternate)
        used = significant;
    else if (used == 0)
        used = 1; /* zero is printed as one digit */
    spec->precision = used - 1 - (fixed ? exponent : 0);
    if (spec->precision < 0)
        spec->precision = 0;
    if (fixed)
        print_fixed(sink, spec, sign, decimal);
    else
        print_scientific(sink, spec, sign, decimal);
}

static void print_not_finite(struct hl__sink *sink, struct hl__spec *spec, const char *sign,
                             const char *text)
{
    size_t after;

    spec->zero = false;
    after = hl__sink_before(sink, spec, sign, strlen(text));
    hl__sink_text(sink, text, strlen(text));
    hl__sink_fill(sink, ' ', after);
}

void hl__print_double(struct hl__sink *sink, const struct hl__spec *asked, double value)
{
    struct hl__spec spec = *asked;
    bool upper = spec.conversion >= 'A' && spec.conversion <= 'Z';
    struct hl__decimal decimal;
    const char *sign;
    uint64_t bits;

    memcpy(&bits, &value, sizeof bits);
    sign = hl__sign(&spec, bits >> 63 != 0);
    if (spec.precision < 0)
        spec.precision = PRECISION_DEFAULT;
    if ((bits >> 52 & 0x7ff) == 0x7ff) {
        bool infinite = bits << 12 == 0;

        print_not_finite(sink, &spec, sign,
                         infinite ? (upper ? "INF" : "inf") : (upper ? "NAN" : "nan"));
        return;
    }
    hl__decimal_from_double(&decimal, value);
    switch (spec.conversion) {
    case 'f':
    case 'F':
        hl__decimal_round(&decimal, (int64_t)decimal.exponent + 1 + spec.precision);
        print_fixed(sink, &spec, sign, &decimal);
        break;
    case 'e':
    case 'E':
        hl__decimal_round(&decimal, (int64_t)spec.precision + 1);
        print_scientific(sink, &spec, sign, &decimal);
        break;
    default:
        print_general(sink, &spec, sign, &decimal);
        break;
    }
}
