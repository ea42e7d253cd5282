/* SPDX-License-Identifier: Apache-2.0 */
/* Runs a program as a machine without a hypervisor would:
 *   confine user|container|namespaces PROGRAM [ARGUMENT]... */
#include <errno.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sched.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#define SKIPPED "0 passed, 0 failed, 1 skipped\n"

/* A user without any privilege, now and later. */
static int user(void)
{
    int i;

    for (i = 0; i < 64; i++)
        prctl(PR_CAPBSET_DROP, i, 0, 0, 0);
    return prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) || setresgid(65534, 65534, 65534) ||
           setresuid(65534, 65534, 65534);
}

#define REFUSE(call, error) \
    BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_##call, 0, 1), \
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | (error))
enum { NEW_NAMESPACES = 0x7e020000 }; /* CLONE_NEWNS ... */

/* What the usual profile of containers refuses, as far as this backend could
 * come across it. */
static int container(void)
{
    struct sock_filter code[] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
        REFUSE(userfaultfd, EPERM),
        REFUSE(process_madvise, EPERM),
        REFUSE(pidfd_getfd, EPERM),
        REFUSE(unshare, EPERM),
        REFUSE(setns, EPERM),
        REFUSE(mount, EPERM),
        REFUSE(perf_event_open, EPERM),
        REFUSE(bpf, EPERM),
        REFUSE(keyctl, EPERM),
        REFUSE(clone3, ENOSYS),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_clone, 0, 3),
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, args)),
        BPF_JUMP(BPF_JMP | BPF_JSET | BPF_K, NEW_NAMESPACES, 0, 1),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | EPERM),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
    };
    const struct sock_fprog program = {sizeof code / sizeof code[0], code};

    return user() || prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program);
}

/* Namespaces of its own, in which it is not the first process; /proc is still
 * that of the others. */
static int namespaces(void)
{
    int status;
    pid_t child;

    if (unshare(CLONE_NEWUSER | CLONE_NEWPID | CLONE_NEWNET))
        return -1;
    child = fork();
    if (child <= 0)
        return child;
    while (waitpid(child, &status, 0) < 0 && errno == EINTR)
        ;
    _exit(WIFEXITED(status) ? WEXITSTATUS(status) : 1);
}

int main(int argc, char **argv)
{
    static const struct {
        const char *name;
        int (*enter)(void);
    } ways[] = {{"user", user}, {"container", container}, {"namespaces", namespaces}};
    size_t i;

    for (i = 0; argc > 2 && i < sizeof ways / sizeof ways[0]; i++) {
        if (strcmp(argv[1], ways[i].name))
            continue;
        if (ways[i].enter()) {
            printf("skip confine_%s - %s\n" SKIPPED, argv[1], strerror(errno));
            return 0;
        }
        execv(argv[2], argv + 2);
        perror(argv[2]);
        return 1;
    }
    fprintf(stderr, "usage: %s user|container|namespaces PROGRAM [ARGUMENT]...\n", argv[0]);
    return 2;
}
