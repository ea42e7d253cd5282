/* SPDX-License-Identifier: Apache-2.0 */
/* Parses arbitrary bytes as a signature; its canonical text must mean the same. */
#include <string.h>

#include "../src/shared/signature.h"
#include "fuzz.h"

/* The guest's walk over a signature that was checked says the same. */
static void check_walk(const char *text, const struct hl_signature *signature)
{
    uint32_t i;

    FUZZ_CHECK(hl__signature_next(&text) == signature->result);
    for (i = 0; i < signature->count; i++)
        FUZZ_CHECK(hl__signature_next(&text) == signature->params[i]);
    FUZZ_CHECK(hl__signature_next(&text) == HL_VOID);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct hl_signature signature, again;
    char text[HL_SIGNATURE_TEXT_MAX], twice[HL_SIGNATURE_TEXT_MAX];
    size_t len;

    if (hl__signature_parse(&signature, (const char *)data, size))
        return 0;
    FUZZ_CHECK(signature.count <= HL_PARAMS_MAX && signature.result <= HL_BYTES);
    len = hl__signature_text(text, &signature);
    FUZZ_CHECK(len < sizeof text && strlen(text) == len);
    FUZZ_CHECK(!hl__signature_parse(&again, text, len));
    FUZZ_CHECK(hl__signature_equal(&signature, &again));
    hl__signature_text(twice, &again);
    FUZZ_CHECK(!strcmp(text, twice));
    check_walk(text, &signature);
    if (size < sizeof twice) { /* as it was given, but with a NUL */
        memcpy(twice, data, size);
        twice[size] = '\0';
        check_walk(twice, &signature);
    }
    return 0;
}
