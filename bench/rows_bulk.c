/* SPDX-License-Identifier: Apache-2.0 */
/* Rows of large arguments. */
#include <stdlib.h>
#include <string.h>

#include "box.h"
#include "checksum.h"
#include "clock.h"
#include "resident.h"
#include "rows.h"

enum { SIZE = 100 << 20, KEPT_KIB = 16 << 10 };

struct bulk {
    struct box box;
    hl_snapshot *snapshot;
    uint8_t *data;
};

static bool open_bulk(struct bulk *bulk, const struct bench *bench, hl_error *err)
{
    bulk->data = malloc(SIZE);
    if (!bulk->data)
        return bench_fail(err, "no memory for an argument of 100 MiB");
    for (size_t i = 0; i < SIZE; i++)
        bulk->data[i] = (uint8_t)(i * 2654435761u >> 16);
    if (!box_open(&bulk->box, bench, err))
        return false;
    bulk->box.config.message_size = SIZE + (1 << 20);
    return box_create(&bulk->box, err) &&
           hl_snapshot_take(&bulk->snapshot, bulk->box.sandbox, err) == HL_OK;
}

static void close_bulk(struct bulk *bulk)
{
    hl_snapshot_release(bulk->snapshot);
    box_close(&bulk->box);
    hl_cache_trim(0);
    free(bulk->data);
}

/* What the call takes beyond the checksum itself; GB/s. */
static bool sample_call(void *ctx, double *rate, hl_error *err)
{
    const struct bulk *bulk = ctx;
    const hl_value arg = hl_bytes(bulk->data, SIZE);
    const double start = now_us();
    const uint64_t wanted = checksum(bulk->data, SIZE);
    const double between = now_us();
    hl_value ret;
    const hl_status status = hl_sandbox_call(&ret, bulk->box.sandbox, "Checksum", &arg, 1, err);
    const double native = between - start, call = now_us() - between;

    if (status)
        return false;
    if (ret.as.u64 != wanted)
        return bench_fail(err, "Checksum of 100 MiB is wrong");
    *rate = SIZE / (call > native ? call - native : 1) / 1000;
    return true;
}

/* Nothing of the argument stays after a restore. */
static bool given_back(const struct bulk *bulk, double before, hl_error *err)
{
    double now;

    if (hl_sandbox_restore(bulk->box.sandbox, bulk->snapshot, err))
        return false;
    now = resident_kib();
    return now <= before + KEPT_KIB ||
           bench_fail(err, "%.0f KiB more are resident after a restore", now - before);
}

static bool run_arg(const struct bench *bench, struct samples *op, struct samples *floor,
                    hl_error *err)
{
    struct bulk bulk = {.snapshot = NULL};
    double before, rate;
    bool ok = open_bulk(&bulk, bench, err);

    (void)floor;
    before = resident_kib();
    ok = ok && sample_call(&bulk, &rate, err) && /* now it is warm */
         bench_take(bench, 0, &(struct sampler){sample_call, &bulk, op}, &(struct sampler){0},
                    err) &&
         given_back(&bulk, before, err);
    close_bulk(&bulk);
    return ok;
}

/* 50 MiB of bytes and 50 MiB of text; the guest reads next to nothing of it. */
static bool sample_params(void *ctx, double *us, hl_error *err)
{
    const struct bulk *bulk = ctx;
    const hl_value args[] = {hl_bytes(bulk->data, SIZE / 2),
                             hl_strn((const char *)bulk->data + SIZE / 2, SIZE / 2)};
    const double start = now_us();
    hl_value ret;
    const hl_status status = hl_sandbox_call(&ret, bulk->box.sandbox, "Receive", args, 2, err);

    *us = now_us() - start;
    return status == HL_OK && (ret.as.u64 == SIZE / 2 + 'a' || bench_fail(err, "Receive is wrong"));
}

static bool run_params(const struct bench *bench, struct samples *op, struct samples *floor,
                       hl_error *err)
{
    struct bulk bulk = {.snapshot = NULL};
    bool ok = open_bulk(&bulk, bench, err);

    (void)floor;
    if (ok)
        memset(bulk.data + SIZE / 2, 'a', SIZE / 2);
    ok = ok && bench_take(bench, 1, &(struct sampler){sample_params, &bulk, op},
                          &(struct sampler){0}, err);
    close_bulk(&bulk);
    return ok;
}

const struct bench_row row_ref_params_100m = {
    "ref_params_100m",
    "us",
    NULL,
    {TARGET_NONE, 0},
    run_params,
    0,
    "a call with 50 MiB of bytes and 50 MiB of text",
};
const struct bench_row row_arg_100m = {
    "arg_100m",
    "GB/s",
    NULL,
    {TARGET_AT_LEAST, 5},
    run_arg,
    0,
    "a call with 100 MiB, of which the guest makes a checksum, less the same checksum made "
    "natively; warm",
};
