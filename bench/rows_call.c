/* SPDX-License-Identifier: Apache-2.0 */
/* Rows of calls into a warm sandbox, against one bare VM entry and exit. */
#include <inttypes.h>
#include <string.h>

#include "box.h"
#include "clock.h"
#include "floor_kvm.h"
#include "rows.h"

enum { BURST = 8 };

struct call {
    const char *name;
    hl_value arguments[2];
    uint32_t count;
    hl_value wanted; /* type, len of the result and its first 32 bits */
    hl_sandbox *sandbox;
};

static uint32_t first_bits(const hl_value *value)
{
    uint32_t bits = value->as.u32;

    if (value->type == HL_BYTES)
        memcpy(&bits, value->as.bytes, sizeof(bits));
    return bits;
}

static bool check(const struct call *call, const hl_value *got, hl_error *err)
{
    const hl_value *wanted = &call->wanted;

    if (got->type != wanted->type || got->len != wanted->len)
        return bench_fail(err, "%s gave type %" PRIu32 " of %" PRIu32 " bytes", call->name,
                          got->type, got->len);
    if (got->type != HL_VOID && first_bits(got) != first_bits(wanted))
        return bench_fail(err, "%s gave %#" PRIx32 ", wanted %#" PRIx32, call->name,
                          first_bits(got), first_bits(wanted));
    return true;
}

static bool sample_call(void *ctx, double *us, hl_error *err)
{
    struct call *call = ctx;
    hl_value ret;
    double start = now_us();
    hl_status status = hl_sandbox_call(&ret, call->sandbox, call->name, call->arguments,
                                       call->count, err);

    *us = now_us() - start;
    return status == HL_OK && check(call, &ret, err);
}

static bool measure(const struct bench *bench, struct call *call, struct samples *op,
                    struct samples *floor, hl_error *err)
{
    const struct sampler calls = {sample_call, call, op};
    struct box box;
    bool ok = box_open(&box, bench, err) && box_create(&box, err);

    call->sandbox = box.sandbox;
    ok = ok && floor_take_exits(bench, BURST, &calls, floor, err);
    box_close(&box);
    return ok;
}

static bool run_call(const struct bench *bench, struct samples *op, struct samples *floor,
                     hl_error *err)
{
    struct call call = {.name = "Nop", .wanted = hl_void()};

    return measure(bench, &call, op, floor, err);
}

static bool run_4k(const struct bench *bench, struct samples *op, struct samples *floor,
                   hl_error *err)
{
    static const uint8_t data[4096] = {0x12, 0x34, 0x56, 0x78};
    struct call call = {
        .name = "Echo4k",
        .arguments = {hl_bytes(data, sizeof(data))},
        .count = 1,
        .wanted = hl_bytes(data, sizeof(data)),
    };

    return measure(bench, &call, op, floor, err);
}

static bool run_24k_8k(const struct bench *bench, struct samples *op, struct samples *floor,
                       hl_error *err)
{
    static uint64_t data[24 * 1024 / 8];
    const uint64_t count = sizeof(data) / sizeof(data[0]);
    const uint64_t sum = count * (count + 1) / 2;
    struct call call = {
        .name = "Take24Give8",
        .arguments = {hl_bytes(data, sizeof(data))},
        .count = 1,
        .wanted = hl_bytes(&sum, 8192),
    };

    for (uint64_t i = 0; i < count; i++)
        data[i] = i + 1;
    return measure(bench, &call, op, floor, err);
}

static bool run_host(const struct bench *bench, struct samples *op, struct samples *floor,
                     hl_error *err)
{
    struct call call = {.name = "CallHost", .wanted = hl_i32(42)};

    return measure(bench, &call, op, floor, err);
}

static bool run_add(const struct bench *bench, struct samples *op, struct samples *floor,
                    hl_error *err)
{
    struct call call = {
        .name = "Add",
        .arguments = {hl_i32(40), hl_i32(2)},
        .count = 2,
        .wanted = hl_i32(42),
    };

    return measure(bench, &call, op, floor, err);
}

const struct bench_row row_call = {
    "call", "us", "floor_exit", {TARGET_RATIO, 1.10}, run_call, 0, "a call without arguments",
};
const struct bench_row row_call_4k = {
    "call_4k",
    "us",
    "floor_exit",
    {TARGET_NONE, 0},
    run_4k,
    0,
    "a call with 4 KiB that answers 4 KiB",
};
const struct bench_row row_call_24k_8k = {
    "call_24k_8k",
    "us",
    "floor_exit",
    {TARGET_ADDED, 6},
    run_24k_8k,
    0,
    "a call with 24 KiB that answers the first 8 KiB",
};
const struct bench_row row_ref_24k_8k = {
    "ref_24k_8k", "us", "floor_exit", {TARGET_NONE, 0}, run_24k_8k, 0, "the same as call_24k_8k",
};
const struct bench_row row_ref_call_host = {
    "ref_call_host",
    "us",
    "floor_exit",
    {TARGET_NONE, 0},
    run_add,
    0,
    "a call of Add, which calls the host function HostAdd",
};
const struct bench_row row_call_host = {
    "call_host",
    "us",
    "floor_exit",
    {TARGET_RATIO, 2.15},
    run_host,
    0,
    "a call that calls one host function",
};
