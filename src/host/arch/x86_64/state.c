/* SPDX-License-Identifier: Apache-2.0 */
/* A processor that starts in user mode, within the rules of VT-x and AMD-V. */
#include "state.h"

#include <cpuid.h>

#include "system.h"

enum {
    CR0_PE = 1u << 0,
    CR0_MP = 1u << 1,
    CR0_ET = 1u << 4,
    CR0_NE = 1u << 5,
    CR0_WP = 1u << 16,
    CR0_AM = 1u << 18,
    CR4_PAE = 1u << 5,
    CR4_OSFXSR = 1u << 9,
    CR4_OSXMMEXCPT = 1u << 10,
    CR4_FSGSBASE = 1u << 16,
    CR4_OSXSAVE = 1u << 18,
    EFER_LME = 1u << 8,
    EFER_LMA = 1u << 10,
    EFER_NXE = 1u << 11,
    XCR0_X87 = 1,
    XCR0_SSE = 2,
    XCR0_AVX = 4,
    ACCESS_USER_CODE = 0xa0fb, /* execute/read, accessed, DPL 3, L, G */
    ACCESS_USER_DATA = 0xc0f3, /* read/write, accessed, DPL 3, D/B, G */
    ACCESS_TSS_FREE = 0x0089,
    ACCESS_TSS_BUSY = 0x008b,
    ACCESS_LDT = 0x0082,
};
#define CR0_PG (1u << 31)

void x86_state_init(struct x86_state *out, bool avx, bool busy_tss)
{
    const struct x86_segment data = {0, UINT32_MAX, X86_SEL_USER_SS, ACCESS_USER_DATA};

    *out = (struct x86_state){
        .cs = {0, UINT32_MAX, X86_SEL_USER_CS, ACCESS_USER_CODE},
        .ds = data,
        .es = data,
        .fs = data,
        .gs = data,
        .ss = data,
        .tr = {SYSTEM_TSS, SYSTEM_TSS_LIMIT, X86_SEL_TSS,
               busy_tss ? ACCESS_TSS_BUSY : ACCESS_TSS_FREE},
        .ldt = {0, 0, 0, ACCESS_LDT},
        .gdt = {SYSTEM_GDT, SYSTEM_GDT_LIMIT},
        .idt = {SYSTEM_IDT, SYSTEM_IDT_LIMIT},
        .cr0 = CR0_PE | CR0_MP | CR0_ET | CR0_NE | CR0_WP | CR0_AM | CR0_PG,
        .cr3 = SYSTEM_CR3,
        .cr4 = CR4_PAE | CR4_OSFXSR | CR4_OSXMMEXCPT | CR4_FSGSBASE | CR4_OSXSAVE,
        .efer = EFER_LME | EFER_LMA | EFER_NXE,
        .xcr0 = XCR0_X87 | XCR0_SSE | (avx ? XCR0_AVX : 0),
    };
}

bool x86_vendor_intel(void)
{
    unsigned eax, ebx, ecx, edx;

    return __get_cpuid(0, &eax, &ebx, &ecx, &edx) && ebx == signature_INTEL_ebx;
}

bool x86_xsave_compacts(void)
{
    enum { XSAVE_LEAF = 0xd, XSAVEC = 1 << 1 };
    unsigned eax, ebx, ecx, edx;

    return __get_cpuid_count(XSAVE_LEAF, 1, &eax, &ebx, &ecx, &edx) && (eax & XSAVEC);
}
