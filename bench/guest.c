/* SPDX-License-Identifier: Apache-2.0 */
/* The guest that the bench's rows call. */
#include <hyperlight/easy.h>
#include <stdlib.h>

#include "checksum.h"

HL_IMPORT(i32, Increment, (i32, x))
HL_IMPORT(i32, HostAdd, (i32, a, i32, b))
HL_IMPORT(void, Spinning, ())

HL_FUNCTION(void, Nop, ())
{
}

HL_FUNCTION(str, Echo, (str, text))
{
    return text;
}

HL_FUNCTION(i32, Add, (i32, a, i32, b))
{
    return HostAdd(a, b);
}

/* The length of the first, and the first of the second. */
HL_FUNCTION(u64, Receive, (bytes, data, str, text))
{
    return (uint64_t)data.len + (uint64_t)*text;
}

HL_FUNCTION(bytes, Echo4k, (bytes, data))
{
    return data;
}

/* Reads every word of the input, so that none of it can stay behind; the sum leads the reply. */
HL_FUNCTION(bytes, Take24Give8, (bytes, data))
{
    enum { WORDS = 8192 / sizeof(uint64_t) };
    static uint64_t reply[WORDS];
    const uint64_t *word = data.data;
    uint64_t sum = 0;

    for (uint32_t i = 0; i < data.len / sizeof(*word); i++)
        sum += word[i];
    for (uint32_t i = 0; i < WORDS; i++)
        reply[i] = sum + i;
    return (hl_span){reply, sizeof(reply)};
}

HL_FUNCTION(u64, Checksum, (bytes, data))
{
    return checksum(data.data, data.len);
}

HL_FUNCTION(i32, CallHost, ())
{
    return Increment(41);
}

/* Spins once the host knows. The empty statement keeps the loop; pause would leave to
 * hypervisors that watch for it. */
HL_FUNCTION(void, Spin, ())
{
    Spinning();
    for (;;)
        __asm__ volatile("");
}

enum { PAGE = 4096, PAGES = 8192 };

/* Taken from the heap at the first use, so that other rows do not pay for it. */
static uint8_t *arena(hl_call *call)
{
    static uint8_t *bytes;

    if (!bytes)
        bytes = aligned_alloc(PAGE, (size_t)PAGE * PAGES);
    if (!bytes)
        hl_fail(call, 1, "no memory for the arena");
    return bytes;
}

/* A word in each of `pages` pages, `step` apart from page `first` on. */
HL_FUNCTION(u32, Dirty, (u32, first, u32, pages, u32, step, u32, value))
{
    uint8_t *bytes = arena(call);
    uint32_t i;

    for (i = 0; bytes && i < pages; i++, first += step)
        *(uint32_t *)(void *)(bytes + (size_t)(first % PAGES) * PAGE) = value;
    return pages;
}

HL_FUNCTION(u64, SumPages, (u32, pages))
{
    const uint8_t *bytes = arena(call);
    uint64_t sum = 0;
    uint32_t i;

    for (i = 0; bytes && i < pages; i++)
        sum += *(const uint32_t *)(const void *)(bytes + (size_t)i * PAGE);
    return sum;
}
