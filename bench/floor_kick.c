/* SPDX-License-Identifier: Apache-2.0 */
/* Kicks a bare VM as KVM's api.rst tells: store immediate_exit, then signal. */
#define _DEFAULT_SOURCE
#include "floor_kick.h"

#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/ioctl.h>

#include "bench.h"
#include "clock.h"

/* Not the library's default, which is claimed for the whole process. */
#define KICK_SIGNAL (SIGRTMIN + 5)

static void ignore_kick(int signal_number)
{
    (void)signal_number;
}

bool floor_kick_open(struct floor_kick *kick, struct kicker *kicker, hl_error *err)
{
    struct sigaction action = {.sa_handler = ignore_kick};

    if (sigaction(KICK_SIGNAL, &action, NULL) != 0)
        return bench_fail(err, "sigaction: %s", strerror(errno));
    kick->kicker = kicker;
    kick->runner = pthread_self();
    if (!floor_open(&kick->kvm, &kick->vm, err))
        return false;
    if (floor_vm_set_spin(&kick->vm, err))
        return true;
    floor_kick_close(kick);
    return false;
}

void floor_kick_close(struct floor_kick *kick)
{
    floor_vm_close(&kick->vm);
    floor_kvm_close(&kick->kvm);
}

static bool kick_runner(void *target)
{
    struct floor_kick *kick = target;

    __atomic_store_n(&kick->vm.run->immediate_exit, 1, __ATOMIC_SEQ_CST);
    return pthread_kill(kick->runner, KICK_SIGNAL) == 0;
}

bool floor_sample_kick(void *ctx, double *us, hl_error *err)
{
    struct floor_kick *kick = ctx;
    double kicked_at, returned_at;
    int result, error;
    bool kicked;

    kicker_arm(kick->kicker, kick_runner, kick);
    result = ioctl(kick->vm.vcpu, KVM_RUN, 0);
    error = errno;
    returned_at = now_us();
    kicked = kicker_wait(kick->kicker, &kicked_at);
    kick->vm.run->immediate_exit = 0;
    if (!kicked || result != -1 || error != EINTR || returned_at < kicked_at)
        return bench_fail(err, "the kick of the bare VM did not end KVM_RUN: %s",
                          result == -1 ? strerror(error) : "it returned before");
    *us = returned_at - kicked_at;
    return true;
}
