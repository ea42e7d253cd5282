/* SPDX-License-Identifier: Apache-2.0 */
/* The checksum of snapshot files, against published values and itself. */
#include "../../src/host/crc32c.h"

#include <stdlib.h>

#include "../test.h"

/* RFC 3720, appendix B.4, and the customary "123456789". */
TEST(crc32c_published_values)
{
    uint8_t zeros[32] = {0}, ones[32], up[32];
    int i;

    memset(ones, 0xff, sizeof ones);
    for (i = 0; i < 32; i++)
        up[i] = (uint8_t)i;
    CHECK_INT(crc32c(0, zeros, 32), 0x8a9136aa);
    CHECK_INT(crc32c(0, ones, 32), 0x62a8ab43);
    CHECK_INT(crc32c(0, up, 32), 0x46dd794e);
    CHECK_INT(crc32c(0, "123456789", 9), 0xe3069283);
    CHECK_INT(crc32c_portable(0, "123456789", 9), 0xe3069283);
    CHECK_INT(crc32c(0, "", 0), 0);
}

/* Every length around the edges of the fast loops, at odd addresses. */
TEST(crc32c_both_ways_agree)
{
    static const size_t sizes[] = {1, 7, 8, 9, 63, 4096, 24575, 24576, 24577, 49152, 1 << 20};
    uint8_t *bytes = malloc((1 << 20) + 8);
    size_t i, at;

    CHECK(bytes);
    for (i = 0; i < (1 << 20) + 8; i++)
        bytes[i] = (uint8_t)(i * 2654435761u >> 13);
    for (i = 0; i < sizeof sizes / sizeof *sizes; i++)
        for (at = 0; at < 8; at++)
            CHECK_INT(crc32c(7, bytes + at, sizes[i]), crc32c_portable(7, bytes + at, sizes[i]));
    free(bytes);
}

TEST(crc32c_in_pieces)
{
    uint8_t bytes[1000];
    uint32_t whole;
    size_t i;

    for (i = 0; i < sizeof bytes; i++)
        bytes[i] = (uint8_t)(i * 37);
    whole = crc32c(0, bytes, sizeof bytes);
    for (i = 0; i <= sizeof bytes; i++)
        CHECK_INT(crc32c(crc32c(0, bytes, i), bytes + i, sizeof bytes - i), whole);
}
