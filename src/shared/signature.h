/* SPDX-License-Identifier: Apache-2.0 */
/* Function signatures: text such as "i32(str, bytes)" and what it means. */
#ifndef HL_SHARED_SIGNATURE_H
#define HL_SHARED_SIGNATURE_H

#include <hyperlight/types.h>

struct hl_signature {
    uint8_t result; /* hl_type */
    uint8_t count;
    uint8_t params[HL_PARAMS_MAX]; /* hl_type; unused ones are 0 */
};
#define HL_SIGNATURE_TEXT_MAX 160 /* 17 names, commas, brackets, NUL */

/* NULL, or what is wrong with the text (a constant string). Spaces may stand
 * between words. */
const char *hl__signature_parse(struct hl_signature *out, const char *text, size_t len);

/* The canonical text, NUL-terminated; returns its length. */
size_t hl__signature_text(char out[HL_SIGNATURE_TEXT_MAX], const struct hl_signature *sig);

bool hl__signature_equal(const struct hl_signature *a, const struct hl_signature *b);
const char *hl__type_name(uint32_t type); /* "i32"; "?" if there is no such type */

/* Walks a signature that was checked before: the result's type first, then one
 * parameter's a call, then HL_VOID. For paths where parsing would cost. */
static inline uint8_t hl__signature_next(const char **at)
{
    const char *p = *at;
    uint8_t type = HL_VOID;

    while (*p == ' ')
        p++;
    switch (*p) {
    case 'b':
        type = p[1] == 'o' ? HL_BOOL : HL_BYTES;
        break;
    case 'i':
        type = p[1] == '3' ? HL_I32 : HL_I64;
        break;
    case 'u':
        type = p[1] == '3' ? HL_U32 : HL_U64;
        break;
    case 'f':
        type = p[1] == '3' ? HL_F32 : HL_F64;
        break;
    case 's':
        type = HL_STR;
        break;
    default:
        break;
    }
    while (*p && *p != '(' && *p != ',' && *p != ')')
        p++;
    *at = *p ? p + 1 : p;
    return type;
}
#endif
