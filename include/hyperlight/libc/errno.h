/* SPDX-License-Identifier: Apache-2.0 */
/* Guest C library: the error number that the strto* functions set. */
#ifndef HL_LIBC_ERRNO_H
#define HL_LIBC_ERRNO_H

#ifdef __cplusplus
extern "C" {
#endif

#define EINVAL 22
#define ERANGE 34

extern int hl__errno; /* a guest has one thread */
#define errno hl__errno

#ifdef __cplusplus
}
#endif
#endif
