/* SPDX-License-Identifier: Apache-2.0 */
/* Functions that a guest added to its tables at run time. */
#ifndef HL_HOST_ADDED_H
#define HL_HOST_ADDED_H

#include <stdatomic.h>

#include "image.h"

struct added { /* immutable, counted: snapshots share it with their sandboxes */
    atomic_uint count;
    struct image_function function;
    char name[]; /* what function.name points to */
};

struct added_list {
    struct added **items;
    uint32_t count;
};

/* Appends one; false: no memory. */
bool added_append(struct added_list *list, const char *name, const struct hl_signature *signature);
/* out, uninitialised, becomes equal to `from`; false: no memory. */
bool added_copy(struct added_list *out, const struct added_list *from);
bool added_equal(const struct added_list *a, const struct added_list *b);
void added_free(struct added_list *list);
#endif
