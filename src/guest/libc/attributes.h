/* SPDX-License-Identifier: Apache-2.0 */
/* Compiler attributes that the C library's own loops need. */
#ifndef HL_GUEST_LIBC_ATTRIBUTES_H
#define HL_GUEST_LIBC_ATTRIBUTES_H

/* Compilers recognise a copying loop and replace it by a call to memcpy, which
 * inside memcpy never ends. Marks every function whose loop must stay one. */
#ifdef __clang__
#define HL__KEEP_LOOP __attribute__((no_builtin))
#else
#define HL__KEEP_LOOP __attribute__((optimize("no-tree-loop-distribute-patterns")))
#endif

/* Reads whole aligned words and so, harmlessly, beyond the end of an object. */
#define HL__READS_WORDS __attribute__((no_sanitize_address))

#endif
