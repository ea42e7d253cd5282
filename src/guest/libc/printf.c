/* SPDX-License-Identifier: Apache-2.0 */
/* Formatted text into a buffer. */
#include "printf.h"

#include <limits.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

/* A va_list that can be passed by address: some are arrays, some are not. */
struct args {
    va_list list;
};

void hl__sink_text(struct hl__sink *sink, const char *text, size_t size)
{
    size_t n = size < sink->room ? size : sink->room;

    sink->total += size;
    if (n == 0)
        return;
    memcpy(sink->at, text, n);
    sink->at += n;
    sink->room -= n;
}

void hl__sink_fill(struct hl__sink *sink, char c, size_t count)
{
    size_t n = count < sink->room ? count : sink->room;

    sink->total += count;
    if (n == 0)
        return;
    memset(sink->at, c, n);
    sink->at += n;
    sink->room -= n;
}

size_t hl__sink_before(struct hl__sink *sink, const struct hl__spec *spec, const char *prefix,
                       size_t body)
{
    size_t size = strlen(prefix) + body;
    size_t pad = size < (size_t)spec->width ? (size_t)spec->width - size : 0;
    bool zeros = spec->zero && !spec->left;

    if (!zeros && !spec->left)
        hl__sink_fill(sink, ' ', pad);
    hl__sink_text(sink, prefix, strlen(prefix));
    if (zeros)
        hl__sink_fill(sink, '0', pad);
    return spec->left ? pad : 0;
}

const char *hl__sign(const struct hl__spec *spec, bool negative)
{
    if (negative)
        return "-";
    if (spec->plus)
        return "+";
    return spec->space ? " " : "";
}

/* ---- reading a conversion ---- */

/* A decimal number at *at, at most INT_MAX, or -1 if it is larger. */
static int read_number(const char **at)
{
    int64_t number = 0;

    for (; **at >= '0' && **at <= '9'; ++*at) {
        if (number <= INT_MAX)
            number = number * 10 + (**at - '0');
    }
    return number <= INT_MAX ? (int)number : -1;
}

static void read_flags(struct hl__spec *spec, const char **at)
{
    for (;; ++*at) {
        switch (**at) {
        case '-':
            spec->left = true;
            break;
        case '+':
            spec->plus = true;
            break;
        case ' ':
            spec->space = true;
            break;
        case '#':
            spec->alternate = true;
            break;
        case '0':
            spec->zero = true;
            break;
        default:
            return;
        }
    }
}

/* False if the width or the precision does not fit an int. */
static bool read_sizes(struct hl__spec *spec, const char **at, struct args *args)
{
    if (**at == '*') {
        ++*at;
        spec->width = va_arg(args->list, int);
        if (spec->width == INT_MIN)
            return false;
        if (spec->width < 0) {
            spec->left = true;
            spec->width = -spec->width;
        }
    } else {
        spec->width = read_number(at);
    }
    spec->precision = -1;
    if (**at != '.')
        return spec->width >= 0;
    ++*at;
    if (**at == '*') {
        ++*at;
        spec->precision = va_arg(args->list, int); /* negative: as if not given */
        return spec->width >= 0;
    }
    spec->precision = read_number(at);
    return spec->width >= 0 && spec->precision >= 0;
}

static enum hl__length read_length(const char **at)
{
    char c = **at;

    if (c == '\0' || strchr("hlzjtL", c) == NULL)
        return HL__LENGTH_INT;
    ++*at;
    if ((c == 'h' || c == 'l') && **at == c) {
        ++*at;
        return c == 'h' ? HL__LENGTH_HH : HL__LENGTH_LL;
    }
    switch (c) {
    case 'h':
        return HL__LENGTH_H;
    case 'l':
        return HL__LENGTH_L;
    case 'z':
        return HL__LENGTH_Z;
    case 'j':
        return HL__LENGTH_J;
    case 't':
        return HL__LENGTH_T;
    default:
        return HL__LENGTH_LONG_DOUBLE;
    }
}

/* ---- the conversions ---- */

static int64_t signed_arg(enum hl__length length, struct args *args)
{
    switch (length) {
    case HL__LENGTH_HH:
        return (signed char)va_arg(args->list, int);
    case HL__LENGTH_H:
        return (short)va_arg(args->list, int);
    case HL__LENGTH_L:
        return va_arg(args->list, long);
    case HL__LENGTH_LL:
        return va_arg(args->list, long long);
    case HL__LENGTH_Z:
    case HL__LENGTH_T:
        return va_arg(args->list, ptrdiff_t);
    case HL__LENGTH_J:
        return va_arg(args->list, intmax_t);
    default:
        return va_arg(args->list, int);
    }
}

static uint64_t unsigned_arg(enum hl__length length, struct args *args)
{
    switch (length) {
    case HL__LENGTH_HH:
        return (unsigned char)va_arg(args->list, unsigned);
    case HL__LENGTH_H:
        return (unsigned short)va_arg(args->list, unsigned);
    case HL__LENGTH_L:
        return va_arg(args->list, unsigned long);
    case HL__LENGTH_LL:
        return va_arg(args->list, unsigned long long);
    case HL__LENGTH_Z:
    case HL__LENGTH_T:
        return va_arg(args->list, size_t);
    case HL__LENGTH_J:
        return va_arg(args->list, uintmax_t);
    default:
        return va_arg(args->list, unsigned);
    }
}

static unsigned base_of(char conversion)
{
    switch (conversion) {
    case 'o':
        return 8;
    case 'x':
    case 'X':
        return 16;
    default:
        return 10;
    }
}

/* `spec` is taken by value: a precision switches its zero flag off. */
static void print_integer(struct hl__sink *sink, struct hl__spec spec, const char *prefix,
                          uint64_t value)
{
    const char *set = spec.conversion == 'X' ? "0123456789ABCDEF" : "0123456789abcdef";
    unsigned base = base_of(spec.conversion);
    char digits[24]; /* 22 octal ones at most */
    char *first = digits + sizeof digits;
    size_t count, zeros, after;

    for (; value != 0; value /= base)
        *--first = set[value % base];
    count = (size_t)(digits + sizeof digits - first);
    if (spec.precision >= 0)
        spec.zero = false;
    else
        spec.precision = 1;
    zeros = count < (size_t)spec.precision ? (size_t)spec.precision - count : 0;
    if (base == 8 && spec.alternate && zeros == 0)
        zeros = 1;
    after = hl__sink_before(sink, &spec, prefix, zeros + count);
    hl__sink_fill(sink, '0', zeros);
    hl__sink_text(sink, first, count);
    hl__sink_fill(sink, ' ', after);
}

static void print_text(struct hl__sink *sink, const struct hl__spec *spec, const char *text,
                       size_t size)
{
    size_t pad = size < (size_t)spec->width ? (size_t)spec->width - size : 0;

    if (!spec->left)
        hl__sink_fill(sink, ' ', pad);
    hl__sink_text(sink, text, size);
    if (spec->left)
        hl__sink_fill(sink, ' ', pad);
}

static void print_signed(struct hl__sink *sink, const struct hl__spec *spec, struct args *args)
{
    int64_t value = signed_arg(spec->length, args);
    uint64_t magnitude = value < 0 ? 0 - (uint64_t)value : (uint64_t)value;

    print_integer(sink, *spec, hl__sign(spec, value < 0), magnitude);
}

static void print_unsigned(struct hl__sink *sink, const struct hl__spec *spec, struct args *args)
{
    uint64_t value = unsigned_arg(spec->length, args);
    const char *prefix = "";

    if (spec->alternate && value != 0 && spec->conversion == 'x')
        prefix = "0x";
    else if (spec->alternate && value != 0 && spec->conversion == 'X')
        prefix = "0X";
    print_integer(sink, *spec, prefix, value);
}

static void print_pointer(struct hl__sink *sink, struct hl__spec spec, struct args *args)
{
    uintptr_t value = (uintptr_t)va_arg(args->list, void *);

    if (value == 0) {
        print_text(sink, &spec, "(nil)", 5);
        return;
    }
    spec.conversion = 'x';
    print_integer(sink, spec, "0x", value);
}

static void print_string(struct hl__sink *sink, const struct hl__spec *spec, struct args *args)
{
    const char *text = va_arg(args->list, const char *);
    size_t size;

    if (text == NULL)
        text = "(null)";
    if (spec->precision >= 0)
        size = strnlen(text, (size_t)spec->precision);
    else
        size = strlen(text);
    print_text(sink, spec, text, size);
}

static void print_double(struct hl__sink *sink, const struct hl__spec *spec, struct args *args)
{
    double value = spec->length == HL__LENGTH_LONG_DOUBLE ? (double)va_arg(args->list, long double)
                                                          : va_arg(args->list, double);

    hl__print_double(sink, spec, value);
}

/* What the library refuses or does not know: as it stands, its argument skipped. */
static void print_literal(struct hl__sink *sink, const struct hl__spec *spec, struct args *args,
                          const char *text, size_t size)
{
    if (spec->conversion == 'n' || spec->conversion == 's') {
        (void)va_arg(args->list, void *);
    } else if (spec->conversion == 'a' || spec->conversion == 'A') {
        if (spec->length == HL__LENGTH_LONG_DOUBLE)
            (void)va_arg(args->list, long double);
        else
            (void)va_arg(args->list, double);
    }
    hl__sink_text(sink, text, size);
}

/* False if the conversion is to be printed as a literal. */
static bool print_one(struct hl__sink *sink, const struct hl__spec *spec, struct args *args)
{
    char c;

    switch (spec->conversion) {
    case '%':
        hl__sink_text(sink, "%", 1);
        return true;
    case 'c':
        c = (char)va_arg(args->list, int);
        print_text(sink, spec, &c, 1);
        return true;
    case 'd':
    case 'i':
        print_signed(sink, spec, args);
        return true;
    case 'u':
    case 'o':
    case 'x':
    case 'X':
        print_unsigned(sink, spec, args);
        return true;
    case 'p':
        print_pointer(sink, *spec, args);
        return true;
    case 's':
        if (spec->length == HL__LENGTH_L) /* wide characters */
            return false;
        print_string(sink, spec, args);
        return true;
    case 'f':
    case 'F':
    case 'e':
    case 'E':
    case 'g':
    case 'G':
        print_double(sink, spec, args);
        return true;
    default:
        return false;
    }
}

/* False if a width, a precision or the whole text is too long. */
static bool print_all(struct hl__sink *sink, const char *format, struct args *args)
{
    while (*format != '\0') {
        struct hl__spec spec = {0};
        const char *start = format;

        while (*format != '\0' && *format != '%')
            format++;
        hl__sink_text(sink, start, (size_t)(format - start));
        if (*format == '\0')
            break;
        start = format++;
        read_flags(&spec, &format);
        if (!read_sizes(&spec, &format, args))
            return false;
        spec.length = read_length(&format);
        spec.conversion = *format;
        if (*format != '\0')
            format++;
        if (!print_one(sink, &spec, args))
            print_literal(sink, &spec, args, start, (size_t)(format - start));
        if (sink->total > INT_MAX)
            return false;
    }
    return sink->total <= INT_MAX;
}

int vsnprintf(char *restrict to, size_t size, const char *restrict format, va_list list)
{
    struct hl__sink sink = {to, size > 0 ? size - 1 : 0, 0};
    struct args args;
    bool fits;

    va_copy(args.list, list);
    fits = print_all(&sink, format, &args);
    va_end(args.list);
    if (size > 0)
        *sink.at = '\0';
    return fits ? (int)sink.total : -1;
}

int snprintf(char *restrict to, size_t size, const char *restrict format, ...)
{
    va_list args;
    int n;

    va_start(args, format);
    n = vsnprintf(to, size, format, args);
    va_end(args);
    return n;
}
