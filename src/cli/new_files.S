/* SPDX-License-Identifier: Apache-2.0 */
/* The files that hyperlight new writes, as they are. */
#define FILE_(name, path) \
    .global name, name##_end; \
    name: .incbin path; \
    name##_end: .byte 0

    .section .rodata
    FILE_(new_host, "host.c")
    FILE_(new_guest, "guest.c")
    FILE_(new_makefile, "Makefile")

    .section .note.GNU-stack, "", @progbits
