/* SPDX-License-Identifier: Apache-2.0 */
/* What CPUID tells a guest on KVM. */
#ifndef HL_HOST_KVM_CPUID_H
#define HL_HOST_KVM_CPUID_H

#include <linux/kvm.h>
#include <stdbool.h>

enum { KVM_CPUID_MAX = 256 };
struct kvm_cpuid_list { /* struct kvm_cpuid2 with room */
    __u32 nent, padding;
    struct kvm_cpuid_entry2 entries[KVM_CPUID_MAX];
};

/* Reduces what KVM_GET_SUPPORTED_CPUID said to the leaves a guest needs: no
 * virtualization, x2APIC, or paravirtual features; AVX only if wanted. */
void kvm_cpuid_curate(struct kvm_cpuid_list *list, bool avx);
#endif
