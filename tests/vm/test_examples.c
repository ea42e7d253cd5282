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

/* Its standard output; the exit status must be 0. args end with NULL. */
static void run(char *out, size_t size, const char *program, const char *const args[])
{
    int fds[2], status;
    pid_t child;

    CHECK_INT(pipe(fds), 0);
    child = fork();
    if (!child) {
        dup2(fds[1], 1);
        close(fds[0]);
        close(fds[1]);
        execv(program, (char *const *)(uintptr_t)args);
        _exit(127);
    }
    close(fds[1]);
    read_all(out, size, fdopen(fds[0], "r"));
    CHECK_INT(waitpid(child, &status, 0), child);
    if (status)
        FAIL("%s: status %d, output \"%s\"", program, status, out);
}

/* The program; the test is skipped where it is not, or finds no hypervisor. */
static void find(char program[512], const char *name)
{
    const char *guest = test_guest("hello"); /* for its folder */
    hl_error err;

    if (hl_hypervisor_probe(vm_hypervisor(), &err))
        test_skip("%s", err.text);
    snprintf(program, 512, "%.*s../examples/%s/%s", (int)(strrchr(guest, '/') + 1 - guest), guest,
             name, name);
    if (access(program, X_OK))
        test_skip("%s is not here", program);
}

static void check_output(const char *name, const char *found)
{
    char expected[512], wanted[4096];

    snprintf(expected, sizeof expected, "%s/examples/%s/expected.txt", HL_SOURCE_DIR, name);
    read_all(wanted, sizeof wanted, fopen(expected, "r"));
    if (hl_hypervisor_probe(HL_HYPERVISOR_KVM, NULL) && strstr(wanted, "hypervisor: kvm"))
        strcpy(strstr(wanted, "hypervisor: "),
               "hypervisor: process\n"
               "There is no usable hypervisor: the guest ran in a locked-down process, which is a "
               "weaker wall.\n");
    CHECK_STR(found, wanted);
}

static void check_example(const char *name)
{
    char program[512], found[4096];

    find(program, name);
    run(found, sizeof found, program, (const char *const[]){program, test_guest(name), NULL});
    check_output(name, found);
}

TEST(example_hello)
{
    check_example("hello");
}

TEST(example_types)
{
    check_example("types");
}

TEST(example_errors)
{
    check_example("errors");
}

TEST(example_requests)
{
    check_example("requests");
}

TEST(example_files)
{
    check_example("files");
}

TEST(example_clones)
{
    check_example("clones");
}

TEST(example_logging)
{
    check_example("logging");
}

TEST(example_threads)
{
    check_example("threads");
}

TEST(example_deadline)
{
    check_example("deadline");
}

/* What cannot be called cannot be stopped: nobody waits for that. */
TEST_LIMIT(example_deadline_of_a_guest_that_does_not_spin, 10)
{
    char program[512], command[5000], found[1024];

    find(program, "deadline");
    snprintf(command, sizeof command, "'%s' '%s' 2>&1; test $? = 1", program, test_guest("hello"));
    run(found, sizeof found, "/bin/sh", (const char *const[]){"sh", "-c", command, NULL});
    CHECK_HAS(found, "Spin, until somebody stops it: the guest exports no function Spin\n");
}

/* A folder of guests, good and bad. */
TEST(example_plugins)
{
    char program[512], folder[512], found[4096];

    find(program, "plugins");
    snprintf(folder, sizeof folder, "%.*s/guests", (int)(strrchr(program, '/') - program), program);
    run(found, sizeof found, program,
        (const char *const[]){program, "--allow-process", folder, NULL});
    check_output("plugins", found);
}

/* Two processes that share nothing but the file. */
TEST(example_save_load)
{
    char program[512], found[1024], file[] = "/tmp/hl-example-XXXXXX";
    const int fd = (find(program, "save_load"), mkstemp(file));

    CHECK(fd >= 0 && !close(fd));
    run(found, sizeof found, program,
        (const char *const[]){program, "save", test_guest("save_load"), file, NULL});
    run(found + strlen(found), sizeof found - strlen(found), program,
        (const char *const[]){program, "start", file, NULL});
    CHECK_INT(unlink(file), 0);
    check_output("save_load", found);
}
