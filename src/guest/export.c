/* SPDX-License-Identifier: Apache-2.0 */
/* The functions the guest offers: its table, then what init adds. */
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "../shared/signature.h"
#include "runtime.h"

extern const hl_export __start_hl_exp[], __stop_hl_exp[];

static struct hl__function *added;
static uint32_t added_count, added_room;

/* ---- Finding ---------------------------------------------------------------------- */

HL__HOT struct hl__function hl__export_at(uint32_t index)
{
    const uint32_t count = (uint32_t)(__stop_hl_exp - __start_hl_exp);
    const hl_export *row = &__start_hl_exp[index];
    const char *signature;

    if (index >= count)
        return added[index - count];
    signature = row->signature;
    return (struct hl__function){row->name, row->fn, NULL, hl__signature_next(&signature)};
}

struct hl__function hl__export_special(const char *kind)
{
    const uint32_t result = strcmp(kind, "init") ? HL__ANY_RESULT : HL_VOID;
    const hl_export *row;

    for (row = __start_hl_exp; row < __stop_hl_exp; row++)
        if (!row->name[0] && !strcmp(row->signature, kind))
            return (struct hl__function){kind, row->fn, NULL, result};
    return (struct hl__function){kind, NULL, NULL, result};
}

/* ---- Adding ------------------------------------------------------------------------- */

static bool make_room(void)
{
    const uint32_t room = added_room ? 2 * added_room : 8;
    struct hl__function *grown;

    if (added_count < added_room)
        return true;
    grown = realloc(added, room * sizeof *grown);
    if (!grown)
        return false;
    added = grown;
    added_room = room;
    return true;
}

hl_status hl_export_add(const char *name, const char *signature, hl_fn fn, void *user,
                        hl_error *err)
{
    const hl_value texts[2] = {hl_str(name), hl_str(signature)};
    const struct hl__question question = {
        .name = "hl_export_add", .kind = HL_KIND_EXPORT, .count = 2, .values = texts};
    hl_value index;
    hl_status status = hl__texts_check("hl_export_add", texts, err);
    char *copy;

    if (status)
        return status;
    assert(name && signature);
    if (!fn)
        return hl__error(err, HL_E_INVALID, "export %s: function is NULL", name);
    if (!hl__current->init)
        return hl__error(err, HL_E_STATE, "export %s: functions can be added during init only",
                         name);
    copy = make_room() ? strdup(name) : NULL;
    if (!copy)
        return hl__error(err, HL_E_MEMORY, "export %s: no memory", name);
    status = hl__ask(&index, &question, err);
    if (status)
        free(copy);
    else
        added[added_count++] = (struct hl__function){copy, fn, user,
                                                     hl__signature_next(&signature)};
    return status;
}
