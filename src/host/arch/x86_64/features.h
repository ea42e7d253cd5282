/* SPDX-License-Identifier: Apache-2.0 */
/* What the processor offers to user code, as a snapshot file records it. */
#ifndef HL_HOST_X86_FEATURES_H
#define HL_HOST_X86_FEATURES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Extensions of the instruction set that a guest may have found here, as bits
 * in the order of docs/snapshot-format.md. avx: those on the AVX state, too,
 * where the system has switched that on. */
uint64_t x86_features(bool avx);
enum { X86_FEATURE_AVX = 30 };              /* its bit */
const char *x86_feature_name(unsigned bit); /* NULL: this library knows none such */

enum { X86_VENDOR_SIZE = 12 };
void x86_vendor(char out[X86_VENDOR_SIZE]); /* "GenuineIntel", no NUL */

/* CRC32C by the processor; only where x86_has_crc32c() says so. The sum goes in
 * and comes out without the inversions that the CRC begins and ends with. */
bool x86_has_crc32c(void);
uint32_t x86_crc32c(uint32_t sum, const uint8_t *bytes, size_t size);
#endif
