/* SPDX-License-Identifier: Apache-2.0 */
/* A KVM virtual machine, as the files of this backend share it. */
#ifndef HL_HOST_KVM_H
#define HL_HOST_KVM_H

#include <linux/kvm.h>

#include "hv.h"
#include "kvm_signal.h"

struct kvm_slot {          /* memory of the VM; pages 0: unused */
    uint64_t first, pages; /* guest-physical, by number */
    uint64_t *log;         /* one bit a page; with the pages named since forget */
};

struct hv_vm {
    int device, vm, vcpu;
    struct kvm_run *run;
    size_t run_size;
    uint8_t *memory;
    uint64_t memory_size;
    struct kvm_runner runner;
    struct kvm_sregs sregs; /* as it started */
    uint64_t xcr0;
    bool counted; /* the keeper knows of it */

    struct kvm_dirty_gfn *ring; /* NULL: the logs */
    uint32_t ring_at;           /* the next entry to read */
    bool logs;
    struct kvm_slot slots[1 + HV_MAPS_MAX];
};

/* errno and what failed. */
hl_status kvm_fail(hl_error *err, const char *what);

/* Dirty pages (api.rst 4.8, 4.117, 7.18, 8.29). prepare comes before the vCPU,
 * which the ring belongs to; map after it. log: no ring even where KVM has one. */
hl_status kvm_dirty_prepare(struct hv_vm *vm, bool log, hl_error *err);
/* A slot whose writes are to be named. */
hl_status kvm_dirty_slot(struct hv_vm *vm, uint32_t number, uint64_t gpa, uint64_t size,
                         hl_error *err);
void kvm_dirty_end(struct hv_vm *vm, uint32_t number);
hl_status kvm_dirty_map(struct hv_vm *vm, hl_error *err);
void kvm_dirty_free(struct hv_vm *vm);
hl_status kvm_dirty(struct hv_vm *vm, hv_page_fn page, void *ctx, hl_error *err);
hl_status kvm_forget(struct hv_vm *vm, hl_error *err);

/* Remembers once what the MSRs of a fresh vCPU are. */
hl_status kvm_scrub_learn(struct hv_vm *vm, hl_error *err);
hl_status kvm_scrub(struct hv_vm *vm, hl_error *err);
#endif
