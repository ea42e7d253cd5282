/* SPDX-License-Identifier: Apache-2.0 */
/* Copying, filling and comparing blocks of memory. */
#include "attributes.h"

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

/* Between these sizes the string instructions win over loops (measured: above the
 * second they are four times slower on some AMD processors, and equal elsewhere). */
#define REP_MIN 2048u
#define REP_MAX (256u * 1024)

/* Upwards copies that overlap by less than this are slow in microcode. */
#define REP_DISTANCE 64u

typedef uint16_t u16 __attribute__((aligned(1), may_alias));
typedef uint32_t u32 __attribute__((aligned(1), may_alias));
typedef uint64_t u64 __attribute__((aligned(1), may_alias));
typedef uint64_t u128 __attribute__((vector_size(16), aligned(1), may_alias));

#define MOVE(type, to, from) (*(type *)(to) = *(const type *)(from))

static void rep_copy(unsigned char *to, const unsigned char *from, size_t n)
{
    __asm__ volatile("rep movsb" : "+D"(to), "+S"(from), "+c"(n) : : "memory");
}

static void rep_fill(unsigned char *to, unsigned char byte, size_t n)
{
    __asm__ volatile("rep stosb" : "+D"(to), "+c"(n) : "a"(byte) : "memory");
}

static bool rep_wins(size_t n)
{
    return n >= REP_MIN && n <= REP_MAX;
}

/* All of it is read before any is written, so that overlap does not matter. */
HL__KEEP_LOOP static void copy_64(unsigned char *to, const unsigned char *from)
{
    u128 a = *(const u128 *)from, b = *(const u128 *)(from + 16);
    u128 c = *(const u128 *)(from + 32), d = *(const u128 *)(from + 48);

    *(u128 *)to = a;
    *(u128 *)(to + 16) = b;
    *(u128 *)(to + 32) = c;
    *(u128 *)(to + 48) = d;
}

/* Lowest address first: also right when `to` overlaps `from` from below. */
HL__KEEP_LOOP static void copy_up(unsigned char *to, const unsigned char *from, size_t n)
{
    for (; n >= 64; n -= 64, to += 64, from += 64)
        copy_64(to, from);
    for (; n >= 16; n -= 16, to += 16, from += 16)
        MOVE(u128, to, from);
    if (n & 8) {
        MOVE(u64, to, from);
        to += 8;
        from += 8;
    }
    if (n & 4) {
        MOVE(u32, to, from);
        to += 4;
        from += 4;
    }
    if (n & 2) {
        MOVE(u16, to, from);
        to += 2;
        from += 2;
    }
    if (n & 1)
        *to = *from;
}

/* Highest address first: right when `to` overlaps `from` from above. */
HL__KEEP_LOOP static void copy_down(unsigned char *to, const unsigned char *from, size_t n)
{
    for (; n >= 64; n -= 64)
        copy_64(to + n - 64, from + n - 64);
    for (; n >= 16; n -= 16)
        MOVE(u128, to + n - 16, from + n - 16);
    for (; n >= 8; n -= 8)
        MOVE(u64, to + n - 8, from + n - 8);
    for (; n > 0; n--)
        to[n - 1] = from[n - 1];
}

HL__KEEP_LOOP void *memcpy(void *restrict to, const void *restrict from, size_t size)
{
    if (rep_wins(size))
        rep_copy(to, from, size);
    else
        copy_up(to, from, size);
    return to;
}

HL__KEEP_LOOP void *memmove(void *to, const void *from, size_t size)
{
    uintptr_t above = (uintptr_t)to - (uintptr_t)from; /* wraps if below */

    if (above < size)
        copy_down(to, from, size);
    else if (rep_wins(size) && 0 - above >= REP_DISTANCE)
        rep_copy(to, from, size);
    else
        copy_up(to, from, size);
    return to;
}

HL__KEEP_LOOP void *memset(void *to, int byte, size_t size)
{
    unsigned char *at = to;
    uint64_t word = (unsigned char)byte * UINT64_C(0x0101010101010101);
    u128 words = {word, word};

    if (rep_wins(size)) {
        rep_fill(at, (unsigned char)byte, size);
        return to;
    }
    for (; size >= 64; size -= 64, at += 64) {
        *(u128 *)at = words;
        *(u128 *)(at + 16) = words;
        *(u128 *)(at + 32) = words;
        *(u128 *)(at + 48) = words;
    }
    for (; size >= 8; size -= 8, at += 8)
        *(u64 *)at = word;
    for (; size > 0; size--)
        *at++ = (unsigned char)byte;
    return to;
}

HL__KEEP_LOOP int memcmp(const void *a, const void *b, size_t size)
{
    const unsigned char *p = a, *q = b;

    for (; size >= 8 && *(const u64 *)p == *(const u64 *)q; size -= 8) {
        p += 8;
        q += 8;
    }
    for (; size > 0; size--, p++, q++) {
        if (*p != *q)
            return *p - *q;
    }
    return 0;
}
