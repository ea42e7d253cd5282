/* SPDX-License-Identifier: Apache-2.0 */
/* Opening /dev/kvm, or saying why not. */
#ifndef HL_HOST_KVM_PROBE_H
#define HL_HOST_KVM_PROBE_H

#include <hyperlight/types.h>

/* An open, checked device in *out; E_NO_HYPERVISOR with the cure otherwise. */
hl_status kvm_open(int *out, hl_error *err);
#endif
