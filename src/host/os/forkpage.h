/* SPDX-License-Identifier: Apache-2.0 */
/* State that a forked child finds zeroed: locks are free there, stocks empty. */
#ifndef HL_HOST_OS_FORKPAGE_H
#define HL_HOST_OS_FORKPAGE_H

#include <stdatomic.h>

#include "os.h"

/* The page of this slot, at most HL_PAGE bytes of state, made at its first use;
 * NULL: none can be had. Any thread. */
static inline void *forkpage_get(_Atomic(void *) *slot)
{
    void *page = atomic_load_explicit(slot, memory_order_acquire), *none = NULL;

    if (page)
        return page;
    page = os_page_wiped_on_fork();
    if (page && !atomic_compare_exchange_strong(slot, &none, page)) {
        os_page_free(page);
        page = none;
    }
    return page;
}
#endif
