/* SPDX-License-Identifier: Apache-2.0 */
/* The floors of guests in processes: what processes cost without the library. */
#ifndef BENCH_FLOOR_PROCESS_H
#define BENCH_FLOOR_PROCESS_H

#include <hyperlight/types.h>
#include <stdbool.h>
#include <sys/types.h>

/* P: two processes wake each other by futex. Q: a small process forks; its child
 * installs a system call filter and answers. */
struct small;
struct floor_process {
    struct small *words; /* shared with the other process */
    pid_t other;
    bool forks; /* Q */
};

/* The other process stays where this thread is allowed to run now. */
bool floor_process_open(struct floor_process *floor, bool forks, hl_error *err);
void floor_process_close(struct floor_process *floor);

/* Samples for bench_take; the context is the floor. */
bool floor_sample_process(void *ctx, double *us, hl_error *err);

/* From now on this thread, and what it starts, runs on this processor alone; -1:
 * on all that it could at first. */
bool floor_process_pin(int cpu, hl_error *err);
#endif
