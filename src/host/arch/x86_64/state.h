/* SPDX-License-Identifier: Apache-2.0 */
/* The state of a virtual processor before its first entry. */
#ifndef HL_HOST_X86_STATE_H
#define HL_HOST_X86_STATE_H

#include <hyperlight/types.h>

struct x86_segment {
    uint64_t base;
    uint32_t limit;
    uint16_t selector;
    uint16_t access; /* type 0-3, S 4, DPL 5-6, P 7, L 13, D/B 14, G 15 (SDM 3C 25.4.1) */
};

struct x86_table {
    uint64_t base;
    uint16_t limit;
};

struct x86_state {
    struct x86_segment cs, ds, es, fs, gs, ss, tr, ldt;
    struct x86_table gdt, idt;
    uint64_t cr0, cr3, cr4, efer, xcr0;
};

/* User mode, ring 3, 64-bit, with the tables of system.h. busy_tss: TR of type
 * 11, which VT-x wants (SDM 3C 27.3.1.2); type 9 otherwise, which AMD takes. */
void x86_state_init(struct x86_state *out, bool avx, bool busy_tss);
bool x86_vendor_intel(void);   /* of the processor this runs on */
bool x86_xsave_compacts(void); /* it takes the compacted format (SDM 1 13.4.3) */

/* The selectors of Linux user code: signal frames and thread libraries know them. */
enum {
    X86_SEL_KERNEL_CS = 0x10,
    X86_SEL_KERNEL_SS = 0x18,
    X86_SEL_USER_SS = 0x2b,
    X86_SEL_USER_CS = 0x33,
    X86_SEL_TSS = 0x40
};
/* Interrupts are on, as user code has them: none is ever injected, but with them
 * off an emulated VT-x (Bochs) lets a spinning guest keep the host's away. */
enum { X86_RFLAGS_START = 0x202 };
#endif
