/* SPDX-License-Identifier: Apache-2.0 */
/* Rows of clones: sandboxes made from snapshots. */
#include "box.h"
#include "clock.h"
#include "floor_kvm.h"
#include "rows.h"

enum { BURST = 8, PAGES = 16 };

/* Two snapshots of one guest that differ in the first `pages` pages; the second
 * is NULL if there are no such pages. */
struct clones {
    struct box box;
    hl_snapshot *first, *second;
    uint32_t pages, turn;
};

static bool dirty(hl_sandbox *sandbox, uint32_t pages, uint32_t value, hl_error *err)
{
    const hl_value args[] = {hl_u32(0), hl_u32(pages), hl_u32(1), hl_u32(value)};

    return hl_sandbox_call(NULL, sandbox, "Dirty", args, 4, err) == HL_OK;
}

/* The rows' parameter is the number of pages. */
static bool open_clones(struct clones *clones, const struct bench *bench, hl_error *err)
{
    const uint32_t pages = (uint32_t)bench->param;

    *clones = (struct clones){.pages = pages};
    if (!box_open(&clones->box, bench, err))
        return false;
    clones->box.config.heap_size = 64 << 20;
    if (!box_create(&clones->box, err) ||
        !dirty(clones->box.sandbox, pages > PAGES ? pages : PAGES, 1, err) ||
        hl_snapshot_take(&clones->first, clones->box.sandbox, err))
        return false;
    return !pages || (dirty(clones->box.sandbox, pages, 2, err) &&
                      !hl_snapshot_take(&clones->second, clones->box.sandbox, err));
}

static void close_clones(struct clones *clones)
{
    hl_snapshot_release(clones->first);
    hl_snapshot_release(clones->second);
    box_close(&clones->box);
    hl_cache_limit(16);
    hl_cache_trim(0);
}

/* The clone and its first call, which writes 16 pages; it is destroyed at once. */
static bool sample_clone(void *ctx, double *us, hl_error *err)
{
    struct clones *clones = ctx;
    const hl_snapshot *from = clones->second && clones->turn++ % 2 ? clones->second : clones->first;
    hl_sandbox *clone;
    double start = now_us();
    bool ok = hl_sandbox_create_from(&clone, from, clones->box.host, NULL, err) == HL_OK &&
              dirty(clone, PAGES, 3, err);

    *us = now_us() - start;
    hl_sandbox_destroy(clone);
    return ok;
}

static bool sample_destroy(void *ctx, double *us, hl_error *err)
{
    struct clones *clones = ctx;
    hl_sandbox *clone;
    bool ok = hl_sandbox_create_from(&clone, clones->first, clones->box.host, NULL, err) == HL_OK &&
              dirty(clone, PAGES, 3, err);
    double start = now_us();

    hl_sandbox_destroy(clone);
    *us = now_us() - start;
    return ok;
}

static bool against_exit(const struct bench *bench, sample_fn fn, struct samples *op,
                         struct samples *floor, hl_error *err)
{
    struct clones clones;
    const struct sampler samples = {fn, &clones, op};
    const bool ok = open_clones(&clones, bench, err) &&
                    floor_take_exits(bench, BURST, &samples, floor, err);

    close_clones(&clones);
    return ok;
}

static bool run_clone(const struct bench *bench, struct samples *op, struct samples *floor,
                      hl_error *err)
{
    return against_exit(bench, sample_clone, op, floor, err);
}

static bool run_destroy(const struct bench *bench, struct samples *op, struct samples *floor,
                        hl_error *err)
{
    return against_exit(bench, sample_destroy, op, floor, err);
}

static bool run_nocache(const struct bench *bench, struct samples *op, struct samples *floor,
                        hl_error *err)
{
    struct clones clones;
    const struct sampler makes = {sample_clone, &clones, op};
    bool ok = open_clones(&clones, bench, err);

    box_destroy(&clones.box);
    hl_cache_limit(0);
    ok = ok && floor_take_vms(bench, BURST, &makes, floor_sample_make, floor, err);
    close_clones(&clones);
    return ok;
}

const struct bench_row row_create_from_call = {
    "create_from_call",
    "us",
    "floor_exit",
    {TARGET_RATIO, 1.25},
    run_clone,
    0,
    "clone and first call, which writes 16 pages; an idle VM of the same snapshot",
};
const struct bench_row row_create_from_other_call = {
    "create_from_other_call",
    "us",
    "floor_exit",
    {TARGET_RATIO, 3},
    run_clone,
    256,
    "clone and first call; an idle VM of another snapshot, 256 pages differ",
};
const struct bench_row row_create_from_other_16m_call = {
    "create_from_other_16m_call",
    "us",
    "floor_exit",
    {TARGET_RATIO, 9},
    run_clone,
    4096,
    "clone and first call; an idle VM of another snapshot, 4,096 pages differ",
};
const struct bench_row row_create_from_nocache_call = {
    "create_from_nocache_call",
    "us",
    "floor_vm",
    {TARGET_RATIO, 1.2},
    run_nocache,
    0,
    "clone and first call, no idle VM, after others that came and went",
};
const struct bench_row row_destroy_cached = {
    "destroy_cached",
    "us",
    "floor_exit",
    {TARGET_AT_MOST, 5},
    run_destroy,
    0,
    "destroy of a clone that wrote 16 pages; its VM goes into the cache",
};
