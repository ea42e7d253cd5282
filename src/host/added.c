/* SPDX-License-Identifier: Apache-2.0 */
/* Lists of run-time exports and imports. */
#include "added.h"

#include <stdlib.h>
#include <string.h>

static bool grow(struct added_list *list)
{
    struct added **items = realloc(list->items, (list->count + 1) * sizeof *items);

    if (items)
        list->items = items;
    return items != NULL;
}

bool added_append(struct added_list *list, const char *name, const struct hl_signature *signature)
{
    const size_t size = strlen(name) + 1;
    struct added *added;

    if (!grow(list))
        return false;
    added = calloc(1, sizeof *added + size);
    if (!added)
        return false;
    atomic_init(&added->count, 1);
    memcpy(added->name, name, size);
    added->function.name = added->name;
    added->function.signature = *signature;
    hl__signature_text(added->function.signature_text, signature);
    list->items[list->count++] = added;
    return true;
}

bool added_copy(struct added_list *out, const struct added_list *from)
{
    uint32_t i;

    *out = (struct added_list){NULL, 0};
    if (!from->count)
        return true;
    out->items = malloc(from->count * sizeof *out->items);
    if (!out->items)
        return false;
    for (i = 0; i < from->count; i++) {
        atomic_fetch_add(&from->items[i]->count, 1);
        out->items[i] = from->items[i];
    }
    out->count = from->count;
    return true;
}

bool added_equal(const struct added_list *a, const struct added_list *b)
{
    return a->count == b->count &&
           (!a->count || !memcmp(a->items, b->items, a->count * sizeof *a->items));
}

void added_free(struct added_list *list)
{
    uint32_t i;

    for (i = 0; i < list->count; i++)
        if (atomic_fetch_sub(&list->items[i]->count, 1) == 1)
            free(list->items[i]);
    free(list->items);
    *list = (struct added_list){NULL, 0};
}
