/* SPDX-License-Identifier: Apache-2.0 */
/* The gate page: parks the guest, and starts it again with nothing left of others. */

#ifdef _WIN32
        .section .rdata, "dr"
#else
        .section .rodata
        .hidden gate_begin, gate_scrub, gate_end
#endif
        .globl  gate_begin, gate_scrub, gate_end

        .set    PORT, 0x80              /* GATE_PORT */
        .set    XSAVE, 0x400            /* GATE_XSAVE */
        .set    USER_SS, 0x2b           /* X86_SEL_USER_SS */

/* The call entry. What must survive goes to the guest's stack (struct
 * gate_frame); when the guest resumes here, the registers still have it. */
        .balign 64
gate_begin:
        push    %rbx
        push    %rbp
        push    %r12
        push    %r13
        push    %r14
        push    %r15
        rdfsbase %rax
        push    %rax
        rdgsbase %rax
        push    %rax
        push    %rax                    /* room */
        stmxcsr (%rsp)
        fnstcw  4(%rsp)
        outb    %al, $PORT
        add     $72, %rsp
        ret

/* The scrub entry: the host has set rsp to a gate_frame, rdi to whatever is to
 * arrive, rflags, and every other general register to 0. Leaves no state of
 * user mode as it was. */
        .balign 64
gate_scrub:
        fnclex                          /* some processors keep the last x87 */
        emms                            /* pointers through an xrstor: load */
        fildl   zero(%rip)              /* harmless ones (APM 3 FXRSTOR) */
        mov     $-1, %eax
        mov     $-1, %edx
        xrstor64 (gate_begin + XSAVE)(%rip)
        mov     $USER_SS, %eax
        mov     %eax, %ds
        mov     %eax, %es
        mov     %eax, %fs               /* before the bases: loading clears them */
        mov     %eax, %gs
        ldmxcsr (%rsp)
        fldcw   4(%rsp)
        mov     8(%rsp), %rax
        wrgsbase %rax
        mov     16(%rsp), %rax
        wrfsbase %rax
        add     $24, %rsp
        pop     %r15
        pop     %r14
        pop     %r13
        pop     %r12
        pop     %rbp
        pop     %rbx
        xor     %eax, %eax
        xor     %edx, %edx
        ret

        .balign 4
zero:   .long   0
gate_end:
#ifndef _WIN32
        .section .note.GNU-stack, "", @progbits
#endif
