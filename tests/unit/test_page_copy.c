/* SPDX-License-Identifier: Apache-2.0 */
/* Copies of pages, and what they say has changed. */
#include <stdlib.h>

#include "../../src/host/page_copy.h"
#include "../../src/shared/abi.h"
#include "../test.h"

static _Alignas(32) uint8_t a[HL_PAGE], b[HL_PAGE], c[HL_PAGE];
static _Alignas(32) const uint8_t zero[HL_PAGE];

static void fill(uint8_t *page)
{
    uint32_t i;

    for (i = 0; i < HL_PAGE; i++)
        page[i] = (uint8_t)random();
}

TEST(restore_of_an_equal_page_says_so)
{
    fill(a);
    memcpy(b, a, HL_PAGE);
    CHECK(!page_restore(b, a));
    CHECK(!memcmp(a, b, HL_PAGE));
    memset(a, 0, HL_PAGE);
    CHECK(!page_restore(a, zero));
}

/* Each bit of one byte, at every offset. */
TEST(restore_sees_a_change_anywhere)
{
    uint32_t i;

    fill(a);
    memcpy(b, a, HL_PAGE);
    memcpy(c, a, HL_PAGE);
    for (i = 0; i < HL_PAGE; i++) {
        b[i] ^= (uint8_t)(1u << i % 8);
        CHECK(page_restore(b, a));
        CHECK(!memcmp(a, b, HL_PAGE));
        CHECK(!memcmp(a, c, HL_PAGE)); /* the source is only read */
    }
}

TEST(capture_tells_same_from_changed_anywhere)
{
    uint32_t i;

    fill(a);
    memcpy(b, a, HL_PAGE);
    for (i = 0; i < HL_PAGE; i++) {
        memset(c, 0xaa, HL_PAGE);
        CHECK_INT(page_capture(c, a, b), PAGE_SAME);
        CHECK(!memcmp(a, c, HL_PAGE));
        a[i] ^= (uint8_t)(1u << i % 8);
        CHECK_INT(page_capture(c, a, b), PAGE_CHANGED);
        CHECK(!memcmp(a, c, HL_PAGE));
        a[i] = b[i];
    }
}

TEST(capture_tells_zero_from_one_bit_anywhere)
{
    uint32_t i;

    fill(b);
    memset(a, 0, HL_PAGE);
    for (i = 0; i < HL_PAGE; i++) {
        memset(c, 0xaa, HL_PAGE);
        CHECK_INT(page_capture(c, a, b), PAGE_ZERO);
        CHECK(!memcmp(c, zero, HL_PAGE));
        a[i] = (uint8_t)(1u << i % 8);
        CHECK_INT(page_capture(c, a, b), PAGE_CHANGED);
        CHECK(!memcmp(a, c, HL_PAGE));
        a[i] = 0;
    }
}

/* Zero before and after is no change. */
TEST(capture_of_zeros_over_zeros_is_the_same)
{
    uint32_t i;

    CHECK_INT(page_capture(c, zero, zero), PAGE_SAME);
    for (i = 0; i < HL_PAGE; i++) {
        a[i] = 1;
        CHECK_INT(page_capture(c, zero, a), PAGE_ZERO);
        CHECK_INT(page_capture(c, a, zero), PAGE_CHANGED);
        a[i] = 0;
    }
}
