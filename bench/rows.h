/* SPDX-License-Identifier: Apache-2.0 */
/* The rows of the bench, grouped as the rows_*.c files are. Names stay once published. */
#ifndef BENCH_ROWS_H
#define BENCH_ROWS_H

#include "bench.h"

extern const struct bench_row row_floor_exit, row_floor_vm, row_floor_vm_beside;
extern const struct bench_row row_floor_vm_close;
extern const struct bench_row row_call_overhead, row_call_overhead_deadline, row_call_overhead_easy;
extern const struct bench_row row_call, row_call_4k, row_call_24k_8k, row_call_host;
extern const struct bench_row row_create_first_call, row_create_cold_call, row_destroy;
extern const struct bench_row row_cancel;
extern const struct bench_row row_restore_1, row_restore_16, row_restore_256, row_restore_1000;
extern const struct bench_row row_restore_16_call, row_restore_16_cold;
extern const struct bench_row row_snapshot_take, row_take_256;
extern const struct bench_row row_create_from_call, row_create_from_other_call;
extern const struct bench_row row_create_from_other_16m_call, row_create_from_nocache_call;
extern const struct bench_row row_destroy_cached;
extern const struct bench_row row_create_1g, row_create_1g_cold, row_restore_1g, row_take_1g;
extern const struct bench_row row_clone_rss;
extern const struct bench_row row_call_1000, row_scale_2;
extern const struct bench_row row_arg_100m;
extern const struct bench_row row_load_file, row_save_file;
extern const struct bench_row row_process_call, row_process_restore, row_process_create;
extern const struct bench_row row_process_create_1g, row_process_destroy;
extern const struct bench_row row_process_call_2, row_process_restore_2, row_process_create_2;
extern const struct bench_row row_process_destroy_2;

/* What Hyperlight's own benchmarks measure: at its sizes of the heap, ... */
enum { REF_HEAPS = 4 };
#define REF_ROWS(X) \
    X(create, "a sandbox from the image, an idle VM, init runs") \
    X(create_drop, "the same and its destroy") \
    X(from_snapshot, "a clone, an idle VM; its first call puts its memory in place") \
    X(call, "echo of a short string") \
    X(call_restore, "the same and a restore") \
    X(restore, "restore after such a call") \
    X(take, "snapshot after such a call") \
    X(save, "save of a snapshot to a file in memory") \
    X(load, "load of it, with all checks") \
    X(cold_image, "open of an image, sandbox, first call; no idle VM, but others live") \
    X(cold_file, "load of a snapshot file, clone, first call; no idle VM, but others live")
#define REF_DECLARE(id, what) extern const struct bench_row row_ref_##id[REF_HEAPS];
REF_ROWS(REF_DECLARE)
/* ... and those that have nothing to do with it. */
extern const struct bench_row row_ref_call_host, row_ref_call_thread, row_ref_interrupt;
extern const struct bench_row row_ref_24k_8k, row_ref_params_100m;
extern const struct bench_row row_ref_encode, row_ref_decode;

#endif
