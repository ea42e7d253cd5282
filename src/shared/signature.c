/* SPDX-License-Identifier: Apache-2.0 */
/* Parses and writes function signatures. */
#include "signature.h"

static const char *const type_names[] = {
    "void", "bool", "i32", "u32", "i64", "u64", "f32", "f64", "str", "bytes",
};
enum { TYPE_COUNT = sizeof type_names / sizeof type_names[0] };

struct cursor {
    const char *at, *end;
};

static void skip_spaces(struct cursor *c)
{
    while (c->at < c->end && *c->at == ' ')
        c->at++;
}

static bool take(struct cursor *c, char wanted)
{
    skip_spaces(c);
    if (c->at == c->end || *c->at != wanted)
        return false;
    c->at++;
    return true;
}

static bool same(const char *word, size_t len, const char *name)
{
    size_t i;

    for (i = 0; i < len && name[i] == word[i] && name[i]; i++)
        ;
    return i == len && !name[i];
}

/* The type named at the cursor, or TYPE_COUNT. */
static uint8_t take_type(struct cursor *c)
{
    const char *word;
    uint8_t type = 0;
    size_t len;

    skip_spaces(c);
    word = c->at;
    while (c->at < c->end && ((*c->at >= 'a' && *c->at <= 'z') || (*c->at >= '0' && *c->at <= '9')))
        c->at++;
    len = (size_t)(c->at - word);
    while (type < TYPE_COUNT && !same(word, len, type_names[type]))
        type++;
    return type;
}

static const char *take_params(struct hl_signature *out, struct cursor *c)
{
    uint8_t type;

    if (take(c, ')'))
        return NULL;
    do {
        type = take_type(c);
        if (type == TYPE_COUNT)
            return "unknown parameter type";
        if (type == HL_VOID)
            return "void is no parameter type";
        if (out->count == HL_PARAMS_MAX)
            return "more than 16 parameters";
        out->params[out->count++] = type;
    } while (take(c, ','));
    return take(c, ')') ? NULL : "',' or ')' expected";
}

const char *hl__signature_parse(struct hl_signature *out, const char *text, size_t len)
{
    struct cursor c = {text, text + len};
    const char *wrong;

    *out = (struct hl_signature){0};
    out->result = take_type(&c);
    if (out->result == TYPE_COUNT)
        return "unknown result type";
    if (!take(&c, '('))
        return "'(' expected after the result type";
    wrong = take_params(out, &c);
    if (wrong)
        return wrong;
    skip_spaces(&c);
    return c.at == c.end ? NULL : "text after ')'";
}

static size_t append(char *out, size_t at, const char *text)
{
    while (*text)
        out[at++] = *text++;
    return at;
}

size_t hl__signature_text(char out[HL_SIGNATURE_TEXT_MAX], const struct hl_signature *sig)
{
    size_t at = append(out, 0, hl__type_name(sig->result));
    uint32_t i;

    at = append(out, at, "(");
    for (i = 0; i < sig->count; i++) {
        if (i)
            at = append(out, at, ", ");
        at = append(out, at, hl__type_name(sig->params[i]));
    }
    at = append(out, at, ")");
    out[at] = '\0';
    return at;
}

bool hl__signature_equal(const struct hl_signature *a, const struct hl_signature *b)
{
    uint32_t i;

    if (a->result != b->result || a->count != b->count)
        return false;
    for (i = 0; i < a->count && a->params[i] == b->params[i]; i++)
        ;
    return i == a->count;
}

const char *hl__type_name(uint32_t type)
{
    return type < TYPE_COUNT ? type_names[type] : "?";
}
