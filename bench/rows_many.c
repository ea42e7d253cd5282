/* SPDX-License-Identifier: Apache-2.0 */
/* Rows of many sandboxes: a thousand alive at once, and two threads with their own. */
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

#include "box.h"
#include "clock.h"
#include "floor_kvm.h"
#include "rows.h"

/* ---- A thousand alive ------------------------------------------------------------- */

enum { MANY = 1000, FILES_EACH = 8 }; /* descriptors of a sandbox and of a bare VM */

struct many {
    struct box box;
    hl_sandbox *clones[MANY];
    struct floor_kvm kvm;
    struct floor_vm vms[MANY];
};

static bool allow_files(hl_error *err)
{
    struct rlimit limit;

    if (getrlimit(RLIMIT_NOFILE, &limit) || limit.rlim_max < MANY * FILES_EACH)
        return bench_fail(err, "RLIMIT_NOFILE is below %d", MANY * FILES_EACH);
    limit.rlim_cur = limit.rlim_max;
    setrlimit(RLIMIT_NOFILE, &limit);
    return true;
}

static bool open_many(struct many *many, const struct bench *bench, hl_error *err)
{
    hl_snapshot *snapshot = NULL;
    bool ok = allow_files(err) && floor_kvm_open(&many->kvm, err) &&
              box_open(&many->box, bench, err) && box_create(&many->box, err) &&
              box_call(&many->box, "Nop", NULL, err) &&
              hl_snapshot_take(&snapshot, many->box.sandbox, err) == HL_OK;

    for (int i = 0; ok && i < MANY; i++)
        ok = hl_sandbox_create_from(&many->clones[i], snapshot, many->box.host, NULL, err) ==
                 HL_OK &&
             hl_sandbox_call(NULL, many->clones[i], "Nop", NULL, 0, err) == HL_OK &&
             floor_vm_make(&many->vms[i], &many->kvm, err);
    hl_snapshot_release(snapshot);
    return ok;
}

static void close_many(struct many *many)
{
    hl_cache_limit(0);
    for (int i = 0; i < MANY; i++) {
        hl_sandbox_destroy(many->clones[i]);
        if (many->vms[i].run)
            floor_vm_close(&many->vms[i]);
    }
    box_close(&many->box);
    floor_kvm_close(&many->kvm);
    hl_cache_limit(16);
    free(many);
}

/* One of all in turn: what a call of each takes. */
static bool sample_calls(void *ctx, double *us, hl_error *err)
{
    struct many *many = ctx;
    const double start = now_us();
    bool ok = true;

    for (int i = 0; ok && i < MANY; i++)
        ok = hl_sandbox_call(NULL, many->clones[i], "Nop", NULL, 0, err) == HL_OK;
    *us = (now_us() - start) / MANY;
    return ok;
}

static bool sample_exits(void *ctx, double *us, hl_error *err)
{
    struct many *many = ctx;
    const double start = now_us();
    bool ok = true;

    for (int i = 0; ok && i < MANY; i++)
        ok = floor_vm_exit(&many->vms[i], err);
    *us = (now_us() - start) / MANY;
    return ok;
}

static bool run_many(const struct bench *bench, struct samples *op, struct samples *floor,
                     hl_error *err)
{
    struct many *many = calloc(1, sizeof *many);
    bool ok;

    if (!many)
        return bench_fail(err, "no memory for %d sandboxes", MANY);
    many->kvm.fd = -1;
    ok = open_many(many, bench, err) &&
         bench_take(bench, 0, &(struct sampler){sample_calls, many, op},
                    &(struct sampler){sample_exits, many, floor}, err);
    close_many(many);
    return ok;
}

/* ---- Two threads --------------------------------------------------------------------- */

enum { THREADS = 2, ITERATIONS = 400 };

/* What each thread does over and over: once is an iteration. */
struct worker {
    sample_fn fn;
    void *ctx;
    pthread_barrier_t *barrier;
    double q1; /* of an iteration */
    bool ok;
    hl_error err;
};

static void *work(void *arg)
{
    struct worker *worker = arg;
    struct samples samples = {0};
    double us;

    worker->ok = true;
    if (worker->barrier)
        pthread_barrier_wait(worker->barrier);
    for (int i = 0; worker->ok && i < ITERATIONS; i++)
        worker->ok = worker->fn(worker->ctx, &us, &worker->err) && samples_add(&samples, us);
    worker->q1 = samples_summary(&samples).q1;
    samples_free(&samples);
    return NULL;
}

/* The lower quartile of an iteration with one thread, over that with two. */
static bool scaling(double *out, sample_fn fn, void *const ctx[THREADS], hl_error *err)
{
    struct worker workers[THREADS], alone = {.fn = fn, .ctx = ctx[0]};
    pthread_t threads[THREADS];
    pthread_barrier_t barrier;
    bool ok;

    work(&alone);
    ok = alone.ok;
    pthread_barrier_init(&barrier, NULL, THREADS);
    for (int i = 0; i < THREADS; i++) {
        workers[i] = (struct worker){.fn = fn, .ctx = ctx[i], .barrier = &barrier};
        pthread_create(&threads[i], NULL, work, &workers[i]);
    }
    for (int i = 0; i < THREADS; i++) {
        pthread_join(threads[i], NULL);
        ok = ok && workers[i].ok;
        if (!workers[i].ok)
            *err = workers[i].err;
    }
    pthread_barrier_destroy(&barrier);
    *out = ok ? THREADS * alone.q1 / (workers[0].q1 + workers[1].q1) : 0;
    return ok;
}

struct pair {
    struct owner {
        struct box box;
        hl_snapshot *snapshot;
    } owners[THREADS];
    struct floor_kvm kvm;
    struct floor_vm vms[THREADS];
};

static bool call_and_restore(void *ctx, double *us, hl_error *err)
{
    struct owner *owner = ctx;
    const double start = now_us();
    const bool ok = box_call(&owner->box, "Nop", NULL, err) &&
                    hl_sandbox_restore(owner->box.sandbox, owner->snapshot, err) == HL_OK;

    *us = now_us() - start;
    return ok;
}

/* How well it scales, relative to bare VMs. */
static bool sample_scaling(void *ctx, double *value, hl_error *err)
{
    struct pair *pair = ctx;
    double ours, bare;
    const bool ok =
        scaling(&bare, floor_sample_exit, (void *[]){&pair->vms[0], &pair->vms[1]}, err) &&
        scaling(&ours, call_and_restore, (void *[]){&pair->owners[0], &pair->owners[1]}, err);

    *value = ok ? ours / bare : 0;
    return ok;
}

static bool open_owner(struct owner *owner, const struct bench *bench, hl_error *err)
{
    return box_open(&owner->box, bench, err) && box_create(&owner->box, err) &&
           hl_snapshot_take(&owner->snapshot, owner->box.sandbox, err) == HL_OK;
}

static void close_owner(struct owner *owner)
{
    hl_snapshot_release(owner->snapshot);
    box_close(&owner->box);
}

static bool run_scale(const struct bench *bench, struct samples *op, struct samples *floor,
                      hl_error *err)
{
    struct pair pair = {.kvm.fd = -1};
    bool ok = floor_kvm_open(&pair.kvm, err);

    (void)floor;
    for (int i = 0; i < THREADS; i++)
        ok = ok && floor_vm_make(&pair.vms[i], &pair.kvm, err) &&
             open_owner(&pair.owners[i], bench, err);
    ok = ok && bench_take(bench, 0, &(struct sampler){sample_scaling, &pair, op},
                          &(struct sampler){0}, err);
    for (int i = 0; i < THREADS; i++) {
        close_owner(&pair.owners[i]);
        if (pair.vms[i].run)
            floor_vm_close(&pair.vms[i]);
    }
    floor_kvm_close(&pair.kvm);
    return ok;
}

const struct bench_row row_call_1000 = {
    "call_1000",
    "us",
    "1,000 bare VMs",
    {TARGET_RATIO, 1.1},
    run_many,
    0,
    "1,000 clones alive, called in turn, against as many bare VMs",
};
const struct bench_row row_scale_2 = {
    "scale_2",
    "x",
    NULL,
    {TARGET_AT_LEAST, 0.93},
    run_scale,
    0,
    "two threads that call and restore their own sandboxes, against one; relative to bare VMs",
};
