/* SPDX-License-Identifier: Apache-2.0 */
/* Copying pages and seeing in the same pass what changed. */
#ifndef HL_HOST_PAGE_COPY_H
#define HL_HOST_PAGE_COPY_H

#include <hyperlight/types.h>

/* All pages are HL_PAGE bytes, aligned to 32. */

/* Makes `to` equal to `from`; were they different? */
bool page_restore(uint8_t *to, const uint8_t *from);

bool page_is_zero(const uint8_t *page);

enum page_kind { PAGE_SAME, PAGE_ZERO, PAGE_CHANGED };
/* Copies `from` to `to`; is it equal to `before`, all zero, or something else? */
enum page_kind page_capture(uint8_t *to, const uint8_t *from, const uint8_t *before);
#endif
