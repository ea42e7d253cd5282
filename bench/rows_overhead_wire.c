/* SPDX-License-Identifier: Apache-2.0 */
/* Rows of encoding and decoding a message of eleven values and 40 MiB. */
#include <stdlib.h>
#include <string.h>

#include "../src/shared/wire.h"
#include "bench.h"
#include "clock.h"
#include "rows.h"

enum { VALUES = 11, PART = 10 << 20 };

struct wire {
    uint8_t *parts[4], *frame, *copy;
    hl_value values[VALUES];
    uint64_t size;
};

static bool sample_encode(void *ctx, double *us, hl_error *err)
{
    struct wire *wire = ctx;
    const struct hl_frame head = {.kind = HL_KIND_CALL, .depth = 1};
    const double start = now_us();

    for (int i = 0; i < VALUES; i++)
        if (hl__value_check(&wire->values[i]))
            return bench_fail(err, "value %d: %s", i, hl__value_check(&wire->values[i]));
    hl__wire_write(wire->frame, &head, wire->values, VALUES, hl__wire_size(wire->values, VALUES));
    *us = now_us() - start;
    return true;
}

/* As the host receives a message: the payload is copied, then checked. */
static bool sample_decode(void *ctx, double *us, hl_error *err)
{
    struct wire *wire = ctx;
    struct hl_slot slots[HL_VALUES_MAX];
    hl_value values[HL_VALUES_MAX];
    struct hl_frame head;
    const uint64_t payload = hl__wire_payload(VALUES);
    const double start = now_us();
    const char *wrong;

    memcpy(&head, wire->frame, sizeof head);
    wrong = hl__wire_check_head(&head, wire->size);
    memcpy(slots, wire->frame + sizeof head, payload - sizeof head);
    if (!wrong)
        wrong = hl__wire_check_slots(&head, slots);
    memcpy(wire->copy, wire->frame + payload, wire->size - payload);
    if (!wrong)
        wrong = hl__wire_check_payload(&head, slots, wire->copy);
    if (wrong)
        return bench_fail(err, "decoding: %s", wrong);
    hl__wire_values(values, &head, slots, wire->copy);
    *us = now_us() - start;
    return values[VALUES - 1].as.b || bench_fail(err, "decoding gave something else");
}

static bool open_wire(struct wire *wire, hl_error *err)
{
    double us;

    for (int i = 0; i < 4; i++) {
        wire->parts[i] = malloc(PART);
        if (!wire->parts[i])
            return bench_fail(err, "no memory for 40 MiB of values");
        memset(wire->parts[i], 'a' + i, PART);
        wire->values[i] = i % 2 ? hl_strn((char *)wire->parts[i], PART)
                                : hl_bytes(wire->parts[i], PART);
    }
    wire->values[4] = hl_i32(-1);
    wire->values[5] = hl_u32(2);
    wire->values[6] = hl_i64(-3);
    wire->values[7] = hl_u64(4);
    wire->values[8] = hl_f32(5);
    wire->values[9] = hl_f64(6);
    wire->values[10] = hl_bool(true);
    wire->size = hl__wire_size(wire->values, VALUES);
    wire->frame = malloc(wire->size);
    wire->copy = malloc(wire->size);
    if (!wire->frame || !wire->copy)
        return bench_fail(err, "no memory for a frame of 40 MiB");
    return sample_encode(wire, &us, err);
}

static bool measure(const struct bench *bench, sample_fn fn, struct samples *op, hl_error *err)
{
    struct wire wire = {.size = 0};
    const bool ok = open_wire(&wire, err) && bench_take(bench, 1, &(struct sampler){fn, &wire, op},
                                                        &(struct sampler){0}, err);

    for (int i = 0; i < 4; i++)
        free(wire.parts[i]);
    free(wire.frame);
    free(wire.copy);
    return ok;
}

static bool run_encode(const struct bench *bench, struct samples *op, struct samples *floor,
                       hl_error *err)
{
    (void)floor;
    return measure(bench, sample_encode, op, err);
}

static bool run_decode(const struct bench *bench, struct samples *op, struct samples *floor,
                       hl_error *err)
{
    (void)floor;
    return measure(bench, sample_decode, op, err);
}

const struct bench_row row_ref_encode = {
    "ref_encode_40m",
    "us",
    NULL,
    {TARGET_NONE, 0},
    run_encode,
    0,
    "11 parameters, 40 MiB, into a message",
};
const struct bench_row row_ref_decode = {
    "ref_decode_40m",
    "us",
    NULL,
    {TARGET_NONE, 0},
    run_decode,
    0,
    "the same out of it, with all checks",
};
