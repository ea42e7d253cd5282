/* SPDX-License-Identifier: Apache-2.0 */
/* A fuzz target: run by libFuzzer, or by replay.c on given files. */
#ifndef HL_FUZZ_H
#define HL_FUZZ_H

#include <stddef.h>
#include <stdint.h>

/* Returns 0; what is wrong ends the process. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define FUZZ_CHECK(cond) ((cond) ? (void)0 : __builtin_trap())
#endif
