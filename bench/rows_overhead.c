/* SPDX-License-Identifier: Apache-2.0 */
/* Rows of what the library itself adds to a call: the VM is a fake that answers at once. */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <hyperlight/easy.h>

#include "../tests/fake/fake.h"
#include "../tests/test.h"
#include "clock.h"
#include "rows.h"

enum {
    BATCH = 1000,         /* calls in a sample: one takes about as long as reading the clock */
    DEADLINE_US = 1000000 /* far off: what counts is that there is one */
};

/* The fake reports a broken rule as a test does; here that ends the bench. */
void test_fail(const char *file, int line, const char *format, ...)
{
    va_list args;

    fprintf(stderr, "\nbench: %s:%d: ", file, line);
    va_start(args, format);
    vfprintf(stderr, format, args);
    va_end(args);
    fputc('\n', stderr);
    exit(1);
}

static bool create(hl_sandbox **box, uint64_t deadline_us, hl_error *err)
{
    static const struct fake_function exports[] = {{"Nop", "void()", NULL}};
    static const struct fake_program program = {
        .exports = exports,
        .export_count = 1,
        .whole = fake_noop,
    };
    const hl_config config = {.struct_size = sizeof(config), .deadline_us = deadline_us};

    return fake_create(box, &program, NULL, &config, err) == HL_OK;
}

static bool sample_batch(void *box, double *ns, hl_error *err)
{
    hl_value ret;
    double start = now_us();

    for (unsigned i = 0; i < BATCH; i++)
        if (hl_sandbox_call(&ret, box, "Nop", NULL, 0, err) != HL_OK)
            return false;
    *ns = (now_us() - start) * 1e3 / BATCH;
    return true;
}

HL_IMPORT(void, Nop, ())

static bool sample_easy(void *box, double *ns, hl_error *err)
{
    double start = now_us();

    for (unsigned i = 0; i < BATCH; i++)
        if (Nop(NULL, box, err) != HL_OK)
            return false;
    *ns = (now_us() - start) * 1e3 / BATCH;
    return true;
}

static bool run_plain(const struct bench *bench, struct samples *op, struct samples *floor,
                      hl_error *err)
{
    const struct sampler nothing = {0};
    struct sampler calls = {.fn = sample_batch, .out = op};
    hl_sandbox *plain;
    bool ok;

    (void)floor;
    if (!create(&plain, 0, err))
        return false;
    calls.ctx = plain;
    ok = bench_take(bench, 1, &calls, &nothing, err);
    hl_sandbox_destroy(plain);
    return ok;
}

static bool run_deadline(const struct bench *bench, struct samples *op, struct samples *floor,
                         hl_error *err)
{
    struct sampler timed_calls = {.fn = sample_batch, .out = op};
    struct sampler plain_calls = {.fn = sample_batch, .out = floor};
    hl_sandbox *plain = NULL, *timed = NULL;
    bool ok = create(&plain, 0, err) && create(&timed, DEADLINE_US, err);

    if (ok) {
        timed_calls.ctx = timed;
        plain_calls.ctx = plain;
        ok = bench_take(bench, 1, &timed_calls, &plain_calls, err);
    }
    hl_sandbox_destroy(timed);
    hl_sandbox_destroy(plain);
    return ok;
}

static bool run_easy(const struct bench *bench, struct samples *op, struct samples *floor,
                     hl_error *err)
{
    struct sampler easy_calls = {.fn = sample_easy, .out = op};
    struct sampler plain_calls = {.fn = sample_batch, .out = floor};
    hl_sandbox *box;
    bool ok;

    if (!create(&box, 0, err))
        return false;
    easy_calls.ctx = plain_calls.ctx = box;
    ok = bench_take(bench, 1, &easy_calls, &plain_calls, err);
    hl_sandbox_destroy(box);
    return ok;
}

const struct bench_row row_call_overhead = {
    "call_overhead",
    "ns",
    NULL,
    {TARGET_AT_MOST, 200},
    run_plain,
    0,
    "the host half of a call with warm caches, no VM",
};
const struct bench_row row_call_overhead_deadline = {
    "call_overhead_deadline",   "ns", "call_overhead", {TARGET_ADDED, 50}, run_deadline, 0,
    "the same with a deadline",
};
const struct bench_row row_call_overhead_easy = {
    "call_overhead_easy",
    "ns",
    "call_overhead",
    {TARGET_ADDED, 20},
    run_easy,
    0,
    "the same by HL_IMPORT of easy.h",
};
