/* SPDX-License-Identifier: Apache-2.0 */
/* Results beside those of an earlier run. */
#ifndef BENCH_COMPARE_H
#define BENCH_COMPARE_H

#include "report.h"

/* Reads what report_json wrote and prints, for each row of both, old and new:
 * the ratio to the floor where there is one, else the lower quartile.
 * false: err says why. */
bool compare_print(FILE *out, const char *path, const struct result results[], size_t count,
                   hl_error *err);

#endif
