/* SPDX-License-Identifier: Apache-2.0 */
/* UTF-8 (RFC 3629): is this text? */
#ifndef HL_SHARED_UTF8_H
#define HL_SHARED_UTF8_H

#include <stdbool.h>
#include <stddef.h>

/* Well-formed UTF-8 without NUL: no overlong forms, surrogates or values
 * beyond U+10FFFF. */
bool hl__utf8_valid(const char *text, size_t len);

/* The longest prefix of at most `max` bytes that cuts no character in two. */
size_t hl__utf8_cut(const char *text, size_t len, size_t max);
#endif
