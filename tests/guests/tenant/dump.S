/* SPDX-License-Identifier: Apache-2.0 */
/* Stores every register that user mode can see, and fills every one. */

        .set    GATE, 0x600000200000    /* HL_GATE */
        .set    PORT, 0x80              /* PORT_GATE */
        .set    KEPT, 0x5a01020304050600 /* TENANT_KEPT */
        .set    KEPT_GS, 0x5a0102030000 /* TENANT_KEPT_GS */

/* struct tenant_dump at a symbol. Changes rax, rcx, rdx and what lies below
 * the stack pointer. */
        .macro  DUMP at
        mov     %rax, \at + 0(%rip)
        mov     %rbx, \at + 8(%rip)
        mov     %rcx, \at + 16(%rip)
        mov     %rdx, \at + 24(%rip)
        mov     %rsi, \at + 32(%rip)
        mov     %rdi, \at + 40(%rip)
        mov     %rbp, \at + 48(%rip)
        mov     %rsp, \at + 56(%rip)
        mov     %r8, \at + 64(%rip)
        mov     %r9, \at + 72(%rip)
        mov     %r10, \at + 80(%rip)
        mov     %r11, \at + 88(%rip)
        mov     %r12, \at + 96(%rip)
        mov     %r13, \at + 104(%rip)
        mov     %r14, \at + 112(%rip)
        mov     %r15, \at + 120(%rip)
        pushfq
        popq    \at + 128(%rip)
        mov     %cs, %eax
        mov     %rax, \at + 136(%rip)
        mov     %ds, %eax
        mov     %rax, \at + 144(%rip)
        mov     %es, %eax
        mov     %rax, \at + 152(%rip)
        mov     %fs, %eax
        mov     %rax, \at + 160(%rip)
        mov     %gs, %eax
        mov     %rax, \at + 168(%rip)
        mov     %ss, %eax
        mov     %rax, \at + 176(%rip)
        rdfsbase %rax
        mov     %rax, \at + 184(%rip)
        rdgsbase %rax
        mov     %rax, \at + 192(%rip)
        stmxcsr \at + 240(%rip)
        fnstenv \at + 208(%rip)
        fldenv  \at + 208(%rip)         /* fnstenv masked the exceptions */
        xor     %ecx, %ecx
        xgetbv
        mov     %eax, \at + 200(%rip)
        mov     %edx, \at + 204(%rip)
        mov     $-1, %eax
        mov     $-1, %edx
        xsave64 \at + 512(%rip)
        .endm

/* The first instruction of a guest, and then what start.S does. */
        .section .text.hl__start, "ax", @progbits
        .globl  hl__start
hl__start:
        DUMP    tenant_first
        mov     %rdi, %rbx
        lea     tenant_first(%rip), %rdi
        mov     %rsp, %rsi
        call    tenant_hash
        call    hl__thread_size
        sub     %rax, %rsp
        mov     %rbx, %rdi
        mov     %rsp, %rsi
        call    hl__main
        ud2

        .section .note.hyperlight, "a", @note
        .balign 4
        .long   11, 32, 1
        .asciz  "Hyperlight"
        .balign 4
        .long   1, 1, 0, 0
        .long   __start_hl_exp - ., __stop_hl_exp - .
        .long   __start_hl_imp - ., __stop_hl_imp - .

/* Parks in the middle of a call, whose answer has been written already, and
 * dumps when it resumes. Everything that a park keeps has a value of its own. */
        .text
        .globl  tenant_park
tenant_park:
        push    %rbx
        push    %rbp
        push    %r12
        push    %r13
        push    %r14
        push    %r15
        movabs  $KEPT_GS, %rax
        wrgsbase %rax
        ldmxcsr kept_mxcsr(%rip)
        fldcw   kept_x87(%rip)
        movabs  $KEPT + 1, %rbx
        movabs  $KEPT + 2, %rbp
        movabs  $KEPT + 3, %r12
        movabs  $KEPT + 4, %r13
        movabs  $KEPT + 5, %r14
        movabs  $KEPT + 6, %r15
        movabs  $GATE, %rax
        call    *%rax
        DUMP    tenant_parked
        ldmxcsr usual_mxcsr(%rip)
        fldcw   usual_x87(%rip)
        xor     %eax, %eax
        wrgsbase %rax
        pop     %r15
        pop     %r14
        pop     %r13
        pop     %r12
        pop     %rbp
        pop     %rbx
        ret

/* Fills everything that an XSAVE area can (rdi) and all the rest. Alignment is
 * checked from popfq on, so nothing touches memory behind it. */
        .macro  FILL
        mov     $-1, %eax
        mov     $-1, %edx
        xrstor64 (%rdi)
        mov     $0x33, %eax             /* the code segment can be read, too */
        mov     %eax, %ds
        mov     %eax, %es
        mov     %eax, %fs
        mov     %eax, %gs
        movabs  $0x00005aa512345678, %rax
        wrfsbase %rax
        movabs  $0x00005aa587654321, %rax
        wrgsbase %rax
        pushq   $0x244cd7               /* ID AC NT DF SF ZF AF PF CF */
        popfq
        movabs  $0xa5a5000000000001, %rax
        movabs  $0xa5a5000000000002, %rbx
        movabs  $0xa5a5000000000003, %rcx
        movabs  $0xa5a5000000000004, %rdx
        movabs  $0xa5a5000000000005, %rsi
        movabs  $0xa5a5000000000006, %rdi
        movabs  $0xa5a5000000000007, %rbp
        movabs  $0x0000a5a500000008, %rsp
        movabs  $0xa5a5000000000009, %r8
        movabs  $0xa5a500000000000a, %r9
        movabs  $0xa5a500000000000b, %r10
        movabs  $0xa5a500000000000c, %r11
        movabs  $0xa5a500000000000d, %r12
        movabs  $0xa5a500000000000e, %r13
        movabs  $0xa5a500000000000f, %r14
        movabs  $0xa5a5000000000010, %r15
        .endm

/* Whoever resumes where an access was left goes out as if all were well. */
        .macro  LEAVE
1:      out     %al, $PORT
        jmp     1b
        .endm

        .globl  tenant_leave_park, tenant_leave_fault, tenant_leave_in, tenant_leave_ins
        .globl  tenant_leave_ins_long, tenant_leave_outs, tenant_leave_outs_words
        .globl  tenant_leave_spin
tenant_leave_park:
        FILL
        LEAVE
tenant_leave_fault:
        FILL
        ud2
tenant_leave_in:
        FILL
        in      $PORT, %al
        LEAVE
tenant_leave_ins:
        FILL
        cld
        mov     $4, %ecx
        mov     $PORT, %edx
        lea     tenant_buffer(%rip), %rdi
        rep     insb
        LEAVE
tenant_leave_ins_long:
        FILL
        cld
        mov     $16384, %ecx
        mov     $PORT, %edx
        lea     tenant_buffer(%rip), %rdi
        rep     insb
        LEAVE
tenant_leave_outs:
        FILL
        cld
        mov     $16384, %ecx
        mov     $PORT, %edx
        lea     tenant_buffer(%rip), %rsi
        rep     outsb
        LEAVE
tenant_leave_outs_words:
        FILL
        cld
        mov     $4, %ecx
        mov     $PORT, %edx
        lea     tenant_buffer(%rip), %rsi
        rep     outsw
        LEAVE
tenant_leave_spin:
        FILL
1:      jmp     1b

        .section .rodata.tenant, "a", @progbits
        .balign 4
kept_mxcsr:
        .long   0x9fc0                  /* flush to zero, denormals are zero */
usual_mxcsr:
        .long   0x1f80
kept_x87:
        .word   0xf7f                   /* round to zero */
usual_x87:
        .word   0x37f
        .section .note.GNU-stack, "", @progbits
