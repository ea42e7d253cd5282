/* SPDX-License-Identifier: Apache-2.0 */
/* Function signatures: which texts are some, what they mean, how they are written. */
#include <stdlib.h>

#include "../../src/shared/signature.h"
#include "../test.h"

/* Parses text that ends with its memory. */
static const char *parse(struct hl_signature *out, const char *text, size_t len)
{
    char *exact = malloc(len + !len);
    const char *wrong;

    CHECK(exact);
    memcpy(exact, text, len);
    wrong = hl__signature_parse(out, exact, len);
    free(exact);
    return wrong;
}

static void check_taken(const char *text, const char *canonical)
{
    struct hl_signature signature, again;
    char out[HL_SIGNATURE_TEXT_MAX];
    const char *wrong = parse(&signature, text, strlen(text));

    if (wrong)
        FAIL("\"%s\": %s", text, wrong);
    CHECK_INT(hl__signature_text(out, &signature), strlen(canonical));
    CHECK_STR(out, canonical);
    CHECK(!parse(&again, out, strlen(out)));
    CHECK(hl__signature_equal(&signature, &again));
}

static void check_refused(const char *text, const char *wanted)
{
    struct hl_signature signature;
    const char *wrong = parse(&signature, text, strlen(text));

    if (!wrong || strcmp(wrong, wanted))
        FAIL("\"%s\": %s, wanted: %s", text, wrong ? wrong : "taken", wanted);
}

TEST(signatures_have_one_canonical_text)
{
    check_taken("void()", "void()");
    check_taken("i32(str, bytes)", "i32(str, bytes)");
    check_taken("i32(str,bytes)", "i32(str, bytes)");
    check_taken("  i32  (  str  ,  bytes  )  ", "i32(str, bytes)");
    check_taken("u64( )", "u64()");
    check_taken("bytes(bool,i32,u32,i64,u64,f32,f64,str,bytes)",
                "bytes(bool, i32, u32, i64, u64, f32, f64, str, bytes)");
}

TEST(every_type_is_known)
{
    static const char *const names[] = {"void", "bool", "i32", "u32", "i64",
                                        "u64",  "f32",  "f64", "str", "bytes"};
    struct hl_signature signature;
    char text[32];
    uint32_t type;

    for (type = HL_VOID; type <= HL_BYTES; type++) {
        CHECK_STR(hl__type_name(type), names[type]);
        strcpy(text, names[type]);
        strcat(text, "(str)");
        CHECK(!parse(&signature, text, strlen(text)));
        CHECK_INT(signature.result, type);
        if (type == HL_VOID)
            continue;
        strcpy(text, "str(");
        strcat(text, names[type]);
        strcat(text, ")");
        CHECK(!parse(&signature, text, strlen(text)));
        CHECK_INT(signature.count, 1);
        CHECK_INT(signature.params[0], type);
        CHECK_INT(signature.params[1], 0);
    }
    CHECK_STR(hl__type_name(HL_BYTES + 1), "?");
    CHECK_STR(hl__type_name(UINT32_MAX), "?");
}

TEST(wrong_signatures_are_named)
{
    check_refused("", "unknown result type");
    check_refused("   ", "unknown result type");
    check_refused("i33()", "unknown result type");
    check_refused("i3()", "unknown result type");
    check_refused("i32x()", "unknown result type");
    check_refused("I32()", "unknown result type");
    check_refused("(i32)", "unknown result type");
    check_refused("i32", "'(' expected after the result type");
    check_refused("i32 str(i32)", "'(' expected after the result type");
    check_refused("i32[i32]", "'(' expected after the result type");
    check_refused("i32\t()", "'(' expected after the result type");
    check_refused("i32(", "unknown parameter type");
    check_refused("i32(int)", "unknown parameter type");
    check_refused("i32(,)", "unknown parameter type");
    check_refused("i32(str,)", "unknown parameter type");
    check_refused("i32(str,,str)", "unknown parameter type");
    check_refused("i32(i 32)", "unknown parameter type");
    check_refused("i32(void)", "void is no parameter type");
    check_refused("i32(str, void)", "void is no parameter type");
    check_refused("i32(str", "',' or ')' expected");
    check_refused("i32(str bytes)", "',' or ')' expected");
    check_refused("i32(str;bytes)", "',' or ')' expected");
    check_refused("i32(str%n)", "',' or ')' expected");
    check_refused("i32() ;", "text after ')'");
    check_refused("i32()()", "text after ')'");
    check_refused("i32()i", "text after ')'");
}

TEST(signature_may_not_hold_a_nul)
{
    struct hl_signature signature;

    CHECK_STR(parse(&signature, "i32()\0", 6), "text after ')'");
    CHECK_STR(parse(&signature, "i32\0()", 6), "'(' expected after the result type");
    CHECK_STR(parse(&signature, "i32(str\0)", 9), "',' or ')' expected");
}

/* With every cut, and nothing read behind it. */
TEST(cut_signatures_are_refused)
{
    const char *text = "bytes(i32, str )";
    struct hl_signature signature;
    size_t len;

    for (len = 0; len < strlen(text); len++)
        CHECK(parse(&signature, text, len));
    CHECK(!parse(&signature, text, len));
}

static void put_many(char *text, uint32_t count)
{
    strcpy(text, "bytes(");
    while (count--)
        strcat(text, count ? "bytes, " : "bytes");
    strcat(text, ")");
}

TEST(sixteen_parameters_and_no_more)
{
    struct hl_signature signature;
    char text[300], out[HL_SIGNATURE_TEXT_MAX];

    put_many(text, 16);
    CHECK(!parse(&signature, text, strlen(text)));
    CHECK_INT(signature.count, 16);
    CHECK_INT(hl__signature_text(out, &signature), strlen(text)); /* the longest there is */
    CHECK_STR(out, text);
    put_many(text, 17);
    CHECK_STR(parse(&signature, text, strlen(text)), "more than 16 parameters");
    put_many(text, 40);
    CHECK_STR(parse(&signature, text, strlen(text)), "more than 16 parameters");
}

TEST(signatures_differ_in_result_count_and_types)
{
    static const char *const texts[] = {"i32()",         "u32()",         "i32(i32)",
                                        "i32(u32)",      "i32(i32, i32)", "i32(i32, u32)",
                                        "i32(u32, i32)", "void()"};
    enum { COUNT = sizeof texts / sizeof texts[0] };
    struct hl_signature all[COUNT];
    uint32_t i, j;

    for (i = 0; i < COUNT; i++)
        CHECK(!parse(&all[i], texts[i], strlen(texts[i])));
    for (i = 0; i < COUNT; i++)
        for (j = 0; j < COUNT; j++)
            CHECK_INT(hl__signature_equal(&all[i], &all[j]), i == j);
}

/* Parsing starts from nothing, whatever lay there. */
TEST(parsing_forgets_what_was_there)
{
    struct hl_signature signature;

    memset(&signature, 0xff, sizeof signature);
    CHECK(!parse(&signature, "i32(str)", 8));
    CHECK_INT(signature.count, 1);
    CHECK_INT(signature.params[0], HL_STR);
    CHECK_INT(signature.params[15], 0);
}
