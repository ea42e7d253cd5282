/* SPDX-License-Identifier: Apache-2.0 */
/* Exits by which KVM says that it failed. */
#ifndef HL_HOST_KVM_FAILURE_H
#define HL_HOST_KVM_FAILURE_H

#include <hyperlight/types.h>
#include <linux/kvm.h>

/* E_SYSTEM if this exit is KVM's failure or the processor's; HL_OK if it is
 * the guest's doing, an instruction that KVM cannot emulate included. */
hl_status kvm_failure(const struct kvm_run *run, hl_error *err);
#endif
