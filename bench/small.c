/* SPDX-License-Identifier: Apache-2.0 */
/* A small process for the floors: answers by itself, or by a child that it forks. */
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "small.h"

static void install_filter(void)
{
    enum { LENGTH = 101 };
    static struct sock_filter code[LENGTH];
    const struct sock_fprog program = {LENGTH, code};

    for (int i = 0; i < LENGTH - 1; i++)
        code[i] = (struct sock_filter)BPF_STMT(BPF_LD | BPF_W | BPF_ABS, 0);
    code[LENGTH - 1] = (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW);
    prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
    syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, &program);
}

static void answer_by_child(struct small *words)
{
    const long child = syscall(SYS_clone, SIGCHLD, 0, 0, 0, 0);

    if (!child) {
        install_filter();
        small_set(&words->answer);
        small_await(&words->done);
        _exit(0);
    }
    waitpid((pid_t)child, NULL, 0);
    small_set(&words->answer);
}

/* small FD p|q: the shared words, and which floor it is. */
int main(int argc, char **argv)
{
    struct small *words = argc == 3 ? mmap(NULL, sizeof(*words), PROT_READ | PROT_WRITE, MAP_SHARED,
                                           atoi(argv[1]), 0)
                                    : MAP_FAILED;

    if (words == MAP_FAILED)
        return 2;
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    for (;;) {
        small_await(&words->request);
        if (argv[2][0] == 'q')
            answer_by_child(words);
        else
            small_set(&words->answer);
    }
}
