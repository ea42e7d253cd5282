/* SPDX-License-Identifier: Apache-2.0 */
/* Where the tracer begins, and the system calls that the template's filter knows by address. */
        .section .note.GNU-stack, "", @progbits
        .text
        .globl  _start
_start:
        xor     %ebp, %ebp
        mov     %rsp, %rdi
        and     $-16, %rsp
        call    tracer_main
        ud2

/* long thread_start(void *stack, long flags, void (*body)(void)) */
        .globl  thread_start
        .hidden thread_start
thread_start:
        mov     %rdx, %r9
        xchg    %rdi, %rsi
        mov     $56, %eax               /* clone */
        xor     %edx, %edx
        xor     %r10d, %r10d
        xor     %r8d, %r8d
        syscall
        test    %eax, %eax
        jnz     1f
        call    *%r9
1:      ret

/* The template's calls: each name_ip is where the system call returns to. What
 * the filter compares besides is in filter.c. */
        .macro  CALL name, number
        .globl  \name, \name\()_ip
        .hidden \name, \name\()_ip
\name:
        mov     $\number, %eax
        mov     %rcx, %r10
        syscall
\name\()_ip:
        ret
        .endm

        CALL    template_futex, 202     /* (word, operation, value, timeout, 0, 0) */
        CALL    template_requests, 25   /* mremap: the three parts of a slot */
        CALL    template_replies, 25
        CALL    template_words, 25
        CALL    template_fork_requests, 28      /* madvise: inherited by the next child */
        CALL    template_fork_replies, 28
        CALL    template_fork_words, 28
        CALL    template_clone, 56
