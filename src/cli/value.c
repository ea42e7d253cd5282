/* SPDX-License-Identifier: Apache-2.0 */
/* Arguments from text by their declared type, and results as text. */
#include "value.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "cli.h"
#include "file.h"

static const char *const names[] = {"void", "bool", "i32", "u32", "i64",
                                    "u64",  "f32",  "f64", "str", "bytes"};
enum { TYPES = sizeof names / sizeof *names };

const char *value_type(uint32_t type)
{
    return type < TYPES ? names[type] : "?";
}

/* The type whose name these bytes are; HL_VOID if none of a parameter. */
static uint32_t type_of(const char *name, size_t len)
{
    uint32_t type;

    for (type = HL_BOOL; type < TYPES; type++)
        if (strlen(names[type]) == len && !strncmp(names[type], name, len))
            return type;
    return HL_VOID;
}

/* The parameters of a signature that the library has checked; their number. */
static uint32_t parameters(uint32_t types[HL_PARAMS_MAX], const char *signature)
{
    const char *at = strchr(signature, '(');
    uint32_t count = 0;
    size_t len;

    while (at && count < HL_PARAMS_MAX) {
        at += strspn(at, "(, ");
        len = strcspn(at, ",) ");
        if (!len)
            break;
        types[count++] = type_of(at, len);
        at += len;
    }
    return count;
}

/* ---- Parsing: NULL, or what is wanted instead --------------------------------- */

static const char *parse_bool(hl_value *out, const char *text)
{
    const bool yes = !strcmp(text, "true") || !strcmp(text, "1");

    if (!yes && strcmp(text, "false") && strcmp(text, "0"))
        return "wanted true or false";
    *out = hl_bool(yes);
    return NULL;
}

/* 16 for 0x..., 10, or 0 if the text does not begin as a whole number. */
static int base_of(const char *text)
{
    text += *text == '-';
    if (text[0] == '0' && (text[1] == 'x' || text[1] == 'X'))
        return strspn(text + 2, "0123456789abcdefABCDEF") ? 16 : 0;
    return *text >= '0' && *text <= '9' ? 10 : 0;
}

static const char *parse_signed(hl_value *out, const char *text, bool wide)
{
    const int base = base_of(text);
    char *end = NULL;
    long long x;

    errno = 0;
    x = strtoll(text, &end, base ? base : 10);
    if (!base || *end || errno || (!wide && (x < INT32_MIN || x > INT32_MAX)))
        return wide ? "wanted -9223372036854775808 to 9223372036854775807"
                    : "wanted -2147483648 to 2147483647";
    *out = wide ? hl_i64(x) : hl_i32((int32_t)x);
    return NULL;
}

static const char *parse_unsigned(hl_value *out, const char *text, bool wide)
{
    const int base = base_of(text);
    char *end = NULL;
    unsigned long long x;

    errno = 0;
    x = strtoull(text, &end, base ? base : 10);
    if (!base || *text == '-' || *end || errno || (!wide && x > UINT32_MAX))
        return wide ? "wanted 0 to 18446744073709551615" : "wanted 0 to 4294967295";
    *out = wide ? hl_u64(x) : hl_u32((uint32_t)x);
    return NULL;
}

static const char *parse_float(hl_value *out, const char *text, bool wide)
{
    char *end = NULL;
    double x;
    float narrow;

    errno = 0;
    x = wide ? strtod(text, &end) : 0;
    narrow = wide ? 0 : strtof(text, &end);
    if (!*text || strchr(" \t\n\v\f\r", *text) || *end)
        return "wanted a number, such as 1.5, -2e9, 0x1p-3, inf or nan";
    if (errno == ERANGE && isinf(wide ? x : (double)narrow))
        return wide ? "too large for f64" : "too large for f32";
    *out = wide ? hl_f64(x) : hl_f32(narrow);
    return NULL;
}

static int digit(char c)
{
    static const char digits[] = "0123456789abcdef";
    const char *at = c ? strchr(digits, c >= 'A' && c <= 'F' ? c + 32 : c) : NULL;

    return at ? (int)(at - digits) : -1;
}

/* Into memory of its own: two digits a byte. */
static const char *parse_hex(hl_value *out, void **memory, const char *text)
{
    const size_t len = strlen(text);
    uint8_t *bytes = malloc(len / 2 + 1);
    size_t i;
    int high, low;

    *memory = bytes;
    if (!bytes)
        return "there is no memory for it";
    for (i = 0; i < len; i += 2) {
        high = digit(text[i]);
        low = high < 0 ? -1 : digit(text[i + 1]);
        if (low < 0)
            return "wanted two hexadecimal digits for each byte";
        bytes[i / 2] = (uint8_t)(high << 4 | low);
    }
    *out = hl_bytes(bytes, (uint32_t)(len / 2));
    return NULL;
}

static const char *parse_plain(hl_value *out, uint32_t type, void **memory, const char *text)
{
    switch (type) {
    case HL_BOOL:
        return parse_bool(out, text);
    case HL_I32:
    case HL_I64:
        return parse_signed(out, text, type == HL_I64);
    case HL_U32:
    case HL_U64:
        return parse_unsigned(out, text, type == HL_U64);
    case HL_F32:
    case HL_F64:
        return parse_float(out, text, type == HL_F64);
    case HL_STR:
        *out = hl_str(text);
        return NULL;
    default:
        if (!strncmp(text, "hex:", 4))
            return parse_hex(out, memory, text + 4);
        if (strncmp(text, "text:", 5))
            return "wanted hex:DIGITS, text:TEXT or @FILE";
        *out = hl_bytes(text + 5, (uint32_t)strlen(text + 5));
        return NULL;
    }
}

/* What it is about, and what was found: "argument 1 of F, i32, is 5x". */
enum { PLACE = 2 * TEXT_SHOWN + 64 };
static const char *name_place(char out[PLACE], uint32_t index, const char *function, uint32_t type,
                              const char *text)
{
    char name[TEXT_SHOWN], shown[TEXT_SHOWN];

    snprintf(out, PLACE, "argument %u of %s, %s, is %s", index + 1, text_shown(name, function),
             value_type(type), text_shown(shown, text));
    return out;
}

/* str and bytes may come from a file, "@FILE"; "@@..." is a str that begins
 * with one "@". Numbers start with none. */
static int parse(struct arguments *out, uint32_t index, uint32_t type, const char *function,
                 const char *text)
{
    hl_value *value = &out->values[index];
    void **memory = &out->memory[index];
    const bool at = *text == '@' && (type == HL_STR || type == HL_BYTES);
    const bool escaped = at && type == HL_STR && text[1] == '@';
    const char *wrong;
    char place[PLACE];
    char *file;
    size_t size;

    name_place(place, index, function, type, text);
    if (!at || escaped) {
        wrong = parse_plain(value, type, memory, text + escaped);
        return wrong ? cli_usage("%s, %s", place, wrong) : CLI_OK;
    }
    if (!file_read(&file, &size, place, text + 1, out->most))
        return CLI_USAGE;
    *memory = file;
    *value = type == HL_STR ? hl_strn(file, (uint32_t)size) : hl_bytes(file, (uint32_t)size);
    return CLI_OK;
}

/* By the type in front: the text behind it. NULL after it has said what is wrong. */
static const char *typed(uint32_t *type, uint32_t index, const char *function, const char *text)
{
    const char *colon = strchr(text, ':');
    char name[TEXT_SHOWN], shown[TEXT_SHOWN];

    *type = colon ? type_of(text, (size_t)(colon - text)) : HL_VOID;
    if (*type != HL_VOID)
        return colon + 1;
    cli_usage("the guest exports no function %s; if its fallback is meant, write argument %u, %s, "
              "as TYPE:VALUE, such as i32:7",
              text_shown(name, function), index + 1, text_shown(shown, text));
    return NULL;
}

static int wrong_count(const char *function, const char *signature, uint32_t wanted, uint32_t count)
{
    char name[TEXT_SHOWN];

    return cli_usage("%s%s takes %s%u argument%s, not %u", text_shown(name, function),
                     signature ? strchr(signature, '(') : "", signature ? "" : "at most ", wanted,
                     wanted == 1 ? "" : "s", count);
}

int arguments_parse(struct arguments *out, const char *function, const char *signature,
                    char *const words[], uint32_t count)
{
    uint32_t types[HL_PARAMS_MAX], i;
    const char *text;
    int result = CLI_OK;

    out->count = signature ? parameters(types, signature) : count;
    if (count != out->count || count > HL_PARAMS_MAX)
        return wrong_count(function, signature, signature ? out->count : HL_PARAMS_MAX, count);
    for (i = 0; i < count && !result; i++) {
        text = signature ? words[i] : typed(&types[i], i, function, words[i]);
        if (!text)
            return CLI_USAGE;
        result = parse(out, i, types[i], function, text);
    }
    return result;
}

void arguments_free(struct arguments *arguments)
{
    uint32_t i;

    for (i = 0; i < HL_PARAMS_MAX; i++)
        free(arguments->memory[i]);
}

/* ---- Printing ------------------------------------------------------------------- */

static void print_hex(const uint8_t *bytes, size_t len)
{
    size_t i;

    for (i = 0; i < len; i++)
        printf("%02x", bytes[i]);
}

/* The shortest text that is the same number when it is read again. */
static void print_float(char out[40], double x, bool wide)
{
    const int most = wide ? 17 : 9;
    int digits;

    for (digits = wide ? 15 : 6; digits <= most; digits++) {
        snprintf(out, 40, "%.*g", digits, x);
        if (wide ? strtod(out, NULL) == x : strtof(out, NULL) == (float)x)
            break;
    }
}

/* Of all types but str and bytes. */
static void print_scalar(char out[40], const hl_value *value)
{
    switch (value->type) {
    case HL_BOOL:
        snprintf(out, 40, "%s", value->as.b ? "true" : "false");
        break;
    case HL_I32:
        snprintf(out, 40, "%d", value->as.i32);
        break;
    case HL_U32:
        snprintf(out, 40, "%u", value->as.u32);
        break;
    case HL_I64:
        snprintf(out, 40, "%lld", (long long)value->as.i64);
        break;
    case HL_U64:
        snprintf(out, 40, "%llu", (unsigned long long)value->as.u64);
        break;
    case HL_F32:
        print_float(out, (double)value->as.f32, false);
        break;
    case HL_F64:
        print_float(out, value->as.f64, true);
        break;
    default:
        *out = '\0';
    }
}

void value_print(const hl_value *value)
{
    char scalar[40];

    if (value->type == HL_STR && text_is_terminal(stdout)) {
        text_safe(stdout, value->as.str, value->len, true);
    } else if (value->type == HL_STR) {
        fwrite(value->as.str, 1, value->len, stdout);
    } else if (value->type == HL_BYTES) {
        fputs("hex:", stdout);
        print_hex(value->as.bytes, value->len);
    } else {
        print_scalar(scalar, value);
        fputs(scalar, stdout);
    }
    if (value->type != HL_VOID)
        putchar('\n');
}

void value_write(const hl_value *value)
{
    if (value->type == HL_STR || value->type == HL_BYTES)
        fwrite(value->as.bytes, 1, value->len, stdout);
    else
        value_print(value);
}

/* JSON has no text for what is not finite: it becomes a string. */
void value_json(struct json *json, const char *key, const hl_value *value)
{
    const bool real = value->type == HL_F32 || value->type == HL_F64;
    const bool finite = !real ||
                        isfinite(value->type == HL_F32 ? (double)value->as.f32 : value->as.f64);
    char scalar[40];

    if (value->type == HL_VOID) {
        json_raw(json, key, "null");
    } else if (value->type == HL_STR) {
        json_text(json, key, value->as.str, value->len);
    } else if (value->type == HL_BYTES) {
        json_raw(json, key, "\"");
        print_hex(value->as.bytes, value->len);
        putchar('"');
    } else {
        print_scalar(scalar, value);
        json_raw(json, key, finite ? "%s" : "\"%s\"", scalar);
    }
}
