/* SPDX-License-Identifier: Apache-2.0 */
/* bench: measures the library against floors taken in the same run. */
#define _DEFAULT_SOURCE
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "compare.h"
#include "report.h"
#include "rows.h"

#define REF_POINTERS(id, what) \
    &row_ref_##id[0], &row_ref_##id[1], &row_ref_##id[2], &row_ref_##id[3],

static const struct bench_row *const all_rows[] = {
    &row_floor_exit, &row_floor_vm, &row_floor_vm_beside, &row_floor_vm_close, &row_call_overhead,
    &row_call_overhead_deadline, &row_call_overhead_easy, &row_call, &row_call_4k, &row_call_24k_8k,
    &row_call_host, &row_create_first_call, &row_create_cold_call, &row_destroy, &row_cancel,
    &row_restore_1, &row_restore_16, &row_restore_256, &row_restore_1000, &row_restore_16_call,
    &row_restore_16_cold, &row_create_from_call, &row_create_from_other_call,
    &row_create_from_other_16m_call, &row_create_from_nocache_call, &row_destroy_cached,
    &row_snapshot_take, &row_take_256, &row_create_1g, &row_restore_1g, &row_take_1g,
    &row_create_1g_cold, &row_clone_rss, &row_call_1000, &row_scale_2, &row_arg_100m,
    &row_load_file, &row_save_file, &row_ref_call_host, &row_ref_call_thread, &row_ref_interrupt,
    &row_ref_24k_8k, &row_ref_params_100m, &row_ref_encode, &row_ref_decode, &row_process_call,
    &row_process_restore, &row_process_create, &row_process_create_1g, &row_process_destroy,
    &row_process_call_2, &row_process_restore_2, &row_process_create_2, &row_process_destroy_2,
    /* clang-format off */
    REF_ROWS(REF_POINTERS)
    /* clang-format on */
};

enum { ROWS = sizeof(all_rows) / sizeof(all_rows[0]) };

struct options {
    struct bench bench;
    const char *rows;   /* "a,b"; NULL: all */
    const char *filter; /* a part of their names; NULL: all */
    const char *json;
    const char *compare; /* results of an earlier run; NULL: none */
};

static const char usage[] =
    "usage: bench [--rows a,b] [--filter PART] [--seconds S] [--json PATH]\n"
    "             [--compare OLD.json] [--verbose] [GUEST]\n"
    "  --rows     only these rows; default all\n"
    "  --filter   only rows with this in their names\n"
    "  --seconds  measured time of each row; default 3\n"
    "  --json     where the results go; default build/bench.json\n"
    "  --compare  beside the table, each row against an earlier run's\n"
    "  --verbose  floor_vm step by step\n"
    "  GUEST      guest image; default ../guests/bench_guest beside this program\n"
    "rows:\n";

static int print_usage(void)
{
    fputs(usage, stderr);
    for (size_t i = 0; i < ROWS; i++)
        fprintf(stderr, "  %-29s  %s\n", all_rows[i]->name, all_rows[i]->what);
    return 2;
}

static bool parse_seconds(double *seconds, const char *text)
{
    char *end;

    *seconds = strtod(text, &end);
    return end != text && *end == '\0' && *seconds > 0 && *seconds <= 3600;
}

static bool parse_value(struct options *options, const char *name, const char *value)
{
    if (strcmp(name, "--rows") == 0)
        options->rows = value;
    else if (strcmp(name, "--json") == 0)
        options->json = value;
    else if (strcmp(name, "--filter") == 0)
        options->filter = value;
    else if (strcmp(name, "--compare") == 0)
        options->compare = value;
    else if (strcmp(name, "--seconds") == 0)
        return parse_seconds(&options->bench.seconds, value);
    else
        return false;
    return true;
}

static bool parse(struct options *options, int argc, char **argv)
{
    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "--verbose") == 0) {
            options->bench.verbose = true;
        } else if (argv[i][0] != '-') {
            options->bench.guest = argv[i];
        } else if (i + 1 < argc && parse_value(options, argv[i], argv[i + 1])) {
            i++;
        } else {
            return false;
        }
    }
    return true;
}

/* The guest is built into the directory beside the program's own. */
static bool find_guest(char *path, size_t size)
{
    static const char beside[] = "/../guests/bench_guest";
    ssize_t length = readlink("/proc/self/exe", path, size);
    char *slash;

    if (length <= 0 || (size_t)length >= size)
        return false;
    path[length] = '\0';
    slash = strrchr(path, '/');
    if (!slash || (size_t)(slash - path) + sizeof(beside) > size)
        return false;
    memcpy(slash, beside, sizeof(beside));
    return true;
}

/* The length of the list's first name. */
static size_t name_length(const char *list)
{
    return strcspn(list, ",");
}

static bool wanted(const struct bench_row *row, const char *list)
{
    while (list) {
        size_t length = name_length(list);

        if (length == strlen(row->name) && memcmp(list, row->name, length) == 0)
            return true;
        list = list[length] ? list + length + 1 : NULL;
    }
    return false;
}

static bool known_rows(const char *list)
{
    while (list) {
        size_t length = name_length(list), i = 0;

        while (i < ROWS && (strlen(all_rows[i]->name) != length ||
                            memcmp(all_rows[i]->name, list, length) != 0))
            i++;
        if (i == ROWS) {
            fprintf(stderr, "bench: no row is named \"%.*s\"\n", (int)length, list);
            return false;
        }
        list = list[length] ? list + length + 1 : NULL;
    }
    return true;
}

static bool measure(struct result *result, struct bench bench, const struct bench_row *row)
{
    struct samples op = {0}, floor = {0};
    hl_error err = {0};
    bool ok;

    fprintf(stderr, "bench: %s ...", row->name);
    bench.param = row->param;
    ok = row->run(&bench, &op, &floor, &err);
    if (ok)
        fprintf(stderr, " %zu samples\n", op.count);
    else
        fprintf(stderr, " failed: %s\n", err.text);
    *result = (struct result){row, samples_summary(&op), samples_summary(&floor)};
    samples_free(&op);
    samples_free(&floor);
    return ok;
}

/* Returns how many rows could be measured; those lead results. */
static size_t measure_all(struct result results[ROWS], const struct options *options, bool *failed)
{
    size_t count = 0;

    for (size_t i = 0; i < ROWS; i++) {
        if (options->rows && !wanted(all_rows[i], options->rows))
            continue;
        if (options->filter && !strstr(all_rows[i]->name, options->filter))
            continue;
        if (measure(&results[count], options->bench, all_rows[i]))
            count++;
        else
            *failed = true;
    }
    return count;
}

int main(int argc, char **argv)
{
    struct options options = {
        .bench = {.seconds = 3},
        .json = "build/bench.json",
    };
    struct result results[ROWS];
    char guest[4096] = "";
    bool failed = false;
    hl_error err;
    size_t count;

    if (!parse(&options, argc, argv) || !known_rows(options.rows))
        return print_usage();
    if (!options.bench.guest) {
        if (!find_guest(guest, sizeof(guest)))
            return print_usage();
        options.bench.guest = guest;
    }
    count = measure_all(results, &options, &failed);
    report_table(stdout, results, count);
    if (options.compare && !compare_print(stdout, options.compare, results, count, &err)) {
        fprintf(stderr, "bench: %s\n", err.text);
        failed = true;
    }
    if (!report_json(options.json, results, count, &err)) {
        fprintf(stderr, "bench: %s\n", err.text);
        failed = true;
    }
    return failed ? 1 : 0;
}
