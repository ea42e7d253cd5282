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
/* What VMs of a backend that renews begin with, up to MAPPINGS_MAX of each; their number. */
uint32_t vm_map_list(const struct vm *vm, struct hv_view *views, struct hv_region *regions);
/* Loads what the guest wrote to them. */
hl_status vm_map_lay(struct vm *vm, hl_error *err);
uint64_t vm_map_dirty(const struct vm *vm); /* pages */
/* All have been put back, and are protected again. */
void vm_map_forget(struct vm *vm);
/* The state of all mappings now; NULL if there is none. */
hl_status vm_map_freeze(struct mappings **out, struct vm *vm, hl_error *err);
hl_status vm_unmap_all(struct vm *vm, hl_error *err);
/* Once the machine is gone. */
void vm_map_free(struct vm *vm);

/* ---- Of vm.c ---------------------------------------------------------------------- */

/* With a backend that renews, what is mapped changes between these two: the
 * content takes in all that the guest has, and memory begins anew with it. An
 * error changes nothing for the guest. */
hl_status vm_withdraw(struct vm *vm, hl_error *err);
hl_status vm_anew(struct vm *vm, hl_error *err);

/* Dirty pages, some at a time: their numbers, and where the host can read them. */
struct vm_group {
    const struct dirty *dirty;
    uint64_t first;        /* page that is 0 in `dirty`, */
    const uint8_t *memory; /* and where it is, if there is memory before the host */
    uint64_t at;           /* of dirty_next */
    uint64_t numbers[HV_STORE_MAX];
    const uint8_t *pages[HV_STORE_MAX];
    uint32_t count, next;
};
/* One after the other until *bytes is NULL; messages are left out. */
hl_status vm_group_next(const uint8_t **bytes, uint64_t *number, struct vm_group *group,
                        struct vm *vm, hl_error *err);
#endif
