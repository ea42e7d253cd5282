/* SPDX-License-Identifier: Apache-2.0 */
/* Idle VMs of the process, kept for the next sandbox of their kind. */
#ifndef HL_HOST_CACHE_H
#define HL_HOST_CACHE_H

#include "vm.h"

/* A VM of this kind: best one that holds the content, then one of the lineage,
 * then any. NULL: none. What it holds is its last owner's. */
struct vm *cache_take(const struct vm_kind *kind, const struct content *content, uint64_t lineage);

/* How many more of a kind that hold the content there may be until `wanted` are
 * idle, within the limit. */
uint32_t cache_room(const struct vm_kind *kind, const struct content *content, uint32_t wanted);

/* Keeps a VM that nobody uses any more, or destroys it. */
void cache_put(struct vm *vm);
#endif
