/* SPDX-License-Identifier: Apache-2.0 */
/* Keeping a signal that a system call raises from the application. */
#ifndef HL_HOST_OS_POSIX_SIGNAL_H
#define HL_HOST_OS_POSIX_SIGNAL_H

#include <signal.h>
#include <stdbool.h>

/* A write may send its own thread a signal: SIGPIPE where nobody reads, SIGXFSZ
 * beyond RLIMIT_FSIZE. Blocked meanwhile, it is taken back afterwards, unless
 * one was pending before. Both keep errno. */
struct posix_held {
    sigset_t signal, before;
    bool pending;
};
void posix_hold(struct posix_held *held, int signal);
/* raised: the call failed in the way that comes with the signal. */
void posix_let(const struct posix_held *held, bool raised);
#endif
