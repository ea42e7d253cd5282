/* SPDX-License-Identifier: Apache-2.0 */
/* Exports nothing; its entry executes hlt, which user mode may not. */
    .section .note.hyperlight, "a", @note
    .balign 4
    .long 11, 32, 1
    .asciz "Hyperlight"
    .balign 4
    .long 1, 1, 0, 0
    .long __start_hl_exp - ., __stop_hl_exp - .
    .long __start_hl_imp - ., __stop_hl_imp - .

    .text
    .globl hl__start
hl__start:
    hlt
    .section .note.GNU-stack, "", @progbits
