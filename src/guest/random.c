/* SPDX-License-Identifier: Apache-2.0 */
/* Random numbers: ChaCha20 keyed by the host. */
#include <string.h>

#include "chacha20.h"
#include "runtime.h"

static uint32_t key[8];

HL__HOT void hl__random_seed(const uint64_t seed[3], uint64_t generation)
{
    _Static_assert(sizeof key == 4 * sizeof generation, "the key is seed and generation");

    memcpy(key, seed, 3 * sizeof *seed);
    memcpy(&key[6], &generation, sizeof generation);
}

/* Replaces the key in the end, so that later memory tells nothing of earlier
 * numbers. */
void hl_random(void *out, size_t size)
{
    uint8_t *to = out;
    uint32_t block[16];
    uint64_t counter;
    size_t n;

    for (counter = 1; size; counter++) {
        n = size < sizeof block ? size : sizeof block;
        hl__chacha20(block, key, counter);
        memcpy(to, block, n);
        to += n;
        size -= n;
    }
    hl__chacha20(block, key, 0);
    memcpy(key, block, sizeof key);
    memset(block, 0, sizeof block);
    __asm__ volatile("" : : "r"(block) : "memory"); /* keeps the memset */
}
