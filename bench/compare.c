/* SPDX-License-Identifier: Apache-2.0 */
/* Compares two runs row by row, so that a change can be judged on a noisy machine. */
#include "compare.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

struct old_row {
    char name[64];
    double q1, ratio; /* ratio 0: it had no floor */
};

/* The number behind "key": in a line of our JSON; 0 if it is null. */
static double number(const char *line, const char *key)
{
    const char *at = strstr(line, key);

    return at ? strtod(at + strlen(key), NULL) : 0;
}

static bool parse(struct old_row *row, const char *line)
{
    if (sscanf(line, " {\"name\": \"%63[^\"]\"", row->name) != 1)
        return false;
    row->q1 = number(line, "\"q1\": ");
    row->ratio = number(line, "\"ratio\": ");
    return true;
}

static void print(FILE *out, const struct old_row *old, const struct result *result)
{
    const bool floor = result->floor.count && result->floor.q1 > 0 && old->ratio > 0;
    const double now = floor ? result->op.q1 / result->floor.q1 : result->op.q1;
    const double before = floor ? old->ratio : old->q1;

    fprintf(out, "%-26s %-12s %9.3f -> %9.3f  %+6.1f %%\n", old->name,
            floor ? "ratio" : result->row->unit, before, now,
            before > 0 ? 100 * (now / before - 1) : 0);
}

bool compare_print(FILE *out, const char *path, const struct result results[], size_t count,
                   hl_error *err)
{
    FILE *file = fopen(path, "r");
    struct old_row old;
    char line[1024];

    if (!file)
        return bench_fail(err, "%s: cannot read: %s", path, strerror(errno));
    while (fgets(line, sizeof(line), file))
        for (size_t i = 0; parse(&old, line) && i < count; i++)
            if (strcmp(old.name, results[i].row->name) == 0)
                print(out, &old, &results[i]);
    fclose(file);
    return true;
}
