/* SPDX-License-Identifier: Apache-2.0 */
/* A stock of random bytes: asking the system after each exit of a guest costs a microsecond. */
#include "entropy.h"

#include <string.h>

#include "os/forkpage.h"
#include "os/lock.h"
#include "../shared/hot.h"

/* One page that a forked child finds zeroed: so its stock is empty, and its
 * lock free. */
struct stock {
    struct lock lock;
    uint32_t left; /* bytes at the end of `bytes` */
    uint8_t bytes[4088];
};

HL__HOT hl_status entropy_take(void *out, size_t size, hl_error *err)
{
    static _Atomic(void *) page;
    struct stock *stock = forkpage_get(&page);
    hl_status status = HL_OK;
    uint8_t *from;

    if (!stock)
        return os_random(out, size, err);
    lock_take(&stock->lock);
    if (stock->left < size) {
        status = os_random(stock->bytes, sizeof stock->bytes, err);
        stock->left = status ? 0 : sizeof stock->bytes;
    }
    if (!status) {
        from = stock->bytes + sizeof stock->bytes - stock->left;
        memcpy(out, from, size);
        memset(from, 0, size); /* what was given is nowhere else */
        stock->left -= (uint32_t)size;
    }
    lock_drop(&stock->lock);
    return status;
}
