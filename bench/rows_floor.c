/* SPDX-License-Identifier: Apache-2.0 */
/* Rows of the floors themselves: F, C, and the closing of a bare VM. */
#include <stdio.h>

#include "clock.h"
#include "floor_kvm.h"
#include "rows.h"

static const struct sampler no_floor;

static bool run_exit(const struct bench *bench, struct samples *op, struct samples *floor,
                     hl_error *err)
{
    struct sampler exits = {floor_sample_exit, NULL, op};
    struct floor_kvm kvm;
    struct floor_vm vm;
    bool ok;

    (void)floor;
    if (!floor_open(&kvm, &vm, err))
        return false;
    exits.ctx = &vm;
    ok = bench_take(bench, 8, &exits, &no_floor, err);
    floor_vm_close(&vm);
    floor_kvm_close(&kvm);
    return ok;
}

/* What floor_vm measures beside the whole: each step of it. */
struct making {
    struct floor_kvm kvm;
    struct samples step[FLOOR_STEPS];
};

static bool sample_making(void *ctx, double *us, hl_error *err)
{
    struct making *making = ctx;
    struct floor_vm vm;
    double start = now_us();
    bool ok = floor_vm_make(&vm, &making->kvm, err);

    *us = now_us() - start;
    if (!ok)
        return false;
    for (size_t i = 0; i < FLOOR_STEPS; i++)
        ok = samples_add(&making->step[i], vm.step_us[i]) && ok;
    floor_vm_close(&vm);
    return ok || bench_fail(err, "out of memory for samples");
}

static void print_steps(struct making *making)
{
    fprintf(stderr, "\nfloor_vm by its steps, us:        q1    median       p99\n");
    for (size_t i = 0; i < FLOOR_STEPS; i++) {
        struct summary step = samples_summary(&making->step[i]);

        fprintf(stderr, "%-28s %7.2f %9.2f %9.2f\n", floor_step_name(i), step.q1, step.median,
                step.p99);
    }
}

static bool run_vm(const struct bench *bench, struct samples *op, struct samples *floor,
                   hl_error *err)
{
    struct making making = {0};
    struct sampler makes = {sample_making, &making, op};
    bool ok;

    (void)floor;
    if (!floor_kvm_open(&making.kvm, err))
        return false;
    ok = bench_take(bench, 0, &makes, &no_floor, err);
    if (ok && bench->verbose)
        print_steps(&making);
    for (size_t i = 0; i < FLOOR_STEPS; i++)
        samples_free(&making.step[i]);
    floor_kvm_close(&making.kvm);
    return ok;
}

static bool run_close(const struct bench *bench, struct samples *op, struct samples *floor,
                      hl_error *err)
{
    struct sampler closes = {floor_sample_close, NULL, op};
    struct floor_kvm kvm;
    bool ok;

    (void)floor;
    if (!floor_kvm_open(&kvm, err))
        return false;
    closes.ctx = &kvm;
    ok = bench_take(bench, 0, &closes, &no_floor, err);
    floor_kvm_close(&kvm);
    return ok;
}

const struct bench_row row_floor_exit = {.name = "floor_exit", .unit = "us", .run = run_exit};
const struct bench_row row_floor_vm = {.name = "floor_vm", .unit = "us", .run = run_vm};
const struct bench_row row_floor_vm_close = {
    .name = "floor_vm_close",
    .unit = "us",
    .run = run_close,
};
