/* SPDX-License-Identifier: Apache-2.0 */
/* Optional imports, bound on demand. */
#include <stdlib.h>
#include <string.h>

#include "../shared/signature.h"
#include "import.h"
#include "runtime.h"

struct found {
    struct found *next;
    hl_import import;
    char text[]; /* name and signature */
};

static struct found *all_found;

static bool is_it(const hl_import *import, const char *name, const struct hl_signature *wanted)
{
    struct hl_signature signature;

    return !strcmp(import->name, name) &&
           !hl__signature_parse(&signature, import->signature, strlen(import->signature)) &&
           hl__signature_equal(&signature, wanted);
}

/* One that is bound already: asking again would use up the host's table. */
static const hl_import *bound(const char *name, const char *signature)
{
    const struct found *found;
    const hl_import *row;
    struct hl_signature wanted;

    if (hl__signature_parse(&wanted, signature, strlen(signature)))
        return NULL;
    for (row = __start_hl_imp; row < __stop_hl_imp; row++)
        if (is_it(row, name, &wanted))
            return row;
    for (found = all_found; found; found = found->next)
        if (is_it(&found->import, name, &wanted))
            return &found->import;
    return NULL;
}

static struct found *found_create(const char *name, const char *signature)
{
    const size_t name_size = strlen(name) + 1, signature_size = strlen(signature) + 1;
    struct found *found = malloc(sizeof *found + name_size + signature_size);

    if (!found)
        return NULL;
    memcpy(found->text, name, name_size);
    memcpy(found->text + name_size, signature, signature_size);
    found->import.name = found->text;
    found->import.signature = found->text + name_size;
    return found;
}

hl_status hl_import_find(const hl_import **out, const char *name, const char *signature,
                         hl_error *err)
{
    const hl_value texts[2] = {hl_str(name), hl_str(signature)};
    const struct hl__question question = {
        .name = "hl_import_find", .kind = HL_KIND_IMPORT, .count = 2, .values = texts};
    hl_value index;
    hl_status status = hl__texts_check("hl_import_find", texts, err);
    struct found *found;

    *out = NULL;
    if (status)
        return status;
    *out = bound(name, signature);
    if (*out)
        return hl__ok(err);
    found = found_create(name, signature);
    if (!found)
        return hl__error(err, HL_E_MEMORY, "import %s: no memory", name);
    status = hl__ask(&index, &question, err);
    if (status) {
        free(found);
        return status;
    }
    found->import.number = (uint64_t)index.as.u32 + 1;
    found->next = all_found;
    all_found = found;
    *out = &found->import;
    return HL_OK;
}
