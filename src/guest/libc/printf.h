/* SPDX-License-Identifier: Apache-2.0 */
/* What the formatting files share: where text goes and how it was asked for. */
#ifndef HL_GUEST_LIBC_PRINTF_H
#define HL_GUEST_LIBC_PRINTF_H

#include <stdbool.h>
#include <stddef.h>

struct hl__sink {
    char *at;
    size_t room;  /* bytes that still fit at `at` */
    size_t total; /* bytes written or cut off so far */
};

enum hl__length {
    HL__LENGTH_INT,
    HL__LENGTH_HH,
    HL__LENGTH_H,
    HL__LENGTH_L,
    HL__LENGTH_LL,
    HL__LENGTH_Z,
    HL__LENGTH_J,
    HL__LENGTH_T,
    HL__LENGTH_LONG_DOUBLE
};

struct hl__spec { /* one conversion, "%-8.3f" */
    bool left, plus, space, alternate, zero;
    int width;
    int precision; /* -1: none given */
    enum hl__length length;
    char conversion;
};

void hl__sink_text(struct hl__sink *sink, const char *text, size_t size);
void hl__sink_fill(struct hl__sink *sink, char c, size_t count);

/* Writes the padding and the prefix (a sign, 0x) that go before `body` characters of
 * a number. Returns how many blanks must follow it. */
size_t hl__sink_before(struct hl__sink *sink, const struct hl__spec *spec, const char *prefix,
                       size_t body);

/* "-", "+", " " or "". */
const char *hl__sign(const struct hl__spec *spec, bool negative);

void hl__print_double(struct hl__sink *sink, const struct hl__spec *spec, double value);

#endif
