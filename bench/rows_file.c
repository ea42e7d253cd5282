/* SPDX-License-Identifier: Apache-2.0 */
/* Rows of snapshot files: a guest with 64 MiB of memory that is not zero. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "box.h"
#include "clock.h"
#include "rows.h"

/* Dirty has an arena of 32 MiB; a second one is the 32 MiB of init data. */
enum { ARENA_PAGES = 8192, INIT_SIZE = 32 << 20 };

struct files {
    struct box box;
    hl_snapshot *snapshot;
    double bytes; /* of the file */
    char folder[64], path[80];
};

static bool fill_arena(struct files *files, hl_error *err)
{
    const hl_value args[] = {hl_u32(0), hl_u32(ARENA_PAGES), hl_u32(1), hl_u32(0x5eed)};

    return hl_sandbox_call(NULL, files->box.sandbox, "Dirty", args, 4, err) == HL_OK &&
           hl_snapshot_take(&files->snapshot, files->box.sandbox, err) == HL_OK;
}

static bool make_snapshot(struct files *files, const struct bench *bench, hl_error *err)
{
    uint8_t *data = malloc(INIT_SIZE);
    bool ok;

    if (!data)
        return bench_fail(err, "no memory for init data");
    memset(data, 0x5a, INIT_SIZE);
    ok = box_open(&files->box, bench, err);
    if (ok) {
        files->box.config.heap_size = 64 << 20;
        files->box.config.init_data = data;
        files->box.config.init_size = INIT_SIZE;
        ok = box_create(&files->box, err) && fill_arena(files, err);
    }
    free(data);
    return ok;
}

static bool save(struct files *files, hl_error *err)
{
    return hl_snapshot_save(files->snapshot, files->path, err) == HL_OK;
}

/* In memory where the machine has such a folder: the disk is not what is measured. */
static bool open_files(struct files *files, const struct bench *bench, hl_error *err)
{
    struct stat st;

    snprintf(files->folder, sizeof files->folder, "/dev/shm/hl-bench-XXXXXX");
    if (!mkdtemp(files->folder)) {
        snprintf(files->folder, sizeof files->folder, "/tmp/hl-bench-XXXXXX");
        if (!mkdtemp(files->folder))
            return bench_fail(err, "%s: %s", files->folder, strerror(errno));
    }
    snprintf(files->path, sizeof files->path, "%s/file", files->folder);
    if (!make_snapshot(files, bench, err) || !save(files, err))
        return false;
    if (stat(files->path, &st))
        return bench_fail(err, "%s: %s", files->path, strerror(errno));
    files->bytes = (double)st.st_size;
    return true;
}

static void close_files(struct files *files)
{
    if (*files->path)
        unlink(files->path);
    if (*files->folder)
        rmdir(files->folder);
    hl_snapshot_release(files->snapshot);
    box_close(&files->box);
}

static bool sample_load(void *ctx, double *rate, hl_error *err)
{
    struct files *files = ctx;
    hl_snapshot *snapshot;
    const double start = now_us();
    const bool ok = hl_snapshot_load(&snapshot, files->path, err) == HL_OK;

    *rate = files->bytes / (now_us() - start) / 1000;
    if (ok)
        hl_snapshot_release(snapshot);
    return ok;
}

static bool sample_save(void *ctx, double *rate, hl_error *err)
{
    struct files *files = ctx;
    const double start = now_us();
    const bool ok = save(files, err);

    *rate = files->bytes / (now_us() - start) / 1000;
    return ok;
}

static bool measure(const struct bench *bench, sample_fn fn, struct samples *op, hl_error *err)
{
    struct files files = {.bytes = 0};
    bool ok = open_files(&files, bench, err) &&
              bench_take(bench, 0, &(struct sampler){fn, &files, op}, &(struct sampler){0}, err);

    close_files(&files);
    return ok;
}

static bool run_load(const struct bench *bench, struct samples *op, struct samples *floor,
                     hl_error *err)
{
    (void)floor;
    return measure(bench, sample_load, op, err);
}

static bool run_save(const struct bench *bench, struct samples *op, struct samples *floor,
                     hl_error *err)
{
    (void)floor;
    return measure(bench, sample_save, op, err);
}

const struct bench_row row_load_file = {
    "load_file",
    "GB/s",
    NULL,
    {TARGET_AT_LEAST, 1.5},
    run_load,
    0,
    "load and check of a snapshot file of 64 MiB in the page cache",
};
const struct bench_row row_save_file = {
    "save_file", "GB/s", NULL, {TARGET_NONE, 0}, run_save, 0, "save of a snapshot of 64 MiB",
};
