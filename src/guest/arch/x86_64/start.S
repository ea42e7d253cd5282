/* SPDX-License-Identifier: Apache-2.0 */
/* What makes an ELF file a guest: its first instructions and its note. */

/* In: rdi = struct hl_boot, rsp = end of the stack, all else 0. The thread's
 * data goes to the end of the stack, which will be in use anyway. */
        .section .text.hl__start, "ax", @progbits
        .globl  hl__start
        .type   hl__start, @function
hl__start:
        .cfi_startproc
        .cfi_undefined rip              /* debuggers: the outermost frame */
        movq    %rdi, %rbx
        call    hl__thread_size
        subq    %rax, %rsp
        movq    %rbx, %rdi
        movq    %rsp, %rsi
        call    hl__main
        ud2
        .cfi_endproc
        .size   hl__start, . - hl__start

/* struct hl_note of shared/abi.h. Here, so that no image is linked without it. */
        .section .note.hyperlight, "a", @note
        .balign 4
        .long   2f - 1f                 /* size of the owner's name */
        .long   4f - 3f                 /* size of the description */
        .long   1                       /* HL_NOTE_TYPE; boot.c checks these three */
1:      .asciz  "Hyperlight"
2:      .balign 4
3:      .long   1                       /* version: HL_ABI_VERSION */
        .long   1                       /* minimum */
        .quad   0                       /* features */
        .long   __start_hl_exp - .
        .long   __stop_hl_exp - .
        .long   __start_hl_imp - .
        .long   __stop_hl_imp - .
4:
        .section .note.GNU-stack, "", @progbits
