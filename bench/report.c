/* SPDX-License-Identifier: Apache-2.0 */
/* Prints results as an aligned table and writes them as a JSON array. */
#include "report.h"

#include <errno.h>
#include <string.h>

static double ratio(const struct result *result)
{
    return result->floor.q1 > 0 ? result->op.q1 / result->floor.q1 : 0;
}

static bool met(const struct result *result)
{
    const struct target *target = &result->row->target;

    switch (target->kind) {
    case TARGET_RATIO:
        return result->op.q1 <= target->limit * result->floor.q1;
    case TARGET_ADDED:
        return result->op.q1 <= target->limit + result->floor.q1;
    case TARGET_AT_MOST:
        return result->op.q1 <= target->limit;
    case TARGET_AT_LEAST:
        return result->op.median >= target->limit;
    case TARGET_P99_RATIO:
        return result->op.p99 <= target->limit * result->floor.p99;
    case TARGET_NONE:
        break;
    }
    return true;
}

static void format_target(char *text, size_t size, const struct result *result)
{
    const struct target *target = &result->row->target;

    switch (target->kind) {
    case TARGET_NONE:
        snprintf(text, size, "-");
        break;
    case TARGET_RATIO:
        snprintf(text, size, "ratio <= %.2f", target->limit);
        break;
    case TARGET_ADDED:
        snprintf(text, size, "<= floor + %g", target->limit);
        break;
    case TARGET_AT_MOST:
        snprintf(text, size, "<= %g", target->limit);
        break;
    case TARGET_AT_LEAST:
        snprintf(text, size, "median >= %g", target->limit);
        break;
    case TARGET_P99_RATIO:
        snprintf(text, size, "p99 <= %g x %.2f", target->limit, result->floor.p99);
        break;
    }
}

static void print_row(FILE *out, const struct result *result)
{
    const struct bench_row *row = result->row;
    char target[48], floor[16] = "-", times[16] = "-";
    const char *ok = "-";

    format_target(target, sizeof(target), result);
    if (result->floor.count) {
        snprintf(floor, sizeof(floor), "%.2f", result->floor.q1);
        snprintf(times, sizeof(times), "%.3f", ratio(result));
    }
    if (row->target.kind != TARGET_NONE)
        ok = met(result) ? "yes" : "NO";
    fprintf(out, "%-26s %-4s %9.2f %9.2f %9.2f %9s %7s  %-20s %s\n", row->name, row->unit,
            result->op.q1, result->op.median, result->op.p99, floor, times, target, ok);
}

void report_table(FILE *out, const struct result results[], size_t count)
{
    fprintf(out, "%-26s %-4s %9s %9s %9s %9s %7s  %-20s %s\n", "name", "unit", "q1", "median",
            "p99", "floor", "ratio", "target", "ok?");
    for (size_t i = 0; i < count; i++)
        print_row(out, &results[i]);
}

/* floor_p99 stands beside the agreed members because cancel is judged by it. */
static void write_result(FILE *file, const struct result *result, bool last)
{
    const struct bench_row *row = result->row;
    const struct summary *op = &result->op;

    fprintf(file,
            "  {\"name\": \"%s\", \"what\": \"%s\", \"unit\": \"%s\", \"median\": %.3f, "
            "\"min\": %.3f, \"q1\": %.3f, \"p99\": %.3f, \"n\": %zu, ",
            row->name, row->what, row->unit, op->median, op->min, op->q1, op->p99, op->count);
    if (result->floor.count)
        fprintf(file,
                "\"floor_name\": \"%s\", \"floor\": %.3f, \"ratio\": %.4f, "
                "\"floor_p99\": %.3f}",
                row->floor_name, result->floor.q1, ratio(result), result->floor.p99);
    else
        fprintf(file, "\"floor_name\": null, \"floor\": null, \"ratio\": null, "
                      "\"floor_p99\": null}");
    fprintf(file, "%s\n", last ? "" : ",");
}

bool report_json(const char *path, const struct result results[], size_t count, hl_error *err)
{
    FILE *file = fopen(path, "w");
    bool written;

    if (!file)
        return bench_fail(err, "%s: cannot write: %s", path, strerror(errno));
    fprintf(file, "[\n");
    for (size_t i = 0; i < count; i++)
        write_result(file, &results[i], i + 1 == count);
    fprintf(file, "]\n");
    written = !ferror(file);
    if (fclose(file) != 0 || !written)
        return bench_fail(err, "%s: cannot write: %s", path, strerror(errno));
    return true;
}
