/* SPDX-License-Identifier: Apache-2.0 */
/* Guest C library: heap, number parsing, sorting. */
#ifndef HL_LIBC_STDLIB_H
#define HL_LIBC_STDLIB_H

#include <stddef.h>

#ifdef __cplusplus
extern "C" {
#endif

#define EXIT_SUCCESS 0
#define EXIT_FAILURE 1

/* The heap: 16-byte alignment; NULL when it is exhausted. A size of 0 gives a
 * pointer of its own, from realloc too: only free() frees. Freeing twice, or
 * a damaged block header, ends the guest with hl_abort(-3, "heap: ..."). */
void *malloc(size_t size) __attribute__((malloc));
void *calloc(size_t count, size_t size) __attribute__((malloc));
void *realloc(void *block, size_t size);
void free(void *block);
/* NULL unless alignment is a power of two; any size will do. */
void *aligned_alloc(size_t alignment, size_t size) __attribute__((malloc));

void abort(void) __attribute__((noreturn)); /* hl_abort(-1, "abort called") */

int abs(int value);
long labs(long value);
long long llabs(long long value);

/* Base 0 or 2 to 36. Out of range: the nearest limit and errno ERANGE. */
long strtol(const char *__restrict text, char **__restrict end, int base);
unsigned long strtoul(const char *__restrict text, char **__restrict end, int base);
long long strtoll(const char *__restrict text, char **__restrict end, int base);
unsigned long long strtoull(const char *__restrict text, char **__restrict end, int base);

/* In place, O(n log n) whatever the input, not stable. */
void qsort(void *items, size_t count, size_t size, int (*compare)(const void *, const void *));
void *bsearch(const void *key, const void *items, size_t count, size_t size,
              int (*compare)(const void *, const void *));

#ifdef __cplusplus
}
#endif
#endif
