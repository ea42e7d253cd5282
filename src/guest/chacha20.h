/* SPDX-License-Identifier: Apache-2.0 */
/* The ChaCha20 block function (RFC 8439, section 2.3). */
#ifndef HL_GUEST_CHACHA20_H
#define HL_GUEST_CHACHA20_H

#include <stdint.h>

/* 64 bytes of key stream for a nonce of zero. */
void hl__chacha20(uint32_t out[16], const uint32_t key[8], uint64_t counter);
#endif
