/* SPDX-License-Identifier: Apache-2.0 */
/* Text that others chose, made safe for terminals and for JSON. */
#ifndef HL_CLI_TEXT_H
#define HL_CLI_TEXT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

/* Bytes of the well-formed UTF-8 character at p, 0 if there is none. */
size_t text_character(const char *p, size_t left);

/* How much of a text fits into `most` bytes without cutting a character. */
size_t text_whole(const char *text, size_t most);
/* As messages show it: cut, and 'in quotes' if it would not be seen otherwise,
 * because it is empty or has blanks. */
enum { TEXT_SHOWN = 256 };
bool text_needs_quotes(const char *text);
const char *text_shown(char out[TEXT_SHOWN], const char *text);
/* As options take it: 4097, 64K, 16M, 2G. */
const char *text_size(char out[24], uint64_t bytes);

/* Writes text with control characters and what is not UTF-8 as \xNN; newline
 * and tab stay if `lines`. */
void text_safe(FILE *out, const char *text, size_t len, bool lines);
bool text_is_terminal(FILE *file);
bool text_in_color(FILE *file); /* a terminal, and $NO_COLOR is not set */

/* ---- JSON (RFC 8259), written piece by piece --------------------------------- */

struct json {
    FILE *out;
    bool more; /* the next member needs a comma */
};
/* key NULL: an element of an array, or the whole. */
void json_open(struct json *json, const char *key, char bracket);
void json_close(struct json *json, char bracket);
void json_text(struct json *json, const char *key, const char *text, size_t len);
void json_string(struct json *json, const char *key, const char *text);
void json_bool(struct json *json, const char *key, bool value);
/* A number, or anything else that is JSON as it stands. */
void json_raw(struct json *json, const char *key, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
#endif
