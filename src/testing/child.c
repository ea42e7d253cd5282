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

int hl_test_child(void (*body)(void *user), void *user, unsigned seconds)
{
    int status;
    pid_t child;

    fflush(NULL); /* what is unwritten would be written twice */
    child = fork();
    if (child < 0)
        return HL_TEST_NO_CHILD;
    if (!child) {
        set_alarm(seconds);
        body(user);
        exit(0); /* not _exit: leak checkers look then */
    }
    while (waitpid(child, &status, 0) < 0)
        if (errno != EINTR)
            return HL_TEST_NO_CHILD;
    return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}
