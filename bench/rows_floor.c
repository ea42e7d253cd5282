/* SPDX-License-Identifier: Apache-2.0 */
/* Rows of the floors themselves: F, C, and the closing of a bare VM. */
#include <stdio.h>

#include "clock.h"
#include "floor_kvm.h"
#include "rows.h"

static const struct sampler no_floor; /* nor any operation beside a floor */

static bool run_exit(const struct bench *bench, struct samples *op, struct samples *floor,
                     hl_error *err)
{
    (void)floor;
    return floor_take_exits(bench, 8, &no_floor, op, err);
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

/* The first VM and the last are dearer: the kernel patches its own code for them. */
static bool run_vm_beside(const struct bench *bench, struct samples *op, struct samples *floor,
                          hl_error *err)
{
    struct floor_kvm kvm;
    struct floor_vm other;
    bool ok;

    (void)floor;
    if (!floor_open(&kvm, &other, err))
        return false;
    ok = floor_take_vms(bench, 0, &no_floor, floor_sample_make, op, err);
    floor_vm_close(&other);
    floor_kvm_close(&kvm);
    return ok;
}

static bool run_vm_close(const struct bench *bench, struct samples *op, struct samples *floor,
                         hl_error *err)
{
    (void)floor;
    return floor_take_vms(bench, 0, &no_floor, floor_sample_close, op, err);
}

#define FLOOR(id, what) \
    const struct bench_row row_floor_##id = {"floor_" #id, "us", NULL, {TARGET_NONE, 0}, \
                                             run_##id,     0,    what}

FLOOR(exit, "F: one exit of a bare VM");
FLOOR(vm, "C: a bare VM made and run to its first exit, no other one of the process");
FLOOR(vm_beside, "the same where another bare VM lives");
FLOOR(vm_close, "the end of a bare VM, no other one of the process");
