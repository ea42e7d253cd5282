/* SPDX-License-Identifier: Apache-2.0 */
/* Runs a test program's tests, each in its own process with a time-out. */
#include "test.h"

#include <errno.h>
#include <hyperlight/testing.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

enum { EXIT_OK = 0, EXIT_FAILED = 99, EXIT_SKIPPED = 77 };
enum { FULL_TIMES = 20 }; /* as long may a long version take */

static struct test_entry *first, **last = &first;
static const char *current = "?";
static char program[4096];

void test_add(struct test_entry *entry)
{
    *last = entry;
    last = &entry->next;
}

static void report(const char *verdict, const char *format, va_list args)
{
    printf("%s %s - ", verdict, current);
    vprintf(format, args);
    putchar('\n');
    fflush(stdout);
}

void test_fail(const char *file, int line, const char *format, ...)
{
    char why[2048];
    va_list args;

    snprintf(why, sizeof why, "%s:%d: %s", file, line, format);
    va_start(args, format);
    report("not ok", why, args);
    va_end(args);
    _exit(EXIT_FAILED);
}

void test_skip(const char *format, ...)
{
    va_list args;

    va_start(args, format);
    report("skip", format, args);
    va_end(args);
    _exit(EXIT_SKIPPED);
}

bool test_full(void)
{
    const char *full = getenv("HL_TEST_FULL");

    return full && *full == '1';
}

const char *test_guest(const char *name)
{
    static char path[sizeof program + 300];
    char *slash = strrchr(program, '/');

    snprintf(path, sizeof path, "%.*s/../../guests/%s", slash ? (int)(slash - program) : 1,
             slash ? program : ".", name);
    if (access(path, R_OK))
        snprintf(path, sizeof path, "guests/%s", name);
    return path;
}

static void run_body(void *test)
{
    ((const struct test_entry *)test)->body();
}

/* The exit status of one test, run in a child; what the child could not report
 * itself is reported here. */
static int run(struct test_entry *test)
{
    const unsigned seconds = test->seconds * (test_full() ? FULL_TIMES : 1);
    const int code = hl_test_child(run_body, test, seconds);

    if (code == EXIT_OK || code == EXIT_FAILED || code == EXIT_SKIPPED)
        return code;
    if (code == HL_TEST_NO_CHILD)
        printf("not ok %s - no process: %s\n", test->name, strerror(errno));
    else if (code == 128 + SIGALRM)
        printf("not ok %s - not done after %u s\n", test->name, seconds);
    else if (code > 128)
        printf("not ok %s - died of signal %d\n", test->name, code - 128);
    else
        printf("not ok %s - exit status %d\n", test->name, code);
    return EXIT_FAILED;
}

static int list(void)
{
    const struct test_entry *test;

    for (test = first; test; test = test->next)
        puts(test->name);
    return 0;
}

/* Do the options leave this test in? */
static bool wanted(const char *name, int argc, char **argv)
{
    int i;

    for (i = 1; i < argc - 1; i++)
        if ((!strcmp(argv[i], "--only") && !strstr(name, argv[i + 1])) ||
            (!strcmp(argv[i], "--skip") && strstr(name, argv[i + 1])))
            return false;
    return true;
}

int main(int argc, char **argv)
{
    unsigned counts[3] = {0, 0, 0}; /* passed, failed, skipped */
    struct test_entry *test;
    int i, code;

    setvbuf(stdout, NULL, _IOLBF, 0);
    snprintf(program, sizeof program, "%s", argv[0]);
    for (i = 1; i < argc; i++)
        if (!strcmp(argv[i], "--list"))
            return list();
    for (test = first; test; test = test->next) {
        if (!wanted(test->name, argc, argv))
            continue;
        current = test->name;
        code = run(test);
        if (code == EXIT_OK)
            printf("ok %s\n", test->name);
        counts[code == EXIT_OK ? 0 : code == EXIT_SKIPPED ? 2 : 1]++;
    }
    printf("%u passed, %u failed, %u skipped\n", counts[0], counts[1], counts[2]);
    return counts[1] != 0;
}
