/* SPDX-License-Identifier: Apache-2.0 */
/* Measuring, comparing and copying NUL-terminated strings. */
#include "attributes.h"

#include <stdint.h>
#include <string.h>

#define ONES UINT64_C(0x0101010101010101)
#define HIGHS (ONES << 7)

typedef uint64_t word __attribute__((may_alias));

/* Aligned words never cross into a page that the string does not touch. */
HL__KEEP_LOOP HL__READS_WORDS size_t strlen(const char *text)
{
    const char *at = text;
    const word *w;

    for (; (uintptr_t)at % sizeof *w != 0; at++) {
        if (*at == '\0')
            return (size_t)(at - text);
    }
    w = (const void *)at;
    while (((*w - ONES) & ~*w & HIGHS) == 0) /* no byte of *w is zero */
        w++;
    for (at = (const char *)w; *at != '\0'; at++)
        ;
    return (size_t)(at - text);
}

size_t strnlen(const char *text, size_t max)
{
    size_t n = 0;

    while (n < max && text[n] != '\0')
        n++;
    return n;
}

int strcmp(const char *a, const char *b)
{
    for (; *a != '\0' && *a == *b; a++)
        b++;
    return (unsigned char)*a - (unsigned char)*b;
}

int strncmp(const char *a, const char *b, size_t max)
{
    for (; max > 0; max--, a++, b++) {
        if (*a != *b || *a == '\0')
            return (unsigned char)*a - (unsigned char)*b;
    }
    return 0;
}

char *strcpy(char *restrict to, const char *restrict from)
{
    return memcpy(to, from, strlen(from) + 1);
}

char *strncpy(char *restrict to, const char *restrict from, size_t size)
{
    size_t n = strnlen(from, size);

    memcpy(to, from, n);
    memset(to + n, 0, size - n);
    return to;
}

char *strcat(char *restrict to, const char *restrict from)
{
    strcpy(to + strlen(to), from);
    return to;
}

char *strncat(char *restrict to, const char *restrict from, size_t max)
{
    size_t n = strnlen(from, max);
    char *end = to + strlen(to);

    memcpy(end, from, n);
    end[n] = '\0';
    return to;
}
