/* SPDX-License-Identifier: Apache-2.0 */
/* Rows that must not grow: the same thing with a heap of 1 GiB and of 1 MiB; many clones. */
#include <malloc.h>

#include "box.h"
#include "clock.h"
#include "resident.h"
#include "rows.h"

enum { BURST = 4 };

/* A sandbox, a snapshot of it, and what a sample does with them. */
struct sized {
    struct box box;
    hl_snapshot *snapshot;
};

static bool open_sized(struct sized *sized, const struct bench *bench, uint64_t heap, hl_error *err)
{
    *sized = (struct sized){0};
    if (!box_open(&sized->box, bench, err))
        return false;
    sized->box.config.heap_size = heap;
    return box_create(&sized->box, err) && box_call(&sized->box, "Nop", NULL, err) &&
           hl_snapshot_take(&sized->snapshot, sized->box.sandbox, err) == HL_OK;
}

static void close_sized(struct sized *sized)
{
    hl_snapshot_release(sized->snapshot);
    box_close(&sized->box);
}

static bool measure(const struct bench *bench, sample_fn fn, struct samples *op,
                    struct samples *floor, hl_error *err)
{
    struct sized large, small;
    bool ok = open_sized(&large, bench, 1 << 30, err);

    if (open_sized(&small, bench, 1 << 20, err) && ok)
        ok = bench_take(bench, BURST, &(struct sampler){fn, &large, op},
                        &(struct sampler){fn, &small, floor}, err);
    else
        ok = false;
    close_sized(&large);
    close_sized(&small);
    hl_cache_trim(0);
    return ok;
}

static bool sample_create(void *ctx, double *us, hl_error *err)
{
    struct sized *sized = ctx;
    hl_sandbox *clone;
    double start = now_us();
    bool ok = hl_sandbox_create_from(&clone, sized->snapshot, sized->box.host, NULL, err) ==
                  HL_OK &&
              hl_sandbox_call(NULL, clone, "Nop", NULL, 0, err) == HL_OK;

    *us = now_us() - start;
    hl_sandbox_destroy(clone);
    return ok;
}

static bool sample_restore(void *ctx, double *us, hl_error *err)
{
    struct sized *sized = ctx;
    bool ok = box_call(&sized->box, "Nop", NULL, err);
    double start = now_us();

    ok = ok && hl_sandbox_restore(sized->box.sandbox, sized->snapshot, err) == HL_OK;
    *us = now_us() - start;
    return ok;
}

static bool sample_take(void *ctx, double *us, hl_error *err)
{
    struct sized *sized = ctx;
    hl_snapshot *snapshot;
    bool ok = box_call(&sized->box, "Nop", NULL, err);
    double start = now_us();

    ok = ok && hl_snapshot_take(&snapshot, sized->box.sandbox, err) == HL_OK;
    *us = now_us() - start;
    if (ok)
        hl_snapshot_release(snapshot);
    return ok;
}

static bool run_create(const struct bench *bench, struct samples *op, struct samples *floor,
                       hl_error *err)
{
    return measure(bench, sample_create, op, floor, err);
}

static bool run_create_cold(const struct bench *bench, struct samples *op, struct samples *floor,
                            hl_error *err)
{
    bool ok;

    hl_cache_limit(0);
    ok = measure(bench, sample_create, op, floor, err);
    hl_cache_limit(16);
    return ok;
}

static bool run_restore(const struct bench *bench, struct samples *op, struct samples *floor,
                        hl_error *err)
{
    return measure(bench, sample_restore, op, floor, err);
}

static bool run_take(const struct bench *bench, struct samples *op, struct samples *floor,
                     hl_error *err)
{
    return measure(bench, sample_take, op, floor, err);
}

/* ---- Memory of idle clones -------------------------------------------------------- */

enum { CLONES = 200 };

static bool sample_rss(void *ctx, double *kib, hl_error *err)
{
    static hl_sandbox *clones[CLONES];
    struct sized *sized = ctx;
    double before;
    bool ok = true;
    int i;

    hl_cache_trim(0);
    malloc_trim(0); /* or it would take from what earlier ones have left */
    before = resident_kib();
    for (i = 0; ok && i < CLONES; i++)
        ok = hl_sandbox_create_from(&clones[i], sized->snapshot, sized->box.host, NULL, err) ==
             HL_OK;
    *kib = (resident_kib() - before) / CLONES;
    while (i)
        hl_sandbox_destroy(clones[--i]);
    return ok;
}

static bool run_rss(const struct bench *bench, struct samples *op, struct samples *floor,
                    hl_error *err)
{
    struct sized sized;
    bool ok = open_sized(&sized, bench, 16 << 20, err) &&
              bench_take(bench, 1, &(struct sampler){sample_rss, &sized, op},
                         &(struct sampler){NULL, NULL, floor}, err);

    close_sized(&sized);
    hl_cache_trim(0);
    return ok;
}

const struct bench_row row_create_1g = {
    "create_1g",
    "us",
    "1 MiB heap",
    {TARGET_RATIO, 1.1},
    run_create,
    0,
    "clone and call with a heap of 1 GiB, an idle VM",
};
const struct bench_row row_create_1g_cold = {
    "create_1g_cold",
    "us",
    "1 MiB heap",
    {TARGET_RATIO, 2},
    run_create_cold,
    0,
    "the same without an idle VM",
};
const struct bench_row row_restore_1g = {
    "restore_1g",
    "us",
    "1 MiB heap",
    {TARGET_RATIO, 1.1},
    run_restore,
    0,
    "restore with a heap of 1 GiB",
};
const struct bench_row row_take_1g = {
    "take_1g",
    "us",
    "1 MiB heap",
    {TARGET_RATIO, 1.1},
    run_take,
    0,
    "snapshot with a heap of 1 GiB",
};
const struct bench_row row_clone_rss = {
    "clone_rss",
    "KiB",
    NULL,
    {TARGET_AT_MOST, 16},
    run_rss,
    0,
    "resident memory of an idle clone, its page tables included, of 200",
};
