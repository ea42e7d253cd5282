/* SPDX-License-Identifier: Apache-2.0 */
/* The signal that takes a thread out of KVM_RUN. */
#ifndef HL_HOST_KVM_SIGNAL_H
#define HL_HOST_KVM_SIGNAL_H

#include <hyperlight/types.h>
#include <pthread.h>
#include <stdatomic.h>

/* Claims a signal for the process, once; wanted 0: whichever it is. */
hl_status kvm_signal_claim(int wanted, hl_error *err);

/* The thread that runs a vCPU, and the signals that KVM_RUN blocks for it: in
 * general none, whatever the thread blocks. So every signal ends a run, ours
 * wherever it is blocked, and none that the thread lets through waits for the
 * guest. One that the thread blocks stays pending, by KVM_SET_SIGNAL_MASK
 * (api.rst 4.20), and would end every run from then on: only then is the
 * thread's mask taken over, and looked at before every run. */
struct kvm_runner {
    pthread_t thread;   /* since the last attach */
    atomic_bool inside; /* it is in KVM_RUN, or about to be */
    uint64_t mask;      /* signals that KVM_RUN blocks, never ours */
};

/* Gives a new vCPU its empty mask. */
hl_status kvm_runner_init(struct kvm_runner *runner, int vcpu, hl_error *err);

/* Around KVM_RUN, on the thread that runs. */
hl_status kvm_runner_take_mask(struct kvm_runner *runner, int vcpu, hl_error *err);
static inline hl_status kvm_runner_enter(struct kvm_runner *runner, int vcpu, hl_error *err)
{
    const hl_status status = runner->mask ? kvm_runner_take_mask(runner, vcpu, err) : HL_OK;

    atomic_store(&runner->inside, !status);
    return status;
}
static inline void kvm_runner_leave(struct kvm_runner *runner)
{
    atomic_store_explicit(&runner->inside, false, memory_order_release);
}

/* A signal ended KVM_RUN and nobody had asked for it: sees to it that the same
 * one does not end the next run. */
hl_status kvm_runner_disturbed(struct kvm_runner *runner, int vcpu, hl_error *err);

/* Any thread, after immediate_exit was set: ends KVM_RUN if it is in there. */
void kvm_runner_kick(struct kvm_runner *runner);
/* Takes our signal from the calling thread, where it may be pending blocked. */
void kvm_signal_drain(void);
#endif
