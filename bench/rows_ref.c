/* SPDX-License-Identifier: Apache-2.0 */
/* Rows of the list that Hyperlight's own benchmarks have, at its sizes of the heap. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "box.h"
#include "clock.h"
#include "rows.h"

enum { BURST = 4 };
#define SMALLEST (128ull << 10)

/* A sandbox with such a heap, a snapshot of it, and a name for its file. */
struct ref {
    struct box box;
    const char *image;
    hl_snapshot *snapshot;
    char folder[64], path[80];
};

static bool echo(hl_sandbox *sandbox, hl_error *err)
{
    const hl_value text = hl_str("Hello, World!");
    hl_value ret;

    if (hl_sandbox_call(&ret, sandbox, "Echo", &text, 1, err))
        return false;
    return (ret.type == HL_STR && strcmp(ret.as.str, text.as.str) == 0) ||
           bench_fail(err, "Echo gave something else");
}

static bool open_ref(struct ref *ref, const struct bench *bench, uint64_t heap, hl_error *err)
{
    *ref = (struct ref){.image = bench->guest};
    snprintf(ref->folder, sizeof ref->folder, "/dev/shm/hl-bench-XXXXXX");
    if (!mkdtemp(ref->folder)) {
        *ref->folder = '\0';
        return bench_fail(err, "a folder in /dev/shm: %s", strerror(errno));
    }
    snprintf(ref->path, sizeof ref->path, "%s/file", ref->folder);
    if (!box_open(&ref->box, bench, err))
        return false;
    ref->box.config.heap_size = heap;
    return box_create(&ref->box, err) && echo(ref->box.sandbox, err) &&
           hl_snapshot_take(&ref->snapshot, ref->box.sandbox, err) == HL_OK &&
           hl_snapshot_save(ref->snapshot, ref->path, err) == HL_OK;
}

static void close_ref(struct ref *ref)
{
    if (*ref->folder) {
        unlink(ref->path);
        rmdir(ref->folder);
    }
    hl_snapshot_release(ref->snapshot);
    box_close(&ref->box);
}

/* The rows' parameter is the heap; the floor is the same with the smallest. */
static bool measure(const struct bench *bench, sample_fn fn, struct samples *op,
                    struct samples *floor, hl_error *err)
{
    struct ref sized = {.image = NULL}, smallest = {.image = NULL};
    const struct sampler ops = {fn, &sized, op};
    struct sampler floors = {NULL, &smallest, floor};
    bool ok = open_ref(&sized, bench, bench->param, err);

    if (ok && bench->param != SMALLEST) {
        ok = open_ref(&smallest, bench, SMALLEST, err);
        floors.fn = fn;
    }
    ok = ok && bench_take(bench, BURST, &ops, &floors, err);
    close_ref(&smallest);
    close_ref(&sized);
    hl_cache_trim(0);
    return ok;
}

/* ---- What is measured ----------------------------------------------------------- */

static bool create(struct ref *ref, hl_sandbox **out, hl_error *err)
{
    return hl_sandbox_create(out, ref->box.guest, ref->box.host, &ref->box.config, err) == HL_OK;
}

static bool sample_create(void *ctx, double *us, hl_error *err)
{
    hl_sandbox *sandbox;
    const double start = now_us();
    const bool ok = create(ctx, &sandbox, err);

    *us = now_us() - start;
    hl_sandbox_destroy(sandbox);
    return ok;
}

static bool sample_create_drop(void *ctx, double *us, hl_error *err)
{
    hl_sandbox *sandbox;
    const double start = now_us();
    const bool ok = create(ctx, &sandbox, err);

    hl_sandbox_destroy(sandbox);
    *us = now_us() - start;
    return ok;
}

static bool sample_from_snapshot(void *ctx, double *us, hl_error *err)
{
    struct ref *ref = ctx;
    hl_sandbox *sandbox;
    const double start = now_us();
    const bool ok = hl_sandbox_create_from(&sandbox, ref->snapshot, ref->box.host, NULL, err) ==
                    HL_OK;

    *us = now_us() - start;
    hl_sandbox_destroy(sandbox);
    return ok;
}

static bool sample_call(void *ctx, double *us, hl_error *err)
{
    struct ref *ref = ctx;
    const double start = now_us();
    const bool ok = echo(ref->box.sandbox, err);

    *us = now_us() - start;
    return ok;
}

static bool restore(struct ref *ref, hl_error *err)
{
    return hl_sandbox_restore(ref->box.sandbox, ref->snapshot, err) == HL_OK;
}

static bool sample_call_restore(void *ctx, double *us, hl_error *err)
{
    struct ref *ref = ctx;
    const double start = now_us();
    const bool ok = echo(ref->box.sandbox, err) && restore(ref, err);

    *us = now_us() - start;
    return ok;
}

static bool sample_restore(void *ctx, double *us, hl_error *err)
{
    struct ref *ref = ctx;
    bool ok = echo(ref->box.sandbox, err);
    const double start = now_us();

    ok = ok && restore(ref, err);
    *us = now_us() - start;
    return ok;
}

static bool sample_take(void *ctx, double *us, hl_error *err)
{
    struct ref *ref = ctx;
    hl_snapshot *snapshot = NULL;
    bool ok = echo(ref->box.sandbox, err);
    const double start = now_us();

    ok = ok && hl_snapshot_take(&snapshot, ref->box.sandbox, err) == HL_OK;
    *us = now_us() - start;
    hl_snapshot_release(snapshot);
    return ok;
}

static bool sample_save(void *ctx, double *us, hl_error *err)
{
    struct ref *ref = ctx;
    const double start = now_us();
    const bool ok = hl_snapshot_save(ref->snapshot, ref->path, err) == HL_OK;

    *us = now_us() - start;
    return ok;
}

static bool sample_load(void *ctx, double *us, hl_error *err)
{
    struct ref *ref = ctx;
    hl_snapshot *snapshot = NULL;
    const double start = now_us();
    const bool ok = hl_snapshot_load(&snapshot, ref->path, err) == HL_OK;

    *us = now_us() - start;
    hl_snapshot_release(snapshot);
    return ok;
}

/* From nothing but the image to the first answer; no idle VM is there. */
static bool sample_cold_image(void *ctx, double *us, hl_error *err)
{
    struct ref *ref = ctx;
    hl_guest *guest = NULL;
    hl_sandbox *sandbox = NULL;
    const double start = now_us();
    const bool ok = hl_guest_open(&guest, ref->image, err) == HL_OK &&
                    hl_sandbox_create(&sandbox, guest, ref->box.host, &ref->box.config, err) ==
                        HL_OK &&
                    echo(sandbox, err);

    *us = now_us() - start;
    hl_sandbox_destroy(sandbox);
    hl_guest_release(guest);
    hl_cache_trim(0);
    return ok;
}

static bool sample_cold_file(void *ctx, double *us, hl_error *err)
{
    struct ref *ref = ctx;
    hl_snapshot *snapshot = NULL;
    hl_sandbox *sandbox = NULL;
    const double start = now_us();
    const bool ok = hl_snapshot_load(&snapshot, ref->path, err) == HL_OK &&
                    hl_sandbox_create_from(&sandbox, snapshot, ref->box.host, NULL, err) == HL_OK &&
                    echo(sandbox, err);

    *us = now_us() - start;
    hl_sandbox_destroy(sandbox);
    hl_snapshot_release(snapshot);
    hl_cache_trim(0);
    return ok;
}

/* ---- The rows -------------------------------------------------------------------- */

#define REF_ROW(id, heap, floor_name, target, bytes, what) \
    { \
        "ref_" #id heap, "us", floor_name, target, run_##id, bytes, what \
    }
#define REF_DEFINE(id, what) \
    static bool run_##id(const struct bench *bench, struct samples *op, struct samples *floor, \
                         hl_error *err) \
    { \
        return measure(bench, sample_##id, op, floor, err); \
    } \
    const struct bench_row row_ref_##id[REF_HEAPS] = { \
        REF_ROW(id, "_128k", NULL, NO_TARGET, SMALLEST, what), \
        REF_ROW(id, "_8m", "128 KiB heap", FLAT, 8ull << 20, what), \
        REF_ROW(id, "_64m", "128 KiB heap", FLAT, 64ull << 20, what), \
        REF_ROW(id, "_256m", "128 KiB heap", FLAT, 256ull << 20, what), \
    };
#define NO_TARGET \
    { \
        TARGET_NONE, 0 \
    }
#define FLAT \
    { \
        TARGET_RATIO, 1.2 \
    }
REF_ROWS(REF_DEFINE)
