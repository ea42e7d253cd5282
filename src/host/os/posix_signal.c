/* SPDX-License-Identifier: Apache-2.0 */
/* Blocks a signal around a system call, and takes what the call raised. */
#define _GNU_SOURCE
#include "posix_signal.h"

#include <errno.h>
#include <pthread.h>
#include <time.h>

void posix_hold(struct posix_held *held, int signal)
{
    sigset_t pending;

    sigemptyset(&held->signal);
    sigaddset(&held->signal, signal);
    sigemptyset(&pending);
    pthread_sigmask(SIG_BLOCK, &held->signal, &held->before);
    if (sigismember(&held->before, signal))
        sigpending(&pending);
    held->pending = sigismember(&pending, signal);
}

void posix_let(const struct posix_held *held, bool raised)
{
    const struct timespec now = {0, 0};
    const int error = errno;

    if (raised && !held->pending)
        sigtimedwait(&held->signal, NULL, &now);
    pthread_sigmask(SIG_SETMASK, &held->before, NULL);
    errno = error;
}
