/* SPDX-License-Identifier: Apache-2.0 */
/* Rows of a sandbox's birth and end, against those of a bare VM. */
#include "box.h"
#include "clock.h"
#include "floor_kvm.h"
#include "rows.h"

enum { BURST = 4 };

static bool sample_create(void *ctx, double *us, hl_error *err)
{
    struct box *box = ctx;
    double start = now_us();
    bool ok = box_create(box, err) && box_call(box, "Nop", NULL, err);

    *us = now_us() - start;
    box_destroy(box);
    return ok;
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

/* op's context is the box, floor's the KVM handle: both are opened here. */
static bool measure(const struct bench *bench, struct sampler op, struct sampler floor,
                    hl_error *err)
{
    struct floor_kvm kvm;
    struct box box;
    bool ok;

    if (!floor_kvm_open(&kvm, err))
        return false;
    hl_cache_limit(0);
    ok = box_open(&box, bench, err);
    if (ok) {
        op.ctx = &box;
        floor.ctx = &kvm;
        ok = bench_take(bench, BURST, &op, &floor, err);
        box_close(&box);
    }
    hl_cache_limit(16);
    floor_kvm_close(&kvm);
    return ok;
}

static bool run_create(const struct bench *bench, struct samples *op, struct samples *floor,
                       hl_error *err)
{
    const struct sampler creates = {.fn = sample_create, .out = op};
    const struct sampler makes = {.fn = floor_sample_make, .out = floor};

    return measure(bench, creates, makes, err);
}

static bool run_destroy(const struct bench *bench, struct samples *op, struct samples *floor,
                        hl_error *err)
{
    const struct sampler destroys = {.fn = sample_destroy, .out = op};
    const struct sampler closes = {.fn = floor_sample_close, .out = floor};

    return measure(bench, destroys, closes, err);
}

const struct bench_row row_create_cold_call = {
    "create_cold_call", "us", "floor_vm", {TARGET_RATIO, 1.30}, run_create,
};
const struct bench_row row_destroy = {
    "destroy", "us", "floor_vm_close", {TARGET_NONE, 0}, run_destroy,
};
