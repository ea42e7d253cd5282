/* SPDX-License-Identifier: Apache-2.0 */
/* UTF-8 against RFC 3629, taken from the other side: by encoding. */
#include <stdlib.h>

#include "../../src/shared/utf8.h"
#include "../test.h"

/* Encodes a number in the shortest form, whatever it is; returns the length. */
static size_t encode(unsigned char out[4], uint32_t code)
{
    if (code < 0x80)
        return out[0] = (unsigned char)code, 1;
    if (code < 0x800) {
        out[0] = (unsigned char)(0xc0 | code >> 6);
        out[1] = (unsigned char)(0x80 | (code & 63));
        return 2;
    }
    if (code < 0x10000) {
        out[0] = (unsigned char)(0xe0 | code >> 12);
        out[1] = (unsigned char)(0x80 | (code >> 6 & 63));
        out[2] = (unsigned char)(0x80 | (code & 63));
        return 3;
    }
    out[0] = (unsigned char)(0xf0 | code >> 18);
    out[1] = (unsigned char)(0x80 | (code >> 12 & 63));
    out[2] = (unsigned char)(0x80 | (code >> 6 & 63));
    out[3] = (unsigned char)(0x80 | (code & 63));
    return 4;
}

/* Valid as text in memory that ends with it. */
static bool valid(const void *text, size_t len)
{
    char *exact = malloc(len + !len);
    bool result;

    CHECK(exact);
    memcpy(exact, text, len);
    result = hl__utf8_valid(exact, len);
    free(exact);
    return result;
}

TEST(every_character_and_none_else_is_valid)
{
    unsigned char text[4];
    uint32_t code;

    for (code = 0; code < 0x200000; code++) {
        const bool wanted = code && (code < 0xd800 || code > 0xdfff) && code <= 0x10ffff;
        const size_t len = encode(text, code);
        if (hl__utf8_valid((char *)text, len) != wanted)
            FAIL("code %#x: wanted %d", code, wanted);
    }
}

/* All sequences of up to three bytes are valid exactly if they are made of
 * characters; what encode() makes of code numbers is the judge. */
TEST_SLOW(every_short_sequence)
{
    static bool one[256], two[1 << 16], three[1 << 24];
    unsigned char text[4];
    uint32_t code, i;

    for (code = 1; code < 0x10000; code++) {
        if (code >= 0xd800 && code <= 0xdfff)
            continue;
        if (encode(text, code) == 1)
            one[text[0]] = true;
        else if (code < 0x800)
            two[text[0] << 8 | text[1]] = true;
        else
            three[text[0] << 16 | text[1] << 8 | text[2]] = true;
    }
    for (i = 0; i < 1 << 16; i++)
        two[i] |= one[i >> 8] && one[i & 255];
    for (i = 0; i < 1 << 24; i++) {
        bool wanted = three[i] || (one[i >> 16] && two[i & 0xffff]) ||
                      (two[i >> 8] && one[i & 255]);
        text[0] = (unsigned char)(i >> 16);
        text[1] = (unsigned char)(i >> 8);
        text[2] = (unsigned char)i;
        if (hl__utf8_valid((char *)text, 3) != wanted)
            FAIL("bytes %06x: wanted %d", i, wanted);
        if (!(i >> 16) && hl__utf8_valid((char *)text + 1, 2) != two[i])
            FAIL("bytes %04x: wanted %d", i, two[i]);
    }
}

TEST(text_may_end_anywhere)
{
    const char *text = "12345678 \xc3\xa4 \xe2\x82\xac \xf0\x9f\x98\x80 12345678";
    size_t len, starts = 0;

    CHECK(valid("", 0));
    for (len = 0; len <= strlen(text); len++)
        starts += valid(text, len);
    CHECK_INT(starts, strlen(text) + 1 - 1 - 2 - 3); /* no end inside a character */
}

/* Eight bytes at a time must see what one at a time sees. */
TEST(wrong_bytes_are_found_at_every_place)
{
    static const unsigned char wrong[] = {0x00, 0x80, 0xbf, 0xc0, 0xc1, 0xf5, 0xff};
    char text[41];
    size_t at, i;

    memset(text, 'a', 40);
    CHECK(valid(text, 40));
    for (at = 0; at < 40; at++) {
        for (i = 0; i < sizeof wrong; i++) {
            text[at] = (char)wrong[i];
            CHECK(!valid(text, 40));
            CHECK(valid(text, at));
            CHECK(!valid(text, at + 1));
        }
        text[at] = '\x7f';
        CHECK(valid(text, 40));
        text[at] = 'a';
    }
}

TEST(four_byte_sequences_are_checked)
{
    CHECK(valid("\xf0\x90\x80\x80", 4));
    CHECK(!valid("\xf0\x8f\xbf\xbf", 4)); /* overlong */
    CHECK(valid("\xf4\x8f\xbf\xbf", 4));
    CHECK(!valid("\xf4\x90\x80\x80", 4)); /* beyond U+10FFFF */
    CHECK(!valid("\xf5\x80\x80\x80", 4));
    CHECK(!valid("\xf1\x80\x80\x7f", 4));
    CHECK(!valid("\xf1\x80\xc0\x80", 4));
    CHECK(!valid("\xf1\x80\x80", 3));
    CHECK(!valid("\xf1\x80\x80\x80\x80", 5));
}

TEST(cutting_keeps_characters_whole)
{
    const char *text = "a\xc3\xa4\xe2\x82\xac\xf0\x9f\x98\x80z"; /* 1 2 3 4 1 bytes */
    static const size_t wanted[] = {0, 1, 1, 3, 3, 3, 6, 6, 6, 6, 10, 11, 11};
    size_t max;

    for (max = 0; max < sizeof wanted / sizeof wanted[0]; max++)
        CHECK_INT(hl__utf8_cut(text, 11, max), wanted[max]);
    CHECK_INT(hl__utf8_cut("\x80\x80\x80", 3, 2), 0);
}
