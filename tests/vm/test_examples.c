/* SPDX-License-Identifier: Apache-2.0 */
/* Each example prints what its folder says. */
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include "vm.h"

static void read_all(char *out, size_t size, FILE *file)
{
    CHECK(file);
    out[fread(out, 1, size - 1, file)] = '\0';
    fclose(file);
}

/* Its standard output; the exit status must be 0. */
static void run(char *out, size_t size, const char *program, const char *guest)
{
    int fds[2], status;
    pid_t child;

    CHECK_INT(pipe(fds), 0);
    child = fork();
    if (!child) {
        dup2(fds[1], 1);
        close(fds[0]);
        close(fds[1]);
        execl(program, program, guest, (char *)NULL);
        _exit(127);
    }
    close(fds[1]);
    read_all(out, size, fdopen(fds[0], "r"));
    CHECK_INT(waitpid(child, &status, 0), child);
    if (status)
        FAIL("%s: status %d, output \"%s\"", program, status, out);
}

static void check_example(const char *name)
{
    char program[512], expected[512], found[1024], wanted[1024];
    const char *guest = test_guest(name);
    hl_error err;

    if (hl_hypervisor_probe(HL_HYPERVISOR_ANY, &err))
        test_skip("%s", err.text);
    snprintf(program, sizeof program, "%.*s../examples/%s/%s",
             (int)(strrchr(guest, '/') + 1 - guest), guest, name, name);
    if (access(program, X_OK))
        test_skip("%s is not here", program);
    snprintf(expected, sizeof expected, "%s/examples/%s/expected.txt", HL_SOURCE_DIR, name);
    read_all(wanted, sizeof wanted, fopen(expected, "r"));
    run(found, sizeof found, program, guest);
    CHECK_STR(found, wanted);
}

TEST(example_hello)
{
    check_example("hello");
}

TEST(example_requests)
{
    check_example("requests");
}

TEST(example_clones)
{
    check_example("clones");
}
