/* SPDX-License-Identifier: Apache-2.0 */
/* Frozen pages of guest memory: one pool a process, each page shared by count. */
#ifndef HL_HOST_PAGES_H
#define HL_HOST_PAGES_H

#include "../shared/abi.h"

/* One of HL_PAGE bytes, count 1, contents undefined; NULL if there is no
 * memory. Whoever got it may write it until it is shared. Any thread. */
uint8_t *pages_new(void);
void pages_retain(const uint8_t *page);
void pages_release(const uint8_t *page);

/* Stands for a page of zeros; never counted. */
extern const uint8_t pages_zero[HL_PAGE];
#endif
