/* SPDX-License-Identifier: Apache-2.0 */
/* The checksum of snapshot files: CRC32C (Castagnoli; RFC 3720, appendix B.4). */
#ifndef HL_HOST_CRC32C_H
#define HL_HOST_CRC32C_H

#include <stddef.h>
#include <stdint.h>

/* Of bytes that follow those whose checksum is `crc`; begin with 0. */
uint32_t crc32c(uint32_t crc, const void *bytes, size_t size);
/* The same without the processor's help: for processors that have none. */
uint32_t crc32c_portable(uint32_t crc, const void *bytes, size_t size);
#endif
