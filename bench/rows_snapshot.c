/* SPDX-License-Identifier: Apache-2.0 */
/* Rows of restoring and taking snapshots. */
#include "box.h"
#include "clock.h"
#include "floor_kvm.h"
#include "rows.h"

/* A sandbox whose every call writes `pages` pages, besides the few of stack and
 * runtime that each call writes. */
struct cycle {
    struct box box;
    hl_snapshot *snapshot;
    hl_function *dirty;
    uint32_t pages, step, first, value;
    bool random;
};

static bool write_pages(struct cycle *cycle, hl_error *err)
{
    hl_value args[4];

    cycle->value++;
    if (cycle->random)
        cycle->first = cycle->first * 1103515245u + 12345u;
    args[0] = hl_u32(cycle->random ? cycle->first >> 8 : 0);
    args[1] = hl_u32(cycle->pages);
    args[2] = hl_u32(cycle->step);
    args[3] = hl_u32(cycle->value);
    return hl_function_call(NULL, cycle->dirty, args, 4, err) == HL_OK;
}

static bool restore(struct cycle *cycle, hl_error *err)
{
    return hl_sandbox_restore(cycle->box.sandbox, cycle->snapshot, err) == HL_OK;
}

static bool open_cycle(struct cycle *cycle, const struct bench *bench, hl_error *err)
{
    if (!box_open(&cycle->box, bench, err))
        return false;
    cycle->box.config.heap_size = 64 << 20;
    return box_create(&cycle->box, err) &&
           hl_sandbox_find(&cycle->dirty, cycle->box.sandbox, "Dirty", err) == HL_OK &&
           write_pages(cycle, err) &&
           hl_snapshot_take(&cycle->snapshot, cycle->box.sandbox, err) == HL_OK &&
           write_pages(cycle, err) && restore(cycle, err);
}

static void close_cycle(struct cycle *cycle)
{
    hl_snapshot_release(cycle->snapshot);
    box_close(&cycle->box);
}

static bool measure(const struct bench *bench, struct cycle cycle, sample_fn fn, struct samples *op,
                    struct samples *floor, hl_error *err)
{
    const struct sampler cycles = {fn, &cycle, op};
    const bool ok = open_cycle(&cycle, bench, err) &&
                    floor_take_exits(bench, 8, &cycles, floor, err);

    close_cycle(&cycle);
    return ok;
}

/* ---- Restore alone ----------------------------------------------------------- */

static bool sample_restore(void *ctx, double *us, hl_error *err)
{
    double start;
    bool ok = write_pages(ctx, err);

    start = now_us();
    ok = ok && restore(ctx, err);
    *us = now_us() - start;
    return ok;
}

/* The rows' parameter is the number of pages. */
static struct cycle cycle_of(const struct bench *bench)
{
    return (struct cycle){.pages = (uint32_t)bench->param, .step = 1};
}

static bool run_restore(const struct bench *bench, struct samples *op, struct samples *floor,
                        hl_error *err)
{
    return measure(bench, cycle_of(bench), sample_restore, op, floor, err);
}

/* ---- Restore and the next call --------------------------------------------------- */

static bool sample_restore_call(void *ctx, double *us, hl_error *err)
{
    double start = now_us();
    bool ok = restore(ctx, err) && write_pages(ctx, err);

    *us = now_us() - start;
    return ok;
}

static bool run_restore_call(const struct bench *bench, struct samples *op, struct samples *floor,
                             hl_error *err)
{
    return measure(bench, cycle_of(bench), sample_restore_call, op, floor, err);
}

static bool run_restore_cold(const struct bench *bench, struct samples *op, struct samples *floor,
                             hl_error *err)
{
    return measure(bench, (struct cycle){.pages = 16, .step = 37, .random = true},
                   sample_restore_call, op, floor, err);
}

/* ---- Take -------------------------------------------------------------------------- */

static bool sample_take(void *ctx, double *us, hl_error *err)
{
    struct cycle *cycle = ctx;
    hl_snapshot *snapshot;
    double start;
    bool ok = write_pages(cycle, err);

    start = now_us();
    ok = ok && hl_snapshot_take(&snapshot, cycle->box.sandbox, err) == HL_OK;
    *us = now_us() - start;
    if (ok)
        hl_snapshot_release(snapshot);
    return ok;
}

static bool run_take(const struct bench *bench, struct samples *op, struct samples *floor,
                     hl_error *err)
{
    return measure(bench, cycle_of(bench), sample_take, op, floor, err);
}

const struct bench_row row_restore_1 = {
    "restore_1",
    "us",
    "floor_exit",
    {TARGET_AT_MOST, 1.15},
    run_restore,
    1,
    "restore after a call that writes 1 page again",
};
const struct bench_row row_restore_16 = {
    "restore_16",
    "us",
    "floor_exit",
    {TARGET_AT_MOST, 3},
    run_restore,
    16,
    "restore after a call that writes 16 pages again",
};
const struct bench_row row_restore_256 = {
    "restore_256",
    "us",
    "floor_exit",
    {TARGET_AT_MOST, 1 + 0.15 * 256},
    run_restore,
    256,
    "restore after a call that writes 256 pages again",
};
const struct bench_row row_restore_1000 = {
    "restore_1000",
    "us",
    "floor_exit",
    {TARGET_AT_MOST, 1 + 0.25 * 1000},
    run_restore,
    1000,
    "restore after a call that writes 1,000 pages again",
};
const struct bench_row row_restore_16_call = {
    "restore_16_call",
    "us",
    "floor_exit",
    {TARGET_RATIO, 1.2},
    run_restore_call,
    16,
    "restore and a call that writes the same 16 pages again",
};
const struct bench_row row_restore_16_cold = {
    "restore_16_cold",
    "us",
    "floor_exit",
    {TARGET_NONE, 0},
    run_restore_cold,
    16,
    "restore and a call that writes 16 other pages every time",
};
const struct bench_row row_snapshot_take = {
    "snapshot_take",
    "us",
    "floor_exit",
    {TARGET_AT_MOST, 5},
    run_take,
    16,
    "snapshot after a call that wrote 16 pages",
};
const struct bench_row row_take_256 = {
    "take_256",
    "us",
    "floor_exit",
    {TARGET_AT_MOST, 5 + 0.5 * 256},
    run_take,
    256,
    "snapshot after a call that wrote 256 pages",
};
