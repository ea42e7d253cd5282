/* SPDX-License-Identifier: Apache-2.0 */
/* Sample arrays and the few numbers drawn from them. */
#ifndef BENCH_STATS_H
#define BENCH_STATS_H

#include <stdbool.h>
#include <stddef.h>

/* All zero is an empty array. */
struct samples {
    double *value;
    size_t count, capacity;
};

struct summary {
    double min, q1, median, p99;
    size_t count;
};

/* false: out of memory; the samples so far stay. */
bool samples_add(struct samples *samples, double value);
void samples_free(struct samples *samples);

/* Sorts the samples. Of an empty array everything is 0. */
struct summary samples_summary(struct samples *samples);

#endif
