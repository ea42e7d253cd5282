/* SPDX-License-Identifier: Apache-2.0 */
/* The signal that takes a thread out of KVM_RUN. */
#define _GNU_SOURCE
#include "kvm_signal.h"

#include <errno.h>
#include <linux/kvm.h>
#include <signal.h>
#include <string.h>
#include <sys/ioctl.h>
#include <time.h>

#include "../error.h"
#include "../os/lock.h"

/* ---- Claiming it ------------------------------------------------------------- */

/* Real-time signals, from 32 on, are queued, and are not sent at all where the
 * user's queue (RLIMIT_SIGPENDING) is full; the others always are. Of those
 * nobody sends SIGSTKFLT. */
enum { DEFAULT = SIGSTKFLT, LAST = 31 };

static struct {
    struct lock lock;
    int number; /* 0: none yet */
} claimed;

/* Does nothing: what matters is that a signal ends KVM_RUN. */
static void on_signal(int number)
{
    (void)number;
}

static const struct sigaction action = {.sa_handler = on_signal, .sa_flags = SA_RESTART};

static hl_status install(int number, hl_error *err)
{
    struct sigaction before;

    if (number > LAST && number <= SIGRTMAX)
        return error_set(err, HL_E_INVALID,
                         "interrupt_signal is %d, a real-time signal, which can be lost where "
                         "many are pending; wanted 1 to %d",
                         number, LAST);
    if (sigaction(number, NULL, &before))
        return error_set(err, HL_E_INVALID, "interrupt_signal is %d: %s", number, strerror(errno));
    if (before.sa_handler != SIG_DFL)
        return error_set(err, HL_E_INVALID,
                         "interrupt_signal %d is handled or ignored by the application; choose "
                         "another",
                         number);
    if (sigaction(number, &action, NULL))
        return error_set(err, HL_E_INVALID, "interrupt_signal is %d: %s", number, strerror(errno));
    claimed.number = number;
    return HL_OK;
}

hl_status kvm_signal_claim(int wanted, hl_error *err)
{
    hl_status status = HL_OK;

    lock_take(&claimed.lock);
    if (!claimed.number)
        status = install(wanted ? wanted : DEFAULT, err);
    else if (wanted && wanted != claimed.number)
        status = error_set(err, HL_E_INVALID,
                           "interrupt_signal is %d, but this process uses %d already", wanted,
                           claimed.number);
    lock_drop(&claimed.lock);
    return status;
}

/* An application that has come to ignore the signal since, as loops over all
 * of them do, would lose the kick, one that gave it up would die of it. */
static void keep_claim(void)
{
    struct sigaction now;

    if (!sigaction(claimed.number, NULL, &now) &&
        (now.sa_handler == SIG_IGN || now.sa_handler == SIG_DFL))
        sigaction(claimed.number, &action, NULL);
}

/* ---- What KVM_RUN blocks ------------------------------------------------------- */

static hl_status set_mask(struct kvm_runner *runner, int vcpu, uint64_t mask, hl_error *err)
{
    struct { /* struct kvm_signal_mask with its set */
        uint32_t len;
        uint8_t set[sizeof mask];
    } setting = {.len = sizeof mask};

    memcpy(setting.set, &mask, sizeof mask);
    if (ioctl(vcpu, KVM_SET_SIGNAL_MASK, &setting))
        return error_errno(err, errno, "KVM_SET_SIGNAL_MASK");
    runner->mask = mask;
    return HL_OK;
}

hl_status kvm_runner_init(struct kvm_runner *runner, int vcpu, hl_error *err)
{
    return set_mask(runner, vcpu, 0, err);
}

hl_status kvm_runner_take_mask(struct kvm_runner *runner, int vcpu, hl_error *err)
{
    sigset_t blocked;
    uint64_t mask;

    pthread_sigmask(SIG_SETMASK, NULL, &blocked);
    sigdelset(&blocked, claimed.number);
    memcpy(&mask, &blocked, sizeof mask);
    return mask == runner->mask ? HL_OK : set_mask(runner, vcpu, mask, err);
}

hl_status kvm_runner_disturbed(struct kvm_runner *runner, int vcpu, hl_error *err)
{
    kvm_signal_drain();
    return kvm_runner_take_mask(runner, vcpu, err);
}

/* ---- Sending and taking it ------------------------------------------------------ */

void kvm_runner_kick(struct kvm_runner *runner)
{
    if (!atomic_load(&runner->inside))
        return;
    keep_claim();
    pthread_kill(runner->thread, claimed.number);
}

void kvm_signal_drain(void)
{
    const struct timespec now = {0, 0};
    sigset_t ours;

    sigemptyset(&ours);
    sigaddset(&ours, claimed.number);
    while (sigtimedwait(&ours, NULL, &now) > 0)
        ;
}
