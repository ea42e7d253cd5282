/* SPDX-License-Identifier: Apache-2.0 */
/* Random bytes in small portions, without a system call for each. */
#ifndef HL_HOST_ENTROPY_H
#define HL_HOST_ENTROPY_H

#include <hyperlight/types.h>

/* Bytes of the operating system's generator that nobody else gets, no forked
 * child either. At most 1 KiB. Any thread. */
hl_status entropy_take(void *out, size_t size, hl_error *err);
#endif
