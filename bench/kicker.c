/* SPDX-License-Identifier: Apache-2.0 */
/* The kicking thread: waits to be armed, lets a moment pass, kicks, reports when. */
#define _DEFAULT_SOURCE
#include "kicker.h"

#include <errno.h>
#include <string.h>

#include "bench.h"
#include "clock.h"

/* Long enough for the other thread to be inside its guest, first-touch faults included. */
#define SETTLE_US 200.0

static void wait_for(sem_t *semaphore)
{
    while (sem_wait(semaphore) != 0 && errno == EINTR)
        continue;
}

/* Busy, because a sleep would add its own wake-up to what is measured. */
static void settle(void)
{
    double end = now_us() + SETTLE_US;

    while (now_us() < end)
        continue;
}

static void *kicker_main(void *arg)
{
    struct kicker *kicker = arg;

    for (;;) {
        wait_for(&kicker->armed);
        if (!kicker->kick)
            return NULL;
        settle();
        kicker->kicked_at = now_us();
        kicker->kicked = kicker->kick(kicker->target);
        sem_post(&kicker->done);
    }
}

bool kicker_start(struct kicker *kicker, hl_error *err)
{
    int error;

    *kicker = (struct kicker){0};
    sem_init(&kicker->armed, 0, 0);
    sem_init(&kicker->done, 0, 0);
    error = pthread_create(&kicker->thread, NULL, kicker_main, kicker);
    if (error)
        return bench_fail(err, "pthread_create: %s", strerror(error));
    return true;
}

void kicker_stop(struct kicker *kicker)
{
    kicker_arm(kicker, NULL, NULL);
    pthread_join(kicker->thread, NULL);
    sem_destroy(&kicker->armed);
    sem_destroy(&kicker->done);
}

void kicker_arm(struct kicker *kicker, kick_fn kick, void *target)
{
    kicker->kick = kick;
    kicker->target = target;
    sem_post(&kicker->armed);
}

bool kicker_wait(struct kicker *kicker, double *kicked_at)
{
    wait_for(&kicker->done);
    *kicked_at = kicker->kicked_at;
    return kicker->kicked;
}
