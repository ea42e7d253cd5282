/* SPDX-License-Identifier: Apache-2.0 */
/* The template's system calls (entry.S), each at an address that its filter knows. */
#ifndef HL_HOST_PROCESS_TEMPLATE_CALLS_H
#define HL_HOST_PROCESS_TEMPLATE_CALLS_H

#define TEMPLATE_CALL(name) \
    long name(long a, long b, long c, long d, long e, long f); \
    extern const char name##_ip[]

#pragma GCC visibility push(hidden)
TEMPLATE_CALL(template_futex);
TEMPLATE_CALL(template_words);
TEMPLATE_CALL(template_requests);
TEMPLATE_CALL(template_replies);
TEMPLATE_CALL(template_fork_words);
TEMPLATE_CALL(template_fork_requests);
TEMPLATE_CALL(template_fork_replies);
TEMPLATE_CALL(template_clone);
#pragma GCC visibility pop

enum { MADVISE_DONTFORK = 10, MADVISE_DOFORK = 11 };
#endif
