/* SPDX-License-Identifier: Apache-2.0 */
/* What a row of the bench is made of: a name, a target, and a loop that takes samples. */
#ifndef BENCH_BENCH_H
#define BENCH_BENCH_H

#include <hyperlight/types.h>
#include <stdbool.h>

#include "stats.h"

struct bench {
    double seconds; /* measured time of each row */
    bool verbose;
    const char *guest; /* path of the bench's guest image */
    uint64_t param;    /* of the row that runs */
};

enum target_kind {
    TARGET_NONE,
    TARGET_RATIO,    /* q1 <= limit * q1 of the floor */
    TARGET_ADDED,    /* q1 <= q1 of the floor + limit */
    TARGET_AT_MOST,  /* q1 <= limit */
    TARGET_AT_LEAST, /* median >= limit: for rates */
    TARGET_P99_RATIO /* p99 <= limit * p99 of the floor */
};

struct target {
    enum target_kind kind;
    double limit;
};

struct bench_row {
    const char *name, *unit;
    const char *floor_name; /* NULL: the row has no floor */
    struct target target;
    /* Fills op, and floor if the row has one. false: err says why. */
    bool (*run)(const struct bench *bench, struct samples *op, struct samples *floor,
                hl_error *err);
    uint64_t param;   /* what sets it apart from others with this function */
    const char *what; /* it does, with which VMs there are idle */
};

/* Takes one sample: does the thing once, *value is what it took. false: err says why. */
typedef bool (*sample_fn)(void *ctx, double *value, hl_error *err);

struct sampler {
    sample_fn fn; /* NULL: nothing to measure */
    void *ctx;
    struct samples *out;
};

/* Takes samples of op and floor in turns until the row's time is over. A turn is one discarded
 * sample, then `burst` that count, so that each follows one of its own kind: two VMs that
 * alternate entry by entry both pay for the processor's switch between them, and making a VM
 * pays for the end of the one before. Either would flatter the ratio. burst 0: a turn is one
 * sample that counts. */
bool bench_take(const struct bench *bench, unsigned burst, const struct sampler *op,
                const struct sampler *floor, hl_error *err);

/* Fills err with E_SYSTEM and the text; returns false. */
bool bench_fail(hl_error *err, const char *format, ...) __attribute__((format(printf, 2, 3)));

#endif
