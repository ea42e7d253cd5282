/* SPDX-License-Identifier: Apache-2.0 */
/* Error texts: one safe line, never too long, never stale. */
#include <errno.h>
#include <hyperlight/hyperlight.h>
#include <stdio.h>

#include "../../src/host/error.h"
#include "../../src/shared/utf8.h"
#include "../test.h"

static const char *text_of(const char *given)
{
    static hl_error err;

    memset(&err, 0xee, sizeof err);
    CHECK_INT(error_set(&err, HL_E_FAILED, "%s", given), HL_E_FAILED);
    return err.text;
}

TEST(everything_is_filled)
{
    hl_error err;

    memset(&err, 0xff, sizeof err);
    CHECK_INT(error_set(&err, HL_E_FAULT, "%d of %s", 3, "four"), HL_E_FAULT);
    CHECK_INT(err.status, HL_E_FAULT);
    CHECK(!err.code && !err.vector && !err.access && !err.address && !err.rip);
    CHECK_STR(err.text, "3 of four");
    memset(&err, 0xff, sizeof err);
    CHECK_INT(error_none(&err), HL_OK);
    CHECK(!err.status && !err.code && !err.vector && !err.access && !err.address && !err.rip);
    CHECK_STR(err.text, "ok");
}

TEST(nobody_need_listen)
{
    CHECK_INT(error_set(NULL, HL_E_STATE, "%s", "x"), HL_E_STATE);
    CHECK_INT(error_none(NULL), HL_OK);
    CHECK_INT(error_errno(NULL, ENOMEM, "x"), HL_E_MEMORY);
}

TEST(errno_becomes_a_status)
{
    hl_error err;

    CHECK_INT(error_errno(&err, ENOMEM, "mmap"), HL_E_MEMORY);
    CHECK_STR(err.text, "mmap: Cannot allocate memory");
    CHECK_INT(error_errno(&err, EPERM, "KVM_RUN"), HL_E_SYSTEM);
    CHECK_STR(err.text, "KVM_RUN: Operation not permitted");
}

TEST(control_bytes_are_escaped)
{
    char byte[2] = {0}, wanted[8];
    int i;

    for (i = 1; i < 0x80; i++) {
        byte[0] = (char)i;
        snprintf(wanted, sizeof wanted, i < 0x20 || i == 0x7f ? "\\x%02x" : "%c", i);
        CHECK_STR(text_of(byte), wanted);
    }
    CHECK_STR(text_of("a\x1b[31mred\r\n"), "a\\x1b[31mred\\x0d\\x0a");
}

TEST(text_of_the_world_stays)
{
    CHECK_STR(text_of("caf\xc3\xa9 \xe2\x82\xac \xf0\x9f\x98\x80"),
              "caf\xc3\xa9 \xe2\x82\xac \xf0\x9f\x98\x80");
    CHECK_STR(text_of("\xc2\xa0\xdf\xbf\xef\xbf\xbf\xf4\x8f\xbf\xbf"),
              "\xc2\xa0\xdf\xbf\xef\xbf\xbf\xf4\x8f\xbf\xbf");
}

/* A terminal obeys C1 controls that come as UTF-8, too. */
TEST(c1_controls_are_escaped)
{
    CHECK_STR(text_of("\xc2\x80-\xc2\x9b[m-\xc2\x9f"), "\\xc2\\x80-\\xc2\\x9b[m-\\xc2\\x9f");
}

TEST(invalid_utf8_is_escaped)
{
    CHECK_STR(text_of("\x80"), "\\x80");
    CHECK_STR(text_of("\xff\xfe"), "\\xff\\xfe");
    CHECK_STR(text_of("\xc3"), "\\xc3");
    CHECK_STR(text_of("\xc3("), "\\xc3(");
    CHECK_STR(text_of("\xe2\x82"), "\\xe2\\x82");
    CHECK_STR(text_of("\xc0\xaf"), "\\xc0\\xaf");          /* overlong */
    CHECK_STR(text_of("\xed\xa0\x80"), "\\xed\\xa0\\x80"); /* surrogate */
    CHECK_STR(text_of("\xf5\x80\x80\x80"), "\\xf5\\x80\\x80\\x80");
}

/* ---- Length ------------------------------------------------------------------------ */

enum { ROOM = sizeof((hl_error *)0)->text };

/* `fill` bytes of x and then the tail. */
static const char *long_text(size_t fill, const char *tail)
{
    static char line[4096];

    memset(line, 'x', fill);
    strcpy(line + fill, tail);
    return text_of(line);
}

TEST(longest_text)
{
    CHECK_INT(ROOM, 480);
    CHECK_INT(strlen(long_text(478, "")), 478);
    CHECK_INT(strlen(long_text(479, "")), 479);
    CHECK_INT(strlen(long_text(480, "")), 479);
    CHECK_INT(strlen(long_text(4000, "")), 479);
}

TEST(cut_at_a_whole_character)
{
    static const char *const characters[] = {"\xc3\xa9", "\xe2\x82\xac", "\xf0\x9f\x98\x80",
                                             "\x1b"};
    const char *text;
    size_t i, fill, size;

    for (i = 0; i < 4; i++) {
        size = i == 3 ? 4 : strlen(characters[i]); /* \x1b takes four */
        for (fill = 470; fill < 480; fill++) {
            text = long_text(fill, characters[i]);
            CHECK_INT(strlen(text), fill + size < ROOM ? fill + size : fill);
            CHECK(hl__utf8_valid(text, strlen(text)));
        }
    }
}

/* The line is longer than what is formatted, and ends within a character. */
TEST(cut_twice)
{
    const char *text;
    size_t shift;

    for (shift = 0; shift < 4; shift++) {
        char line[4096];
        size_t at;

        memset(line, 'x', shift);
        for (at = shift; at + 4 < sizeof line; at += 4)
            memcpy(line + at, "\xf0\x9f\x98\x80", 4);
        line[at] = '\0';
        text = text_of(line);
        CHECK(hl__utf8_valid(text, strlen(text)));
        CHECK_INT(strlen(text), shift + (479 - shift) / 4 * 4);
    }
}

/* ---- Statuses ---------------------------------------------------------------------- */

TEST(each_status_has_a_text)
{
#define STATUS(name, number, text) \
    CHECK_STR(hl_status_text(HL_##name), text); \
    CHECK_INT(HL_##name, number);
    HL_STATUS_LIST(STATUS)
    CHECK_STR(hl_status_text(1), "unknown status");
    CHECK_STR(hl_status_text(-1000), "unknown status");
}

TEST(version_and_hypervisors)
{
    hl_error err;

    CHECK_STR(hl_version(), "0.1.0");
    CHECK_STR(hl_hypervisor_name(HL_HYPERVISOR_ANY), "any");
    CHECK_STR(hl_hypervisor_name(HL_HYPERVISOR_KVM), "kvm");
    CHECK_STR(hl_hypervisor_name((hl_hypervisor)99), "?");
    CHECK_INT(hl_hypervisor_probe((hl_hypervisor)99, &err), HL_E_INVALID);
    CHECK_STR(err.text, "hypervisor 99, wanted 0 (any), 1 (kvm) or 2 (process)");
}
