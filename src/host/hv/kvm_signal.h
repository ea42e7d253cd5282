/* SPDX-License-Identifier: Apache-2.0 */
/* The signal that takes a thread out of KVM_RUN. */
#ifndef HL_HOST_KVM_SIGNAL_H
#define HL_HOST_KVM_SIGNAL_H

#include <hyperlight/types.h>
#include <pthread.h>
#include <stdatomic.h>

/* Claims a signal for the process, once; wanted 0: whichever it is. */
hl_status kvm_signal_claim(int wanted, hl_error *err);

/* The thread that runs a vCPU. */
struct kvm_runner {
    uintptr_t self; /* 0 before the first attach */
    pthread_t thread;
    atomic_bool inside; /* it is in KVM_RUN, or about to be */
};

/* The calling thread runs from now on. */
void kvm_runner_attach(struct kvm_runner *runner, int vcpu);

/* KVM_RUN runs with the thread's signal mask of this moment, our signal taken
 * out: so a thread that blocks it can be stopped too (KVM_SET_SIGNAL_MASK,
 * api.rst 4.20). Asking for the mask before every call would cost more than
 * the rest of the library does. */
void kvm_runner_take_mask(struct kvm_runner *runner, int vcpu);

/* Any thread, after immediate_exit was set: ends KVM_RUN if it is in there. */
void kvm_runner_kick(struct kvm_runner *runner);
/* Takes our signal from the calling thread, where it may be pending blocked. */
void kvm_signal_drain(void);
#endif
