/* SPDX-License-Identifier: Apache-2.0 */
/* Escapes for terminals and JSON. */
#include "text.h"

#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

size_t text_character(const char *p, size_t left)
{
    const unsigned char *b = (const unsigned char *)p;
    const size_t n = *b < 0x80   ? 1
                     : *b < 0xc2 ? 0
                     : *b < 0xe0 ? 2
                     : *b < 0xf0 ? 3
                     : *b < 0xf5 ? 4
                                 : 0;
    size_t i;

    if (!n || n > left)
        return 0;
    for (i = 1; i < n; i++)
        if ((b[i] & 0xc0) != 0x80)
            return 0;
    if (n == 3 && ((b[0] == 0xe0 && b[1] < 0xa0) || (b[0] == 0xed && b[1] >= 0xa0)))
        return 0; /* overlong, surrogate */
    if (n == 4 && ((b[0] == 0xf0 && b[1] < 0x90) || (b[0] == 0xf4 && b[1] >= 0x90)))
        return 0; /* overlong, beyond U+10FFFF */
    return n;
}

size_t text_whole(const char *text, size_t most)
{
    const size_t len = strnlen(text, most + 1);
    size_t back;

    if (len <= most)
        return len;
    for (back = 0; back < 3 && back < most; back++)
        if (((unsigned char)text[most - back] & 0xc0) != 0x80)
            return most - back;
    return most;
}

bool text_needs_quotes(const char *text)
{
    return !*text || text[strcspn(text, " \t\n\v\f\r")];
}

const char *text_shown(char out[TEXT_SHOWN], const char *text)
{
    const char *quote = text_needs_quotes(text) ? "'" : "";
    const size_t len = text_whole(text, 200);

    snprintf(out, TEXT_SHOWN, "%s%.*s%s%s", quote, (int)len, text, text[len] ? "..." : "", quote);
    return out;
}

const char *text_size(char out[24], uint64_t bytes)
{
    static const char units[] = "\0KMG";
    unsigned unit = 0;

    while (bytes && !(bytes & 1023) && unit < 3) {
        bytes >>= 10;
        unit++;
    }
    snprintf(out, 24, "%llu%.1s", (unsigned long long)bytes, units + unit);
    return out;
}

/* A control character of n bytes; the C1 controls are 0xc2 0x80 to 0x9f. */
static bool is_control(const char *p, size_t n)
{
    const unsigned char first = (unsigned char)*p;

    return n == 1 ? first < 0x20 || first == 0x7f
                  : n == 2 && first == 0xc2 && (unsigned char)p[1] < 0xa0;
}

void text_safe(FILE *out, const char *text, size_t len, bool lines)
{
    size_t i, k, n;

    for (i = 0; i < len; i += n) {
        n = text_character(text + i, len - i);
        if (n && (!is_control(text + i, n) || (lines && (text[i] == '\n' || text[i] == '\t')))) {
            fwrite(text + i, 1, n, out);
            continue;
        }
        n = n ? n : 1;
        for (k = 0; k < n; k++)
            fprintf(out, "\\x%02x", (unsigned)(unsigned char)text[i + k]);
    }
}

bool text_is_terminal(FILE *file)
{
    return isatty(fileno(file)) == 1;
}

bool text_in_color(FILE *file)
{
    const char *no = getenv("NO_COLOR");

    return text_is_terminal(file) && (!no || !*no);
}

/* ---- JSON ---------------------------------------------------------------------- */

static void quote(FILE *out, const char *text, size_t len)
{
    size_t i, n;

    fputc('"', out);
    for (i = 0; i < len; i += n ? n : 1) {
        n = text_character(text + i, len - i);
        if (!n)
            fputs("\\ufffd", out);
        else if (is_control(text + i, n))
            fprintf(out, "\\u%04x", (unsigned)(unsigned char)text[i + n - 1]);
        else if (text[i] == '"' || text[i] == '\\')
            fprintf(out, "\\%c", text[i]);
        else
            fwrite(text + i, 1, n, out);
    }
    fputc('"', out);
}

static void member(struct json *json, const char *key)
{
    if (json->more)
        fputc(',', json->out);
    json->more = true;
    if (key) {
        quote(json->out, key, strlen(key));
        fputc(':', json->out);
    }
}

void json_open(struct json *json, const char *key, char bracket)
{
    member(json, key);
    fputc(bracket, json->out);
    json->more = false;
}

void json_close(struct json *json, char bracket)
{
    fputc(bracket, json->out);
    json->more = true;
}

void json_text(struct json *json, const char *key, const char *text, size_t len)
{
    member(json, key);
    quote(json->out, text, len);
}

void json_string(struct json *json, const char *key, const char *text)
{
    json_text(json, key, text, strlen(text));
}

void json_bool(struct json *json, const char *key, bool value)
{
    json_raw(json, key, "%s", value ? "true" : "false");
}

void json_raw(struct json *json, const char *key, const char *format, ...)
{
    va_list args;

    member(json, key);
    va_start(args, format);
    vfprintf(json->out, format, args);
    va_end(args);
}
