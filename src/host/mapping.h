/* SPDX-License-Identifier: Apache-2.0 */
/* Files and buffers that guests see at addresses of their own. */
#ifndef HL_HOST_MAPPING_H
#define HL_HOST_MAPPING_H

#include <stdatomic.h>

#include "hv/hv.h"
#include "os/os.h"
#include "tree.h"
#include "../shared/abi.h"

enum { MAPPINGS_MAX = HV_MAPS_MAX }; /* at once in one sandbox */

/* One of them. Immutable, counted: snapshots, VMs and files share it. */
struct mapping {
    atomic_uint count;
    uint64_t address, size; /* guest virtual; begins at a LAYOUT_MAP_STEP, whole pages */
    bool writable;          /* copy-on-write */
    os_file file;           /* from `offset` on; what lies behind its end is zero */
    uint64_t offset;
    os_share share; /* the file, if it is sealed memory, by the same handle; or none */
    uint8_t *data;  /* or a buffer of the application's; file is OS_FILE_NONE, or a copy */
    char *name;     /* of the file */
};

/* Takes the file over, whatever happens; NULL if there is no memory. */
struct mapping *mapping_of_file(os_file *file, const char *name);
struct mapping *mapping_of_buffer(const void *data);
/* For VMs that have views of sealed memory alone: puts a copy in the place of the
 * file, or of the buffer, which is then only known not to be one. */
hl_status mapping_copy(struct mapping *mapping, hl_error *err);
void mapping_retain(const struct mapping *mapping);
void mapping_release(const struct mapping *mapping);
/* The bytes of the file from `at` on, `size` of them, zeros behind its end. The
 * host reads them so and not through memory, which ends where the file does. */
hl_status mapping_read(const struct mapping *mapping, void *to, size_t size, uint64_t at,
                       hl_error *err);

/* What the mappings of a content hold; immutable, counted, NULL: there are none. */
struct mappings {
    atomic_uint count;
    struct mapping_state {
        const struct mapping *is; /* NULL: this place is free */
        struct tree_node *tree;   /* pages that the guest has written, by their place in it */
    } at[MAPPINGS_MAX];
};
struct mappings *mappings_new(void); /* of one's own, empty; NULL: no memory */
struct mappings *mappings_retain(const struct mappings *mappings);
void mappings_release(const struct mappings *mappings);

static inline uint32_t mapping_height(const struct mapping *mapping)
{
    return tree_height(mapping->size / HL_PAGE);
}
/* The state of a mapping in that place, empty if another one or none is there. */
static inline struct mapping_state mappings_at(const struct mappings *mappings, uint32_t place,
                                               const struct mapping *is)
{
    return mappings && mappings->at[place].is == is ? mappings->at[place]
                                                    : (struct mapping_state){is, NULL};
}
#endif
