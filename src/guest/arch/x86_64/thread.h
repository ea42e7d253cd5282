/* SPDX-License-Identifier: Apache-2.0 */
/* The guest's one thread: thread-local data and the stack canary. */
#ifndef HL_GUEST_X86_THREAD_H
#define HL_GUEST_X86_THREAD_H

#include <stddef.h>
#include <stdint.h>

/* What compilers expect at FS:0: the pointer that the TLS ABI wants there, and
 * the canary of -fstack-protector. */
struct hl__thread {
    struct hl__thread *self;
    uint64_t unused[4];
    uint64_t canary;
};
_Static_assert(offsetof(struct hl__thread, canary) == 0x28, "gcc and clang read FS:0x28");

/* The bytes it takes, a multiple of 64. */
size_t hl__thread_size(void);

/* Sets up FS in `room`, 16-byte aligned, with thread-local data in their
 * initial state and a canary of 0. */
void hl__thread_init(void *room);

/* No frame with a canary may be alive but those that never return. The low
 * byte becomes 0, so that no string can carry the canary. */
static inline void hl__thread_set_canary(uint64_t random)
{
    __asm__ volatile("movq %0, %%fs:0x28" : : "r"(random & ~UINT64_C(0xff)) : "memory");
}
#endif
