/* SPDX-License-Identifier: Apache-2.0 */
/* The floor of cancel: another thread kicks a spinning bare VM out of KVM_RUN. */
#ifndef BENCH_FLOOR_KICK_H
#define BENCH_FLOOR_KICK_H

#include "floor_kvm.h"
#include "kicker.h"

struct floor_kick {
    struct floor_kvm kvm;
    struct floor_vm vm;
    struct kicker *kicker;
    pthread_t runner;
};

/* The calling thread is the one that will be kicked; kicker is borrowed. */
bool floor_kick_open(struct floor_kick *kick, struct kicker *kicker, hl_error *err);
void floor_kick_close(struct floor_kick *kick);

/* Sampler: from before the store to immediate_exit until KVM_RUN has returned. */
bool floor_sample_kick(void *kick, double *us, hl_error *err); /* struct floor_kick */

#endif
