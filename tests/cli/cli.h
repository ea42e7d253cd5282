/* SPDX-License-Identifier: Apache-2.0 */
/* Runs the command hyperlight and looks at what came of it. */
#ifndef HL_TESTS_CLI_H
#define HL_TESTS_CLI_H

#include "test.h"

struct cli {
    int status; /* exit status; 128 + N after signal N */
    char out[64 << 10], err[16 << 10];
};
/* Arguments behind the program's name, ended by NULL; SIMPLE and HELLO stand
 * for the paths of these guests. With HL_TEST_HYPERVISOR=process, call and
 * snapshot have --hypervisor process in front. Overwrites what it returned before. */
const struct cli *cli_run(const char *const args[]);
#define CLI(...) cli_run((const char *const[]){__VA_ARGS__, NULL})
/* For a test that runs it itself: program and arguments, as cli_run has them. */
enum { CLI_WORDS = 32 };
void cli_words(const char *words[CLI_WORDS], const char *const args[]);

/* The path of the command; skips without the hypervisor of this run, KVM unless
 * it is asked for another; if that is another; without processes. Behind the
 * last the test itself chooses the hypervisor. */
const char *cli_program(void);
const char *cli_hypervisor(void); /* "kvm", "process" */
void cli_need_hypervisor(void);
void cli_need_kvm(void);
void cli_need_process(void);

/* From here on the test has mounts of its own, and /dev is empty. Skips where
 * that takes more rights than it has. */
void cli_own_mounts(void);
void cli_without_devices(void);
/* Most seconds of processor time for each run; 0, as at first: any. */
extern unsigned cli_seconds;

/* One invocation and what must come of it: all of standard output (NULL: any),
 * a part of standard error ("": it must be empty). */
struct cli_row {
    int status;
    const char *out, *err;
    const char *args[24];
};
void cli_check(const struct cli_row rows[], size_t count);
#define CLI_CHECK(...) \
    do { \
        const struct cli_row rows_[] = {__VA_ARGS__}; \
        cli_check(rows_, sizeof rows_ / sizeof *rows_); \
    } while (0)

/* What comes with --json: the exit status, and one object with an error of this
 * status whose text has `text`. */
struct cli_json_row {
    int status;
    const char *name, *text; /* "E_INVALID" */
    const char *args[24];
};
void cli_check_json(const struct cli_json_row rows[], size_t count);
#define CLI_CHECK_JSON(...) \
    do { \
        const struct cli_json_row rows_[] = {__VA_ARGS__}; \
        cli_check_json(rows_, sizeof rows_ / sizeof *rows_); \
    } while (0)

/* A path in a folder of the test's own, which goes with the test. The last four
 * paths live. */
const char *cli_file(const char *name);
void cli_write(const char *name, const void *bytes, size_t size);
/* Runs Python with the text as sys.argv[1]: the test fails unless it exits
 * with 0. For what JSON means, by a parser that is not ours. */
void cli_python(const char *program, const char *text);
#endif
