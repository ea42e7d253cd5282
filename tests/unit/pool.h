/* SPDX-License-Identifier: Apache-2.0 */
/* Whether every frozen page has been released: no leak checker sees them. */
#ifndef HL_TESTS_POOL_H
#define HL_TESTS_POOL_H

#include "../../src/host/pages.h"
#include "../test.h"

/* The pages of an empty pool all come out of the one chunk that it keeps. */
static inline void check_pool_is_empty(void)
{
    enum { CHUNK = 511 };
    uint8_t *pages[CHUNK];
    uint32_t i;

    for (i = 0; i < CHUNK; i++) {
        pages[i] = pages_new();
        CHECK(pages[i]);
        if ((uintptr_t)pages[i] >> 21 != (uintptr_t)pages[0] >> 21)
            FAIL("%u frozen pages were not released", CHUNK - i);
    }
    for (i = 0; i < CHUNK; i++)
        pages_release(pages[i]);
}
#endif
