/* SPDX-License-Identifier: Apache-2.0 */
/* Text to integers. */
#include <ctype.h>
#include <errno.h>
#include <limits.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>

struct number {
    uint64_t magnitude;
    bool negative;
    bool too_large; /* the magnitude did not fit */
};

/* Value of a digit, or 36 for what is none in any base. */
static unsigned digit_value(char c)
{
    int lower = tolower((unsigned char)c);

    if (isdigit(lower))
        return (unsigned)(lower - '0');
    return islower(lower) ? (unsigned)(lower - 'a') + 10 : 36;
}

static bool has_hex_prefix(const char *text)
{
    return text[0] == '0' && (text[1] == 'x' || text[1] == 'X') && digit_value(text[2]) < 16;
}

/* Sets *end behind the digits from text on, or leaves it if there are none. */
static void parse_digits(struct number *number, const char *text, unsigned base, const char **end)
{
    for (; digit_value(*text) < base; text++) {
        if (__builtin_mul_overflow(number->magnitude, base, &number->magnitude) ||
            __builtin_add_overflow(number->magnitude, digit_value(*text), &number->magnitude))
            number->too_large = true;
        *end = text + 1;
    }
}

static struct number parse(const char *text, char **end, int base)
{
    struct number number = {0, false, false};
    const char *stop = text;

    if (base < 0 || base == 1 || base > 36) {
        errno = EINVAL;
        goto out;
    }
    while (isspace((unsigned char)*text))
        text++;
    number.negative = *text == '-';
    if (*text == '-' || *text == '+')
        text++;
    if ((base == 0 || base == 16) && has_hex_prefix(text)) {
        text += 2;
        base = 16;
    } else if (base == 0) {
        base = *text == '0' ? 8 : 10;
    }
    parse_digits(&number, text, (unsigned)base, &stop);
out:
    if (end != NULL)
        *end = (char *)stop;
    return number;
}

/* max is the type's largest value; its smallest is -max - 1. */
static int64_t parse_signed(const char *text, char **end, int base, int64_t max)
{
    struct number number = parse(text, end, base);
    uint64_t limit = (uint64_t)max + number.negative;

    if (number.too_large || number.magnitude > limit) {
        errno = ERANGE;
        number.magnitude = limit;
    }
    return (int64_t)(number.negative ? 0 - number.magnitude : number.magnitude);
}

static uint64_t parse_unsigned(const char *text, char **end, int base, uint64_t max)
{
    struct number number = parse(text, end, base);

    if (number.too_large || number.magnitude > max) {
        errno = ERANGE;
        return max;
    }
    return number.negative ? 0 - number.magnitude : number.magnitude;
}

long strtol(const char *restrict text, char **restrict end, int base)
{
    return (long)parse_signed(text, end, base, LONG_MAX);
}

unsigned long strtoul(const char *restrict text, char **restrict end, int base)
{
    return (unsigned long)parse_unsigned(text, end, base, ULONG_MAX);
}

long long strtoll(const char *restrict text, char **restrict end, int base)
{
    return parse_signed(text, end, base, LLONG_MAX);
}

unsigned long long strtoull(const char *restrict text, char **restrict end, int base)
{
    return parse_unsigned(text, end, base, ULLONG_MAX);
}
