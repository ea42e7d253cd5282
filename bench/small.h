/* SPDX-License-Identifier: Apache-2.0 */
/* Words that two processes wake each other by. */
#ifndef BENCH_SMALL_H
#define BENCH_SMALL_H

#include <linux/futex.h>
#include <stdint.h>
#include <sys/syscall.h>
#include <unistd.h>

struct small {
    _Alignas(64) uint32_t request;
    _Alignas(64) uint32_t answer;
    _Alignas(64) uint32_t done; /* a child may go */
};

static inline void small_set(uint32_t *word)
{
    __atomic_store_n(word, 1, __ATOMIC_SEQ_CST);
    syscall(SYS_futex, word, FUTEX_WAKE, 1, NULL, NULL, 0);
}

static inline void small_await(uint32_t *word)
{
    while (!__atomic_exchange_n(word, 0, __ATOMIC_SEQ_CST))
        syscall(SYS_futex, word, FUTEX_WAIT, 0, NULL, NULL, 0);
}
#endif
