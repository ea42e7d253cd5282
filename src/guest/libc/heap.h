/* SPDX-License-Identifier: Apache-2.0 */
/* Where the heap lies: told once by the runtime's entry, before any malloc. */
#ifndef HL_GUEST_LIBC_HEAP_H
#define HL_GUEST_LIBC_HEAP_H

#include <stddef.h>

/* Gives the heap [base, base + size), of which at most 1 TiB is used. Touches none
 * of it: every byte must read as zero until the heap writes it. Until this is
 * called the heap is empty; calling it again forgets all blocks. */
void hl__heap_init(void *base, size_t size);

#endif
