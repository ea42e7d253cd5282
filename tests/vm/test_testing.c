/* SPDX-License-Identifier: Apache-2.0 */
/* The test-support library, which embedders have: hyperlight/testing.h. */
#include <hyperlight/testing.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "vm.h"

TEST(testing_finds_guests)
{
    char path[4096], folder[] = "/tmp/hl-testing-XXXXXX", file[64];

    CHECK(!hl_test_guest(path, sizeof path, "no-such-guest") && !*path);
    CHECK(mkdtemp(folder));
    snprintf(file, sizeof file, "%s/no-such-guest", folder);
    CHECK(!fclose(fopen(file, "w")) && !setenv("HYPERLIGHT_GUESTS", folder, 1));
    CHECK(hl_test_guest(path, sizeof path, "no-such-guest"));
    CHECK_STR(path, file);
    CHECK(!hl_test_guest(path, strlen(file), "no-such-guest") && !*path);
    CHECK(!unlink(file) && !rmdir(folder));
    CHECK(!hl_test_guest(path, sizeof path, "") && !*path); /* the folder */
    /* Those of this build, two folders above this program. */
    CHECK(hl_test_guest(path, sizeof path, "simple"));
    CHECK_HAS(path, "guests/simple");
}

TEST(testing_catches_prints)
{
    hl_test_text prints = {NULL, 0};
    const hl_host_function table[] = {hl_test_prints(&prints)};
    hl_host *host = vm_host(table, 1);
    hl_sandbox *box = vm_box("simple", host, NULL);

    CHECK_INT(vm_call(box, "Print", ARGS(hl_str("one\n"))).as.i32, 4);
    CHECK_INT(vm_call(box, "Print", ARGS(hl_str("\x1b two"))).as.i32, 5);
    CHECK_STR(prints.text, "one\n\x1b two");
    CHECK_INT(prints.len, 9);
    hl_test_text_free(&prints);
    CHECK(!prints.text && !prints.len);
    hl_sandbox_destroy(box);
    hl_host_release(host);
}

TEST(testing_catches_logs)
{
    hl_test_text lines = {NULL, 0};
    const hl_config config = {.struct_size = sizeof config,
                              .log = hl_test_log,
                              .log_user = &lines,
                              .log_level = HL_LEVEL_INFO};
    hl_sandbox *box = vm_box("simple", NULL, &config);

    vm_call(box, "Log", ARGS(hl_u32(HL_LEVEL_WARN), hl_str("a")));
    vm_call(box, "Log", ARGS(hl_u32(HL_LEVEL_DEBUG), hl_str("not this")));
    vm_call(box, "Log", ARGS(hl_u32(HL_LEVEL_INFO), hl_str("b")));
    CHECK_STR(lines.text, "warn simple.c:7: a\ninfo simple.c:7: b\n");
    hl_test_text_free(&lines);
    hl_sandbox_destroy(box);
}

static void leave(void *user)
{
    if (*(int *)user >= 0)
        exit(*(int *)user);
}

static void spin(void *user)
{
    for (;;)
        *(volatile int *)user = 1;
}

static void crash(void *user)
{
    (void)user;
    raise(SIGKILL);
}

TEST(testing_runs_children)
{
    int status = -1;

    CHECK_INT(hl_test_child(leave, &status, 60), 0);
    status = 42;
    CHECK_INT(hl_test_child(leave, &status, 60), 42);
    CHECK_INT(hl_test_child(crash, NULL, 60), 128 + SIGKILL);
    CHECK_INT(hl_test_child(spin, &status, 1), 128 + SIGALRM);
    CHECK_INT(status, 42);
}

static int told[2]; /* who has been there: a letter each */

static void tell(const char *who)
{
    CHECK_INT(write(told[1], who, 1), 1);
}

static void at_exit_of_parent(void)
{
    tell("p");
}

static void at_exit_of_child(void)
{
    tell("c");
}

static void end(void *user)
{
    CHECK(!atexit(at_exit_of_child) && dup2(told[1], 1) == 1);
    printf("b"); /* it is in a buffer */
    if (user)
        exit(3);
}

/* It removes the parent's files, perhaps. */
TEST(testing_leaves_the_exit_of_the_parent_alone)
{
    char found[8] = "";
    int status = 0;

#ifdef __SANITIZE_THREAD__
    test_skip("its exit status comes from the last of the handlers");
#endif
    CHECK(!pipe(told) && !atexit(at_exit_of_parent));
    CHECK_INT(setvbuf(stdout, NULL, _IOFBF, BUFSIZ), 0);
    CHECK_INT(hl_test_child(end, NULL, 60), 0);
    CHECK_INT(hl_test_child(end, &status, 60), 3);
    CHECK_INT(read(told[0], found, sizeof found - 1), 4);
    CHECK_STR(found, "cbcb");
}

static void ring(void *user)
{
    (void)user;
    raise(SIGALRM);
}

/* A parent that wants nothing of SIGALRM has children that end by it. */
TEST(testing_ends_children_of_deaf_parents)
{
    sigset_t set;

    signal(SIGALRM, SIG_IGN);
    sigemptyset(&set);
    sigaddset(&set, SIGALRM);
    CHECK_INT(sigprocmask(SIG_BLOCK, &set, NULL), 0);
    CHECK_INT(hl_test_child(ring, NULL, 60), 128 + SIGALRM);
}
