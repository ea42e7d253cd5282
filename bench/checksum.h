/* SPDX-License-Identifier: Apache-2.0 */
/* A sum of every byte and its place, the same code in the guest and natively. */
#ifndef BENCH_CHECKSUM_H
#define BENCH_CHECKSUM_H

#include <stddef.h>
#include <stdint.h>

/* Of whole 8-byte words. */
static inline uint64_t checksum(const void *data, size_t size)
{
    const uint64_t *word = data;
    uint64_t sum = 0, sums = 0;

    for (size_t i = 0; i < size / sizeof(*word); i++) {
        sum += word[i];
        sums += sum;
    }
    return sums;
}
#endif
