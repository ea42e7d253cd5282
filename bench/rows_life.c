/* SPDX-License-Identifier: Apache-2.0 */
/* Rows of a sandbox's birth and end, against those of a bare VM. */
#include "box.h"
#include "clock.h"
#include "floor_kvm.h"
#include "rows.h"

/* The first VMs of a turn are those of a process that has made none: the library
 * keeps an empty one once they come and go. */
enum { BURST = 8 };

static bool sample_create(void *ctx, double *us, hl_error *err)
{
    struct box *box = ctx;
    double start = now_us();
    bool ok = box_create(box, err) && box_call(box, "Nop", NULL, err);

    *us = now_us() - start;
    box_destroy(box);
    return ok;
}

/* As the first of a process. */
static bool sample_first(void *ctx, double *us, hl_error *err)
{
    hl_cache_trim(0);
    return sample_create(ctx, us, err);
}

static bool sample_destroy(void *ctx, double *us, hl_error *err)
{
    struct box *box = ctx;
    bool ok = box_create(box, err) && box_call(box, "Nop", NULL, err);
    double start = now_us();

    box_destroy(box);
    *us = now_us() - start;
    return ok;
}

static bool measure(const struct bench *bench, sample_fn fn, sample_fn floor_fn, struct samples *op,
                    struct samples *floor, hl_error *err)
{
    struct box box;
    bool ok;

    hl_cache_limit(0);
    ok = box_open(&box, bench, err) &&
         floor_take_vms(bench, BURST, &(struct sampler){fn, &box, op}, floor_fn, floor, err);
    box_close(&box);
    hl_cache_limit(16);
    return ok;
}

static bool run_create(const struct bench *bench, struct samples *op, struct samples *floor,
                       hl_error *err)
{
    return measure(bench, sample_create, floor_sample_make, op, floor, err);
}

static bool run_first(const struct bench *bench, struct samples *op, struct samples *floor,
                      hl_error *err)
{
    return measure(bench, sample_first, floor_sample_make, op, floor, err);
}

static bool run_destroy(const struct bench *bench, struct samples *op, struct samples *floor,
                        hl_error *err)
{
    return measure(bench, sample_destroy, floor_sample_close, op, floor, err);
}

const struct bench_row row_create_cold_call = {
    "create_cold_call",
    "us",
    "floor_vm",
    {TARGET_RATIO, 1.15},
    run_create,
    0,
    "create from the image and first call, no idle VM, after others that came and went",
};
const struct bench_row row_create_first_call = {
    "create_first_call",
    "us",
    "floor_vm",
    {TARGET_RATIO, 1.30},
    run_first,
    0,
    "create from the image and first call, the first VM of the process",
};
const struct bench_row row_destroy = {
    "destroy", "us", "floor_vm_close", {TARGET_NONE, 0}, run_destroy, 0, "destroy without a cache",
};
