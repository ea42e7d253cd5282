/* SPDX-License-Identifier: Apache-2.0 */
/* A hash table from name to position (FNV-1a). */
#include "names.h"

#include <stdlib.h>
#include <string.h>

struct names_slot {
    const char *name;
    uint32_t hash, position;
};

static uint32_t hash_of(const char *name)
{
    uint32_t hash = 2166136261u;

    for (; *name; name++)
        hash = (hash ^ (unsigned char)*name) * 16777619u;
    return hash;
}

bool names_create(struct names *out, uint32_t count)
{
    out->capacity = 4;
    while (out->capacity < 2 * count)
        out->capacity *= 2;
    out->slots = calloc(out->capacity, sizeof *out->slots);
    return out->slots != NULL;
}

void names_free(struct names *names)
{
    free(names->slots);
    *names = (struct names){0};
}

/* Where the name is or would go. */
static struct names_slot *probe(const struct names *names, const char *name, uint32_t hash)
{
    uint32_t i = hash & (names->capacity - 1);
    struct names_slot *slot = &names->slots[i];

    while (slot->name && (slot->hash != hash || strcmp(slot->name, name))) {
        i = (i + 1) & (names->capacity - 1);
        slot = &names->slots[i];
    }
    return slot;
}

uint32_t names_add(struct names *names, const char *name, uint32_t position)
{
    uint32_t hash = hash_of(name);
    struct names_slot *slot = probe(names, name, hash);

    if (slot->name)
        return slot->position;
    *slot = (struct names_slot){name, hash, position};
    return NAMES_NONE;
}

uint32_t names_find(const struct names *names, const char *name)
{
    struct names_slot *slot = probe(names, name, hash_of(name));

    return slot->name ? slot->position : NAMES_NONE;
}
