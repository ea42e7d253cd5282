/* SPDX-License-Identifier: Apache-2.0 */
/* Sample arrays: growing, sorting, quantiles. */
#include "stats.h"

#include <stdlib.h>

enum { FIRST_CAPACITY = 1024 };

bool samples_add(struct samples *samples, double value)
{
    if (samples->count == samples->capacity) {
        size_t capacity = samples->capacity ? samples->capacity * 2 : FIRST_CAPACITY;
        double *grown = realloc(samples->value, capacity * sizeof(*grown));

        if (!grown)
            return false;
        samples->value = grown;
        samples->capacity = capacity;
    }
    samples->value[samples->count++] = value;
    return true;
}

void samples_free(struct samples *samples)
{
    free(samples->value);
    *samples = (struct samples){0};
}

static int by_value(const void *left, const void *right)
{
    double a = *(const double *)left, b = *(const double *)right;

    return (a > b) - (a < b);
}

struct summary samples_summary(struct samples *samples)
{
    size_t n = samples->count;
    const double *sorted = samples->value;

    if (n == 0)
        return (struct summary){0};
    qsort(samples->value, n, sizeof(*samples->value), by_value);
    return (struct summary){
        .min = sorted[0],
        .q1 = sorted[n / 4],
        .median = sorted[n / 2],
        .p99 = sorted[n * 99 / 100],
        .count = n,
    };
}
