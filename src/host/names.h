/* SPDX-License-Identifier: Apache-2.0 */
/* Finding a function's position by its name. */
#ifndef HL_HOST_NAMES_H
#define HL_HOST_NAMES_H

#include <stddef.h>
#include <stdint.h>
#include <stdbool.h>

#define NAMES_NONE UINT32_MAX

struct names {
    struct names_slot *slots; /* open addressing, a power of two, half empty */
    uint32_t capacity;
};

/* Room for `count` names; false: out of memory. */
bool names_create(struct names *out, uint32_t count);
void names_free(struct names *names);
/* Enters a name, borrowed; the position it had before, or NAMES_NONE. */
uint32_t names_add(struct names *names, const char *name, uint32_t position);
uint32_t names_find(const struct names *names, const char *name); /* or NAMES_NONE */
#endif
