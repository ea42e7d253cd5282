/* SPDX-License-Identifier: Apache-2.0 */
/* An empty VM that never runs, kept where VMs come and go one at a time. */
#ifndef HL_HOST_KVM_KEEPER_H
#define HL_HOST_KVM_KEEPER_H

#include <stdbool.h>

/* KVM counts vCPUs that have no interrupt controller in the kernel. When the
 * first comes and when the last goes it patches the kernel's code on every
 * processor, and older kernels switch virtualization on and off: a third of what
 * a VM takes to make, and more of its end. So a process that has ended its last
 * VM and makes another one first makes this, which has no memory: two
 * descriptors and some 0.2 MiB of the kernel. Any thread. */

/* Before a VM is made on this /dev/kvm, and after it has ended. */
void kvm_keeper_before(int device);
void kvm_keeper_after(void);

/* Ends it; it comes back as it came. False: there was none. */
bool kvm_keeper_end(void);
#endif
