/* SPDX-License-Identifier: Apache-2.0 */
/* Guest C library: assert, which ends the guest with hl_abort(-2, text). */

/* No include guard: C lets NDEBUG change between two inclusions. */
#undef assert
#ifdef NDEBUG
#define assert(condition) ((void)0)
#else
#define assert(condition) \
    ((condition) ? (void)0 : hl__assert_failed(#condition, __FILE__, __LINE__))
#endif

#ifndef HL_LIBC_ASSERT_H
#define HL_LIBC_ASSERT_H

#ifdef __cplusplus
extern "C" {
#else
#define static_assert _Static_assert
#endif

void hl__assert_failed(const char *condition, const char *file, int line) __attribute__((noreturn));

#ifdef __cplusplus
}
#endif
#endif
