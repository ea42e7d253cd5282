/* SPDX-License-Identifier: Apache-2.0 */
/* The guest that the bench's rows call. */
#include <hyperlight/easy.h>

HL_IMPORT(i32, Increment, (i32, x))
HL_IMPORT(void, Spinning, ())

HL_FUNCTION(void, Nop, ())
{
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
