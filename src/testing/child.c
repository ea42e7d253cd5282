/* SPDX-License-Identifier: Apache-2.0 */
/* Runs the body of a test in a process of its own. */
#include <errno.h>
#include <hyperlight/testing.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

/* SIGALRM ends the process, whatever its parent did with that signal. */
static void set_alarm(unsigned seconds)
{
    sigset_t set;

    signal(SIGALRM, SIG_DFL);
    sigemptyset(&set);
    sigaddset(&set, SIGALRM);
    sigprocmask(SIG_UNBLOCK, &set, NULL);
    alarm(seconds);
}

/* What others do at the exit of a program, if it is made with them. Their own
 * handlers are older than the child. */
extern void __lsan_do_leak_check(void) __attribute__((weak));
extern void __gcov_exit(void) __attribute__((weak)); /* gcc */
extern void __gcov_dump(void) __attribute__((weak)); /* clang */
extern void __llvm_profile_write_file(void) __attribute__((weak));
extern void __tsan_init(void) __attribute__((weak));
extern void __msan_init(void) __attribute__((weak));

/* Of all handlers the child's first, so it runs behind those that the body has
 * set, and ends the process before those of the parent, which are the parent's:
 * they remove its files, say. Only what two sanitizers have found becomes an exit
 * status nowhere but in their handlers. */
static void leave(int status, void *unused)
{
    (void)unused;
    if (__tsan_init || __msan_init)
        return;
    fflush(NULL);
    if (__gcov_exit)
        __gcov_exit();
    if (__gcov_dump)
        __gcov_dump();
    if (__llvm_profile_write_file)
        __llvm_profile_write_file();
    if (__lsan_do_leak_check)
        __lsan_do_leak_check();
    _exit(status);
}

int hl_test_child(void (*body)(void *user), void *user, unsigned seconds)
{
    int status;
    pid_t child;

    fflush(NULL); /* what is unwritten would be written twice */
    child = fork();
    if (child < 0)
        return HL_TEST_NO_CHILD;
    if (!child) {
        if (on_exit(leave, NULL))
            _exit(127);
        set_alarm(seconds);
        body(user);
        exit(0);
    }
    while (waitpid(child, &status, 0) < 0)
        if (errno != EINTR)
            return HL_TEST_NO_CHILD;
    return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}
