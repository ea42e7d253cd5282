/* SPDX-License-Identifier: Apache-2.0 */
/* What the process has in memory. */
#ifndef BENCH_RESIDENT_H
#define BENCH_RESIDENT_H

/* Resident memory of this process and its page tables, in KiB; 0 if unknown. */
double resident_kib(void);

#endif
