/* SPDX-License-Identifier: Apache-2.0 */
/* The gate pages, of a VM and of a process: each parks the guest, and starts it
 * again with nothing left of others. */

#ifdef _WIN32
        .section .rdata, "dr"
#else
        .section .rodata
        .hidden gate_begin, gate_scrub, gate_end
        .hidden gate_process_begin, gate_process_scrub, gate_process_end
        .hidden gate_process_wake, gate_process_wait
#endif
        .globl  gate_begin, gate_scrub, gate_end
        .globl  gate_process_begin, gate_process_scrub, gate_process_end
        .globl  gate_process_wake, gate_process_wait

        .set    PORT, 0x80              /* GATE_PORT */
        .set    XSAVE, 0x400            /* GATE_XSAVE */
        .set    USER_SS, 0x2b           /* X86_SEL_USER_SS */

        .set    WORDS, 0x6e0000000000   /* TRACER_WORDS: request, answer */
        .set    ANSWER, 64
        .set    FUTEX, 202
        .set    FUTEX_WAIT, 0
        .set    FUTEX_WAKE, 1

/* What must survive goes to the guest's stack (struct gate_frame); when the
 * guest resumes here, the registers still have it. */
        .macro  KEEP
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
        .endm

/* The scrub entry: the host has set rsp to a gate_frame, rdi to whatever is to
 * arrive, rflags, and every other general register to 0. Leaves no state of
 * user mode as it was. */
        .macro  SCRUB begin
        fnclex                          /* some processors keep the last x87 */
        emms                            /* pointers through an xrstor: load */
        fildl   1f(%rip)                /* harmless ones (APM 3 FXRSTOR) */
        mov     $-1, %eax
        mov     $-1, %edx
        xrstor64 (\begin + XSAVE)(%rip)
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
1:      .long   0
        .endm

/* ---- In a VM ---- */

        .balign 64
gate_begin:                             /* the call entry */
        KEEP
        outb    %al, $PORT
        add     $72, %rsp
        ret
        .balign 64
gate_scrub:
        SCRUB   gate_begin
gate_end:

/* ---- In a process ---- */

/* futex(\word, \operation, \value, 0, 0, 0): all constants, and none of them in a
 * register before; the filter compares each. */
        .macro  CALL word, operation, value
        movabs  $\word, %rdi
        mov     $\operation, %esi
        mov     $\value, %edx
        xor     %r10d, %r10d
        xor     %r8d, %r8d
        xor     %r9d, %r9d
        mov     $FUTEX, %eax
        syscall
        .endm

        .balign 64
gate_process_begin:
        KEEP
        movabs  $WORDS, %r11
        movl    $1, ANSWER(%r11)
        CALL    WORDS + ANSWER, FUTEX_WAKE, 1
gate_process_wake:
        movabs  $WORDS, %r11            /* a guest may have jumped anywhere */
        cmpl    $0, (%r11)
        jne     2f
        CALL    WORDS, FUTEX_WAIT, 0
gate_process_wait:
        jmp     gate_process_wake
2:      movl    $0, (%r11)
        add     $72, %rsp
        ret
        .balign 64
gate_process_scrub:
        SCRUB   gate_process_begin
gate_process_end:
#ifndef _WIN32
        .section .note.GNU-stack, "", @progbits
#endif
