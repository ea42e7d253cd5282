/* SPDX-License-Identifier: Apache-2.0 */
/* A small lock that needs no initialisation: {0} is unlocked. */
#ifndef HL_HOST_OS_LOCK_H
#define HL_HOST_OS_LOCK_H

#include <stdatomic.h>

#include "os.h"

struct lock {
    _Atomic uint32_t word; /* 0 free, 1 held, 2 held and waited for */
};

static inline void lock_take(struct lock *lock)
{
    uint32_t seen = 0;

    if (atomic_compare_exchange_strong(&lock->word, &seen, 1))
        return;
    while (atomic_exchange(&lock->word, 2) != 0)
        os_wait(&lock->word, 2, UINT64_MAX);
}

static inline void lock_drop(struct lock *lock)
{
    if (atomic_exchange(&lock->word, 0) == 2)
        os_wake(&lock->word);
}
#endif
