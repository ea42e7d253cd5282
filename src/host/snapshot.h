/* SPDX-License-Identifier: Apache-2.0 */
/* A frozen guest: memory, and where it is parked. */
#ifndef HL_HOST_SNAPSHOT_H
#define HL_HOST_SNAPSHOT_H

#include "sandbox.h"

struct hl_snapshot { /* immutable, counted */
    atomic_uint references;
    const hl_guest *guest; /* retained, as is the shape */
    struct vm_kind kind;   /* of the VMs it can go into */
    const struct content *content;
    struct vm_park park;
    uint64_t lineage;
    struct added_list exports, imports;
};

static inline struct origin snapshot_origin(const hl_snapshot *snapshot)
{
    return (struct origin){snapshot->content, snapshot->park, snapshot->lineage, &snapshot->exports,
                           &snapshot->imports};
}
/* What a config asks of a sandbox that goes on from a snapshot, completed. */
hl_status snapshot_config(hl_config *out, const hl_config *given, const hl_snapshot *snapshot,
                          hl_error *err);
#endif
