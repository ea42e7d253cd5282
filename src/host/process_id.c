/* SPDX-License-Identifier: Apache-2.0 */
/* A process numbers itself: one more than whoever forked it. */
#include "process_id.h"

#include "os/forkpage.h"
#include "../shared/hot.h"

HL__HOT uint32_t process_id(void)
{
    static _Atomic(void *) page;
    static _Atomic uint32_t last; /* of this process's line */
    _Atomic uint32_t *own = forkpage_get(&page);
    uint32_t id = own ? atomic_load_explicit(own, memory_order_relaxed) : 1, none = 0;

    if (id)
        return id;
    id = atomic_fetch_add(&last, 1) + 1;
    return atomic_compare_exchange_strong(own, &none, id) ? id : none;
}
