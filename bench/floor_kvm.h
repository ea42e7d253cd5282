/* SPDX-License-Identifier: Apache-2.0 */
/* The floors of the VM rows: a bare VM on raw KVM, nothing of the library in it. */
#ifndef BENCH_FLOOR_KVM_H
#define BENCH_FLOOR_KVM_H

#include <hyperlight/types.h>
#include <linux/kvm.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "bench.h"

#define FLOOR_STEPS 11 /* of making a VM; one system call each, but for the tables */

struct floor_kvm {
    int fd; /* /dev/kvm */
    size_t run_size;
    uint8_t tr_type; /* 11 on Intel, 9 on AMD: each accepts only its own */
    struct kvm_cpuid2 *cpuid;
};

/* One vCPU, 1 MiB of memory, code at CPL 3 that leaves by `out` for ever. */
struct floor_vm {
    const struct floor_kvm *kvm;
    int vm, vcpu;    /* -1: not made */
    uint8_t *memory; /* NULL: not made */
    struct kvm_run *run;
    struct kvm_sregs sregs;
    double step_us[FLOOR_STEPS];
};

bool floor_kvm_open(struct floor_kvm *kvm, hl_error *err);
void floor_kvm_close(struct floor_kvm *kvm);

/* C: makes a bare VM and runs it to its first `out`. On failure nothing is left. */
bool floor_vm_make(struct floor_vm *vm, const struct floor_kvm *kvm, hl_error *err);
void floor_vm_close(struct floor_vm *vm);
const char *floor_step_name(size_t step);

/* F: one VM entry and its exit by `out`. */
bool floor_vm_exit(struct floor_vm *vm, hl_error *err);

/* From now on the guest spins in one instruction instead of leaving. */
bool floor_vm_set_spin(struct floor_vm *vm, hl_error *err);

/* Opens KVM and makes one VM; floor_vm_close and floor_kvm_close end it. */
bool floor_open(struct floor_kvm *kvm, struct floor_vm *vm, hl_error *err);

/* Take samples of op in turns (bench_take) with exits of a bare VM, or with
 * whole ones, of which fn measures the making or the closing. */
bool floor_take_exits(const struct bench *bench, unsigned burst, const struct sampler *op,
                      struct samples *floor, hl_error *err);
bool floor_take_vms(const struct bench *bench, unsigned burst, const struct sampler *op,
                    sample_fn fn, struct samples *floor, hl_error *err);

/* Samplers for bench_take. */
bool floor_sample_exit(void *vm, double *us, hl_error *err);   /* struct floor_vm */
bool floor_sample_make(void *kvm, double *us, hl_error *err);  /* struct floor_kvm */
bool floor_sample_close(void *kvm, double *us, hl_error *err); /* struct floor_kvm */

#endif
