/* SPDX-License-Identifier: Apache-2.0 */
/* Rows of guests in processes, against bare processes on the same processors. */
#include <stdlib.h>

#include "box.h"
#include "clock.h"
#include "floor_process.h"
#include "rows.h"

enum { BURST = 4, PAGES = 16 };
#define LARGE (1ull << 30)

struct cycle {
    struct box box;
    hl_snapshot *snapshot;
    uint32_t value;
};

static bool dirty(hl_sandbox *sandbox, uint32_t value, hl_error *err)
{
    const hl_value args[] = {hl_u32(0), hl_u32(PAGES), hl_u32(1), hl_u32(value)};

    return hl_sandbox_call(NULL, sandbox, "Dirty", args, 4, err) == HL_OK;
}

static bool sample_call(void *ctx, double *us, hl_error *err)
{
    struct cycle *cycle = ctx;
    double start = now_us();
    bool ok = box_call(&cycle->box, "Nop", NULL, err);

    *us = now_us() - start;
    return ok;
}

/* The call writes 16 pages, which the next restore puts back. */
static bool sample_restore(void *ctx, double *us, hl_error *err)
{
    struct cycle *cycle = ctx;
    double start = now_us();
    bool ok = hl_sandbox_restore(cycle->box.sandbox, cycle->snapshot, err) == HL_OK &&
              dirty(cycle->box.sandbox, cycle->value++, err);

    *us = now_us() - start;
    return ok;
}

static bool sample_create(void *ctx, double *us, hl_error *err)
{
    struct cycle *cycle = ctx;
    hl_sandbox *clone;
    double start = now_us();
    bool ok = hl_sandbox_create_from(&clone, cycle->snapshot, cycle->box.host, NULL, err) ==
                  HL_OK &&
              hl_sandbox_call(NULL, clone, "Nop", NULL, 0, err) == HL_OK;

    *us = now_us() - start;
    hl_sandbox_destroy(clone);
    return ok;
}

static bool sample_destroy(void *ctx, double *us, hl_error *err)
{
    struct cycle *cycle = ctx;
    hl_sandbox *clone;
    bool ok = hl_sandbox_create_from(&clone, cycle->snapshot, cycle->box.host, NULL, err) ==
                  HL_OK &&
              hl_sandbox_call(NULL, clone, "Nop", NULL, 0, err) == HL_OK;
    double start = now_us();

    hl_sandbox_destroy(clone);
    *us = now_us() - start;
    return ok;
}

static bool open_cycle(struct cycle *cycle, const struct bench *bench, hl_error *err)
{
    *cycle = (struct cycle){0};
    if (!box_open(&cycle->box, bench, err))
        return false;
    cycle->box.config.hypervisor = HL_HYPERVISOR_PROCESS;
    cycle->box.config.heap_size = 64 << 20;
    return box_create(&cycle->box, err) && dirty(cycle->box.sandbox, 1, err) &&
           hl_snapshot_take(&cycle->snapshot, cycle->box.sandbox, err) == HL_OK;
}

/* Everybody on one processor, or guest and tracer on another than the host. */
struct how {
    sample_fn fn;
    bool forks;     /* the floor is Q, else P */
    bool two;       /* processors */
    uint64_t large; /* bytes that the application has touched */
};

static bool measure(const struct bench *bench, const struct how *how, struct samples *op,
                    struct samples *floor, hl_error *err)
{
    struct sampler others = {.fn = floor_sample_process, .out = floor};
    struct cycle cycle = {0};
    struct floor_process process = {0};
    char *large = NULL;
    bool ok = floor_process_pin(how->two, err) && floor_process_open(&process, how->forks, err);

    others.ctx = &process;
    if (ok && how->large) {
        large = malloc(how->large);
        for (uint64_t i = 0; large && i < how->large; i += 4096)
            large[i] = 1;
        ok = large || bench_fail(err, "out of memory");
    }
    ok = ok && open_cycle(&cycle, bench, err) && floor_process_pin(0, err) &&
         bench_take(bench, BURST, &(struct sampler){how->fn, &cycle, op}, &others, err);
    hl_snapshot_release(cycle.snapshot);
    box_close(&cycle.box);
    hl_cache_trim(0);
    floor_process_close(&process);
    free(large);
    return floor_process_pin(-1, ok ? err : NULL) && ok;
}

#define ROW(id, label, what, floor_label, target, ...) \
    static bool run_##id(const struct bench *bench, struct samples *op, struct samples *floor, \
                         hl_error *err) \
    { \
        return measure(bench, &(struct how){__VA_ARGS__}, op, floor, err); \
    } \
    const struct bench_row row_process_##id = {label, "us", floor_label, target, run_##id, 0, what}
#define RATIO(limit) \
    { \
        TARGET_RATIO, limit \
    }
#define NO_TARGET \
    { \
        TARGET_NONE, 0 \
    }

ROW(call, "call@process", "a call; host, tracer and guest on one processor", "floor_futex",
    RATIO(1.25), .fn = sample_call);
ROW(restore, "restore_16_call@process", "restore and a call that writes 16 pages again",
    "floor_fork", RATIO(1), .fn = sample_restore, .forks = true);
ROW(create, "create_from_call@process", "clone and first call, an idle VM", "floor_fork",
    RATIO(1.1), .fn = sample_create, .forks = true);
ROW(create_1g, "create_from_call_1g@process", "the same, 1 GiB touched in the application",
    "floor_fork", RATIO(1.1), .fn = sample_create, .forks = true, .large = LARGE);
ROW(destroy, "destroy@process", "destroy: the child is killed and reaped", "floor_fork", RATIO(0.6),
    .fn = sample_destroy, .forks = true);
ROW(call_2, "call@process_2cpu", "a call; guest and tracer on another processor than the host",
    "floor_futex", NO_TARGET, .fn = sample_call, .two = true);
ROW(restore_2, "restore_16_call@process_2cpu",
    "restore and a call that writes 16 pages again; guest and tracer on another processor than the "
    "host",
    "floor_fork", NO_TARGET, .fn = sample_restore, .forks = true, .two = true);
ROW(create_2, "create_from_call@process_2cpu",
    "clone and first call, an idle VM; guest and tracer on another processor than the host",
    "floor_fork", NO_TARGET, .fn = sample_create, .forks = true, .two = true);
ROW(destroy_2, "destroy@process_2cpu",
    "destroy: the child is killed and reaped; guest and tracer on another processor than the host",
    "floor_fork", NO_TARGET, .fn = sample_destroy, .forks = true, .two = true);
