/* SPDX-License-Identifier: Apache-2.0 */
/* Checks UTF-8, eight ASCII bytes at a time. */
#include "utf8.h"

#include <stdint.h>

static uint64_t load8(const unsigned char *p)
{
    uint64_t word;

    __builtin_memcpy(&word, p, sizeof word);
    return word;
}

/* Eight bytes, none of them NUL, none above 0x7f? */
static bool ascii8(uint64_t word)
{
    const uint64_t high = 0x8080808080808080u;

    return !(word & high) && (((word + 0x7f7f7f7f7f7f7f7fu) & high) == high);
}

/* The length of the well-formed sequence at p, 0 if there is none (RFC 3629,
 * section 4). */
static size_t sequence(const unsigned char *p, size_t left)
{
    unsigned char low = 0x80, high = 0xbf;
    size_t n, i;

    if (p[0] - 1u < 0x7f)
        return 1;
    if (p[0] < 0xc2 || p[0] > 0xf4)
        return 0;
    n = p[0] < 0xe0 ? 2 : p[0] < 0xf0 ? 3 : 4;
    if (n > left)
        return 0;
    if (p[0] == 0xe0)
        low = 0xa0;
    else if (p[0] == 0xed)
        high = 0x9f;
    else if (p[0] == 0xf0)
        low = 0x90;
    else if (p[0] == 0xf4)
        high = 0x8f;
    if (p[1] < low || p[1] > high)
        return 0;
    for (i = 2; i < n && (p[i] & 0xc0) == 0x80; i++)
        ;
    return i == n ? n : 0;
}

bool hl__utf8_valid(const char *text, size_t len)
{
    const unsigned char *p = (const unsigned char *)text;
    size_t n;

    while (len) {
        if (len >= 8 && ascii8(load8(p))) {
            n = 8;
        } else {
            n = sequence(p, len);
            if (!n)
                return false;
        }
        p += n;
        len -= n;
    }
    return true;
}

size_t hl__utf8_cut(const char *text, size_t len, size_t max)
{
    if (len <= max)
        return len;
    while (max && ((unsigned char)text[max] & 0xc0) == 0x80)
        max--;
    return max;
}
