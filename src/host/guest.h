/* SPDX-License-Identifier: Apache-2.0 */
/* A guest image in memory, with the shapes its sandboxes have. */
#ifndef HL_HOST_GUEST_H
#define HL_HOST_GUEST_H

#include <stdatomic.h>

#include "image.h"
#include "os/lock.h"
#include "names.h"
#include "shape.h"

struct hl_guest {
    atomic_uint references;
    struct image image;
    os_share contents;    /* image.span bytes, relocated, sealed */
    const uint8_t *bytes; /* the same, readable; NULL: only snapshots have its contents */
    struct names exports; /* positions in image.exports by name */
    struct lock lock;     /* of shapes */
    struct shape *shapes; /* the last used one first */
};

/* One for snapshots that bring its contents: nothing can start from the image
 * itself, and no application gets it. The image passes to it whatever happens. */
hl_status guest_adopt(hl_guest **out, const struct image *image, hl_error *err);

/* The shape for these sizes, made at its first use. A few without users are
 * kept; give each one back while its guest is retained. */
hl_status guest_shape(const struct shape **out, const hl_guest *guest, const struct sizes *sizes,
                      hl_error *err);
/* One more user of a shape in use. */
void guest_shape_use(const hl_guest *guest, const struct shape *shape);
void guest_shape_done(const hl_guest *guest, const struct shape *shape);
#endif
