/* SPDX-License-Identifier: Apache-2.0 */
/* A vCPU's supervisor state, which no guest can reach: read and filled by ioctl. */
#ifndef HL_TESTS_SUPERVISOR_H
#define HL_TESTS_SUPERVISOR_H

#include "../../src/host/hv/kvm.h"

enum { SUPERVISOR_MSRS = 512 };

struct supervisor {
    struct kvm_sregs sregs;
    struct kvm_debugregs debug;
    struct kvm_vcpu_events events;
    struct kvm_xcrs xcrs;
    struct kvm_mp_state mp_state;
    uint32_t msr_count;
    struct kvm_msr_entry msrs[SUPERVISOR_MSRS]; /* all but the time */
};

void supervisor_read(struct supervisor *out, const struct hv_vm *vm);

/* As if a tenant had come through the wall: whatever KVM lets be set to
 * something else than it is, is. Returns how many MSRs that were. */
uint32_t supervisor_fill(const struct hv_vm *vm);

/* false: KVM refuses. */
bool supervisor_set_msr(const struct hv_vm *vm, uint32_t index, uint64_t value);

/* Fails the test, naming the first difference. */
void supervisor_check(const struct supervisor *found, const struct supervisor *wanted);
#endif
