/* SPDX-License-Identifier: Apache-2.0 */
/* A shape: an image with sizes; all its sandboxes share one system area. */
#ifndef HL_HOST_SHAPE_H
#define HL_HOST_SHAPE_H

#include "layout.h"
#include "os/os.h"

struct shape {
    struct sizes sizes;
    struct layout layout;
    os_share system; /* tables, descriptors, gate, boot block; sealed */
    uint32_t users;  /* sandboxes; the guest keeps count */
    struct shape *next;
};

/* Builds a shape for an image; shape_free undoes it. E_INVALID if the tables
 * do not fit. */
hl_status shape_create(struct shape **out, const struct image *image, const struct sizes *sizes,
                       hl_error *err);
void shape_free(struct shape *shape);
#endif
