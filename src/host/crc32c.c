/* SPDX-License-Identifier: Apache-2.0 */
/* CRC32C: by the processor where it can, else by a table for half bytes. */
#include "crc32c.h"

#include <stdatomic.h>

#include "arch/x86_64/features.h"

uint32_t crc32c_portable(uint32_t crc, const void *bytes, size_t size)
{
    static const uint32_t table[16] = {
        0x00000000, 0x105ec76f, 0x20bd8ede, 0x30e349b1, 0x417b1dbc, 0x5125dad3,
        0x61c69362, 0x7198540d, 0x82f63b78, 0x92a8fc17, 0xa24bb5a6, 0xb21572c9,
        0xc38d26c4, 0xd3d3e1ab, 0xe330a81a, 0xf36e6f75,
    };
    const uint8_t *at = bytes;

    for (crc = ~crc; size; size--) {
        crc ^= *at++;
        crc = crc >> 4 ^ table[crc & 15];
        crc = crc >> 4 ^ table[crc & 15];
    }
    return ~crc;
}

/* Asking the processor is slow inside a virtual machine; the answer never changes. */
static bool by_processor(void)
{
    static atomic_int known; /* 0: not yet */
    int answer = atomic_load_explicit(&known, memory_order_relaxed);

    if (!answer) {
        answer = x86_has_crc32c() ? 1 : -1;
        atomic_store_explicit(&known, answer, memory_order_relaxed);
    }
    return answer > 0;
}

uint32_t crc32c(uint32_t crc, const void *bytes, size_t size)
{
    return by_processor() ? ~x86_crc32c(~crc, bytes, size) : crc32c_portable(crc, bytes, size);
}
