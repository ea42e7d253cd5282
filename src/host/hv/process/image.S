/* SPDX-License-Identifier: Apache-2.0 */
/* The tracer's program, as bytes in the library. */
        .section .rodata
        .globl  process_image, process_image_end
        .hidden process_image, process_image_end
        .balign 16
process_image:
        .incbin TRACER_IMAGE
process_image_end:
        .section .note.GNU-stack, "", @progbits
