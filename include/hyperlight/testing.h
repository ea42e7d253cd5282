/* SPDX-License-Identifier: Apache-2.0 */
/* For tests of programs that run guests: libhyperlight_test. */
#ifndef HYPERLIGHT_TESTING_H
#define HYPERLIGHT_TESTING_H

#include <hyperlight/hyperlight.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Finds the image of a guest: NAME in $HYPERLIGHT_GUESTS; or in a folder guests/
 * beside the program, up to two folders above it, or in the working folder.
 * false: it is in none of them, or size is too small; path is then "". */
bool hl_test_guest(char *path, size_t size, const char *name);

/* Text that grows; begin with {NULL, 0}. One thread at a time. */
typedef struct hl_test_text {
    char *text; /* NUL-terminated; NULL while there is none */
    size_t len;
} hl_test_text;
void hl_test_text_free(hl_test_text *text); /* empty again */

/* For a host table: what the guest prints is appended to `to`. */
hl_host_function hl_test_prints(hl_test_text *to);

/* For hl_config.log, with a hl_test_text in log_user: each record appends a
 * line, "warn guest.c:7: text". Bytes are as the guest chose them. */
void hl_test_log(void *to, const hl_log_record *record);

/* Runs body(user) in a child process, so that a crash or an endless loop fails
 * one test alone. After `seconds` it gets SIGALRM. Returns its exit status, 0
 * if body returned; 128 + N after signal N; HL_TEST_NO_CHILD if none could be
 * made. What is for the exit of the parent (atexit) the child does not run, but
 * under the thread and memory sanitizers. A sandbox is made and used on one side
 * only. */
enum { HL_TEST_NO_CHILD = -1 };
int hl_test_child(void (*body)(void *user), void *user, unsigned seconds);

#ifdef __cplusplus
}
#endif
#endif
