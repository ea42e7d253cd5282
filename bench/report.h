/* SPDX-License-Identifier: Apache-2.0 */
/* The bench's results, as a table for people and as JSON for programs. */
#ifndef BENCH_REPORT_H
#define BENCH_REPORT_H

#include <stdio.h>

#include "bench.h"

struct result {
    const struct bench_row *row;
    struct summary op, floor; /* floor.count is 0 where there is none */
};

void report_table(FILE *out, const struct result results[], size_t count);

/* Replaces the file at path. false: err says why. */
bool report_json(const char *path, const struct result results[], size_t count, hl_error *err);

#endif
