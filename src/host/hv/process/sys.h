/* SPDX-License-Identifier: Apache-2.0 */
/* System calls of the tracer and the template, which have no C library. */
#ifndef HL_HOST_PROCESS_SYS_H
#define HL_HOST_PROCESS_SYS_H

#include <asm/unistd.h>

/* The result, or a negative errno. */
#ifdef __clang_analyzer__ /* it does not see what assembly writes */
long sys6(long number, long a, long b, long c, long d, long e, long f);
#else
static inline long sys6(long number, long a, long b, long c, long d, long e, long f)
{
    register long r10 __asm__("r10") = d;
    register long r8 __asm__("r8") = e;
    register long r9 __asm__("r9") = f;
    long result;

    __asm__ volatile("syscall"
                     : "=a"(result)
                     : "a"(number), "D"(a), "S"(b), "d"(c), "r"(r10), "r"(r8), "r"(r9)
                     : "rcx", "r11", "memory");
    return result;
}
#endif

#define SYS_SIX(number, a, b, c, d, e, f, ...) \
    sys6(number, (long)(a), (long)(b), (long)(c), (long)(d), (long)(e), (long)(f))
/* SYS(name, up to six arguments) */
#define SYS(name, ...) SYS_SIX(__NR_##name, __VA_ARGS__, 0, 0, 0, 0, 0, 0)

static inline _Noreturn void sys_leave(int status)
{
    for (;;)
        SYS(exit_group, status);
}
#endif
