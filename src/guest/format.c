/* SPDX-License-Identifier: Apache-2.0 */
/* Formats the runtime's own messages, so that a guest without printf has none. */
#include <string.h>

#include "runtime.h"

struct out {
    char *at, *end; /* the last byte is for the NUL */
};

static void put(struct out *out, const char *text, size_t size)
{
    const size_t room = (size_t)(out->end - out->at), n = size < room ? size : room;

    memcpy(out->at, text, n);
    out->at += n;
}

static void put_number(struct out *out, unsigned long long number, bool negative)
{
    char digits[21], *first = digits + sizeof digits;

    do
        *--first = (char)('0' + number % 10);
    while (number /= 10);
    if (negative)
        *--first = '-';
    put(out, first, (size_t)(digits + sizeof digits - first));
}

/* One conversion, from behind its '%'; what comes after it. */
static const char *convert(struct out *out, const char *format, va_list *list)
{
    const char *text;
    size_t most = SIZE_MAX;
    int number;

    if (!strncmp(format, "llu", 3)) {
        put_number(out, va_arg(*list, unsigned long long), false);
        return format + 3;
    }
    if (!strncmp(format, ".*", 2)) {
        most = va_arg(*list, unsigned);
        format += 2;
    }
    if (*format == 's') {
        text = va_arg(*list, const char *);
        put(out, text, strnlen(text, most));
    } else if (*format == 'u') {
        put_number(out, va_arg(*list, unsigned), false);
    } else {
        number = va_arg(*list, int);
        put_number(out, number < 0 ? 0ull - (unsigned long long)number : (unsigned)number,
                   number < 0);
    }
    return format + 1;
}

size_t hl__format(char *to, size_t room, const char *format, va_list list)
{
    struct out out = {to, to + room - 1};
    const char *plain;
    va_list rest;

    va_copy(rest, list);
    while (*format) {
        plain = format;
        while (*format && *format != '%')
            format++;
        put(&out, plain, (size_t)(format - plain));
        if (*format)
            format = convert(&out, format + 1, &rest);
    }
    va_end(rest);
    *out.at = '\0';
    return (size_t)(out.at - to);
}
