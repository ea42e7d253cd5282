/* SPDX-License-Identifier: Apache-2.0 */
/* Guest C library: formatted text, into buffers or to the host. */
#ifndef HL_LIBC_STDIO_H
#define HL_LIBC_STDIO_H

#include <stdarg.h>
#include <stddef.h>

#ifdef __cplusplus
extern "C" {
#endif

#define EOF (-1)

/* d i u o x X c s p % f F e E g G with the flags, width, precision and length
 * modifiers of C11; doubles are rounded exactly, to nearest even. Not C11:
 * - %n never writes; it, %a, %ls and anything unknown is copied as it stands
 *   (the argument of %n, %a and %ls is skipped);
 * - %lc prints one byte, and a long double is printed as a double. */
int snprintf(char *__restrict to, size_t size, const char *__restrict format, ...)
    __attribute__((format(printf, 3, 4)));
int vsnprintf(char *__restrict to, size_t size, const char *__restrict format, va_list args)
    __attribute__((format(printf, 3, 0)));

/* Each call hands its text to hl_print at once: no buffering, one exit per
 * call. The text must be UTF-8 and ends at its first NUL. EOF (-1) if the host
 * refuses it or the heap cannot hold it. */
int printf(const char *__restrict format, ...) __attribute__((format(printf, 1, 2)));
int vprintf(const char *__restrict format, va_list args) __attribute__((format(printf, 1, 0)));
int puts(const char *text);
int putchar(int c);

#ifdef __cplusplus
}
#endif
#endif
