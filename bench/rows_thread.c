/* SPDX-License-Identifier: Apache-2.0 */
/* Row of a sandbox that another thread calls each time. */
#include <pthread.h>
#include <semaphore.h>

#include "box.h"
#include "clock.h"
#include "floor_kvm.h"
#include "rows.h"

enum { BURST = 4 };

/* The other thread: calls once whenever it is asked, until `over`. */
struct other {
    struct box box;
    pthread_t thread;
    sem_t asked, done;
    bool over, ok;
    double us; /* of its call */
    hl_error err;
};

static void wait_for(sem_t *semaphore)
{
    while (sem_wait(semaphore) != 0)
        continue;
}

static void *other_main(void *arg)
{
    struct other *other = arg;
    double start;

    for (;;) {
        wait_for(&other->asked);
        if (other->over)
            return NULL;
        start = now_us();
        other->ok = box_call(&other->box, "Nop", NULL, &other->err);
        other->us = now_us() - start;
        sem_post(&other->done);
    }
}

/* This thread calls in between, so that the virtual processor moves each time. */
static bool sample_other(void *ctx, double *us, hl_error *err)
{
    struct other *other = ctx;

    if (!box_call(&other->box, "Nop", NULL, err))
        return false;
    sem_post(&other->asked);
    wait_for(&other->done);
    *us = other->us;
    if (!other->ok)
        *err = other->err;
    return other->ok;
}

static bool run_other(const struct bench *bench, struct samples *op, struct samples *floor,
                      hl_error *err)
{
    struct other other = {.over = false};
    const struct sampler calls = {sample_other, &other, op};
    bool ok = box_open(&other.box, bench, err) && box_create(&other.box, err);

    if (ok) {
        sem_init(&other.asked, 0, 0);
        sem_init(&other.done, 0, 0);
        ok = !pthread_create(&other.thread, NULL, other_main, &other) ||
             bench_fail(err, "pthread_create failed");
        if (ok) {
            ok = floor_take_exits(bench, BURST, &calls, floor, err);
            other.over = true;
            sem_post(&other.asked);
            pthread_join(other.thread, NULL);
        }
        sem_destroy(&other.asked);
        sem_destroy(&other.done);
    }
    box_close(&other.box);
    return ok;
}

const struct bench_row row_ref_call_thread = {
    "ref_call_thread",
    "us",
    "floor_exit",
    {TARGET_NONE, 0},
    run_other,
    0,
    "a call from another thread than the last one",
};
