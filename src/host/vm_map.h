/* SPDX-License-Identifier: Apache-2.0 */
/* Mappings of a VM, for vm.c. */
#ifndef HL_HOST_VM_MAP_H
#define HL_HOST_VM_MAP_H

#include "vm.h"

/* A page beyond guest memory was written. */
void vm_map_note(struct vm *vm, uint64_t number);
/* Makes mappings and what the guest wrote to them those of a content; *stale
 * grows by the pages that no longer need to be writable. */
hl_status vm_map_put(struct vm *vm, const struct content *to, uint32_t *stale, hl_error *err);
/* All have been put back, and are protected again. */
void vm_map_forget(struct vm *vm);
/* The state of all mappings now; NULL if there is none. */
hl_status vm_map_freeze(struct mappings **out, struct vm *vm, hl_error *err);
hl_status vm_unmap_all(struct vm *vm, hl_error *err);
/* Once the machine is gone. */
void vm_map_free(struct vm *vm);
#endif
