/* SPDX-License-Identifier: Apache-2.0 */
/* The ChaCha20 block function. */
#include "chacha20.h"

#define ROUNDS 20

static uint32_t rotate(uint32_t x, int n)
{
    return x << n | x >> (32 - n);
}

static void quarter_round(uint32_t s[16], int a, int b, int c, int d)
{
    s[a] += s[b];
    s[d] = rotate(s[d] ^ s[a], 16);
    s[c] += s[d];
    s[b] = rotate(s[b] ^ s[c], 12);
    s[a] += s[b];
    s[d] = rotate(s[d] ^ s[a], 8);
    s[c] += s[d];
    s[b] = rotate(s[b] ^ s[c], 7);
}

void hl__chacha20(uint32_t out[16], const uint32_t key[8], uint64_t counter)
{
    uint32_t start[16] = {0x61707865, 0x3320646e, 0x79622d32, 0x6b206574};
    int i;

    for (i = 0; i < 8; i++)
        start[4 + i] = key[i];
    start[12] = (uint32_t)counter;
    start[13] = (uint32_t)(counter >> 32);
    for (i = 0; i < 16; i++)
        out[i] = start[i];
    for (i = 0; i < ROUNDS; i += 2) {
        quarter_round(out, 0, 4, 8, 12);
        quarter_round(out, 1, 5, 9, 13);
        quarter_round(out, 2, 6, 10, 14);
        quarter_round(out, 3, 7, 11, 15);
        quarter_round(out, 0, 5, 10, 15);
        quarter_round(out, 1, 6, 11, 12);
        quarter_round(out, 2, 7, 8, 13);
        quarter_round(out, 3, 4, 9, 14);
    }
    for (i = 0; i < 16; i++)
        out[i] += start[i];
}
