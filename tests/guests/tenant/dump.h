/* SPDX-License-Identifier: Apache-2.0 */
/* What the tenant guest sees of the processor and of memory, and how it can leave. */
#ifndef HL_TESTS_TENANT_DUMP_H
#define HL_TESTS_TENANT_DUMP_H

#include <stdint.h>

/* dump.S knows the offsets. */
struct tenant_dump {
    uint64_t rax, rbx, rcx, rdx, rsi, rdi, rbp, rsp, r8, r9, r10, r11, r12, r13, r14, r15;
    uint64_t rflags;
    uint64_t cs, ds, es, fs, gs, ss;
    uint64_t fs_base, gs_base;
    uint64_t xcr0;
    uint8_t x87[32]; /* by fnstenv */
    uint64_t mxcsr;
    uint64_t heap, stack, data, replies, requests; /* hashes of what they hold */
    uint8_t zero[224];
    uint8_t xsave[3584]; /* every component; its header's XSTATE_BV cleared */
};
_Static_assert(sizeof(struct tenant_dump) == 4096, "a page");
_Static_assert(__builtin_offsetof(struct tenant_dump, mxcsr) == 240, "as in dump.S");
_Static_assert(__builtin_offsetof(struct tenant_dump, xsave) == 512, "as in dump.S");

enum { TENANT_XSTATE_BV = 512 }; /* in xsave */

/* What the callee-saved registers and the GS base hold over Park. */
#define TENANT_KEPT 0x5a01020304050600ull /* + 1 for rbx, 2 rbp, 3 to 6 r12 to r15 */
#define TENANT_KEPT_GS 0x00005a0102030000ull

/* How Fill leaves, with every register filled. */
enum tenant_way {
    TENANT_PARK,     /* as a call that succeeded */
    TENANT_FAULT,    /* ud2 */
    TENANT_IN,       /* each of these is never finished */
    TENANT_INS,      /* a few bytes */
    TENANT_INS_LONG, /* more than the hypervisor can finish at once */
    TENANT_OUTS,
    TENANT_OUTS_WORDS,
    TENANT_SPIN,
    TENANT_WAYS
};
#endif
