/* SPDX-License-Identifier: Apache-2.0 */
/* The one measuring loop: operation and floor in turns. */
#include "bench.h"

#include <stdarg.h>
#include <stdio.h>

#include "clock.h"

bool bench_fail(hl_error *err, const char *format, ...)
{
    va_list args;

    *err = (hl_error){.status = HL_E_SYSTEM};
    va_start(args, format);
    vsnprintf(err->text, sizeof(err->text), format, args);
    va_end(args);
    return false;
}

static bool take_turn(const struct sampler *sampler, unsigned burst, hl_error *err)
{
    double value;

    if (!sampler->fn)
        return true;
    if (burst > 0 && !sampler->fn(sampler->ctx, &value, err))
        return false;
    for (unsigned i = 0; i < (burst ? burst : 1); i++) {
        if (!sampler->fn(sampler->ctx, &value, err))
            return false;
        if (!samples_add(sampler->out, value))
            return bench_fail(err, "out of memory for samples");
    }
    return true;
}

bool bench_take(const struct bench *bench, unsigned burst, const struct sampler *op,
                const struct sampler *floor, hl_error *err)
{
    double end = now_us() + bench->seconds * 1e6;

    do {
        if (!take_turn(op, burst, err) || !take_turn(floor, burst, err))
            return false;
    } while (now_us() < end);
    return true;
}
