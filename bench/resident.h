/* SPDX-License-Identifier: Apache-2.0 */
/* What the process has in memory. */
#ifndef BENCH_RESIDENT_H
#define BENCH_RESIDENT_H

/* Resident memory of this process and its page tables, in KiB; 0 if unknown. Not what is of a
 * file, or of KVM: kvm_run and dirty ring belong to the VM's own cost. */
double resident_kib(void);

#endif
