/* SPDX-License-Identifier: Apache-2.0 */
/* A thread that stops another one, a moment after that one has begun to spin. */
#ifndef BENCH_KICKER_H
#define BENCH_KICKER_H

#include <hyperlight/types.h>
#include <pthread.h>
#include <semaphore.h>
#include <stdbool.h>

typedef bool (*kick_fn)(void *target);

struct kicker {
    pthread_t thread;
    sem_t armed, done;
    kick_fn kick; /* NULL: end the thread */
    void *target;
    double kicked_at; /* just before kick was called */
    bool kicked;      /* what kick returned */
};

bool kicker_start(struct kicker *kicker, hl_error *err);
void kicker_stop(struct kicker *kicker);

/* The kick comes some 200 us later: run what is to be stopped right away. */
void kicker_arm(struct kicker *kicker, kick_fn kick, void *target);

/* Waits for the kick to be over; returns what it returned and when it began. */
bool kicker_wait(struct kicker *kicker, double *kicked_at);

#endif
