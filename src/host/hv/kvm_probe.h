/* SPDX-License-Identifier: Apache-2.0 */
/* Opening /dev/kvm, or saying why not. */
#ifndef HL_HOST_KVM_PROBE_H
#define HL_HOST_KVM_PROBE_H

#include <hyperlight/types.h>

/* An open, checked device in *out; E_NO_HYPERVISOR with the cure otherwise, or
 * as below. */
hl_status kvm_open(int *out, hl_error *err);

/* For errno: E_SYSTEM or E_MEMORY if it tells of a shortage here and now, which
 * says nothing about KVM; else E_NO_HYPERVISOR. */
hl_status kvm_unusable(hl_error *err, const char *what);
#endif
