/* SPDX-License-Identifier: Apache-2.0 */
/* Allocations that fail when a test wants it: malloc and family, wrapped by the linker. */
#ifndef HL_TESTS_ALLOC_H
#define HL_TESTS_ALLOC_H

#include <stdbool.h>
#include <stdint.h>

/* From now on the allocation after `count` more of this thread fails, and all
 * after it; alloc_works() ends that and says whether one has failed. */
void alloc_fails_after(uint32_t count);
bool alloc_works(void);
#endif
