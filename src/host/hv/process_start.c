/* SPDX-License-Identifier: Apache-2.0 */
/* Starts tracers so that the application never hears of them. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <linux/futex.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "../error.h"
#include "process.h"
#include "process_fork.h"

extern const uint8_t process_image[], process_image_end[]; /* process/image.S */

enum { STACK_SIZE = 32768, MOMENT_NS = 50000000 };

void process_wake(uint32_t *word)
{
    syscall(SYS_futex, word, FUTEX_WAKE, 1, NULL, NULL, 0);
}

bool process_alive(const struct process_template *template)
{
    struct pollfd tracer = {template->tracer, POLLIN, 0};

    return template->tracer >= 0 && poll(&tracer, 1, 0) == 0;
}

bool process_sleep(const struct process_template *template, uint32_t *word)
{
    if (!atomic_load(&template->gone))
        syscall(SYS_futex, word, FUTEX_WAIT, 0, NULL, NULL, 0);
    return !atomic_load(&template->gone);
}

/* The same before anybody watches the tracer. */
static bool sleep_a_moment(const struct process_template *template, uint32_t *word)
{
    const struct timespec moment = {0, MOMENT_NS};

    if (syscall(SYS_futex, word, FUTEX_WAIT, 0, &moment, NULL, 0) < 0 && errno == ETIMEDOUT)
        return process_alive(template);
    return true;
}

hl_status process_shortage(hl_error *err, int error, const char *what)
{
    if (error != EAGAIN)
        return error_errno(err, error, what);
    return error_set(err, HL_E_MEMORY,
                     "%s: %s; is the number of processes limited (RLIMIT_NPROC, pids cgroup)?",
                     what, strerror(error));
}

/* ---- Its program ---------------------------------------------------------------- */

#ifndef MFD_EXEC
#define MFD_EXEC 0x10u /* Linux 6.3: even where memfds are not executable by default */
#endif

static hl_status make_program(os_share *out, hl_error *err)
{
    const size_t size = (size_t)(process_image_end - process_image);
    const unsigned flags = MFD_CLOEXEC | MFD_ALLOW_SEALING;
    int fd = memfd_create("hyperlight", flags | MFD_EXEC);
    hl_status status;

    if (fd < 0 && errno == EINVAL)
        fd = memfd_create("hyperlight", flags);
    if (fd < 0 && errno == EACCES)
        return error_set(err, HL_E_NO_HYPERVISOR,
                         "the tracer of guest processes is a program in memory, which the sysctl "
                         "vm.memfd_noexec forbids here: it is 2, wanted 0 or 1");
    if (fd < 0)
        return error_errno(err, errno, "memfd_create");
    *out = (os_share){fd, size, 0};
    status = os_share_write(out, process_image, size, 0, err);
    return status ? status : os_share_seal(out, NULL, err);
}

/* ---- Two steps away ------------------------------------------------------------------ */

/* An exec'd child sends SIGCHLD and shows up in the application's wait. So the
 * tracer is the child of a process that has ended: its parent is whoever reaps
 * orphans. */
struct spawn {
    const struct process_template *template;
    int program;
    int error;
    pid_t tracer;
    int pidfd;
    char control[12];
    _Alignas(16) uint8_t stacks[2][STACK_SIZE];
};

/* In the memory and the thread's state of the application, whose thread waits:
 * what a sanitizer notes there of functions that never return would be wrong. */
#define IN_HIS_PLACE __attribute__((no_sanitize("thread", "address")))

/* A child that runs `body`, which does not return, on that stack while this
 * thread waits; its pid or -1 with errno. Not the C library's clone: sanitizers
 * take that for a fork, and note it in memory that is not the child's alone. */
IN_HIS_PLACE static pid_t lend(uint64_t flags, struct spawn *with, int stack,
                               void (*body)(struct spawn *with))
{
    /* cppcheck-suppress constStatement ; it does not know variables in registers */
    register void *pidfd __asm__("rdx") = &with->pidfd;
    register uint64_t none __asm__("r10") = 0, neither __asm__("r8") = 0;
    register void (*run)(struct spawn *) __asm__("r12") = body;
    register struct spawn *arg __asm__("r13") = with;
    long pid;

    __asm__ volatile("syscall\n\t"
                     "test %%rax, %%rax\n\t"
                     "jnz 1f\n\t"
                     "mov %%r13, %%rdi\n\t"
                     "call *%%r12\n"
                     "1:"
                     : "=a"(pid)
                     : "a"(SYS_clone), "D"(flags | CLONE_VM | CLONE_VFORK),
                       "S"(with->stacks[stack] + STACK_SIZE), "r"(pidfd), "r"(none), "r"(neither),
                       "r"(run), "r"(arg)
                     : "rcx", "r11", "memory");
    if (pid < 0)
        errno = (int)-pid;
    return pid < 0 ? -1 : (pid_t)pid;
}

IN_HIS_PLACE static void pass(int fd)
{
    syscall(SYS_fcntl, fd, F_SETFD, 0);
}

IN_HIS_PLACE static void become_tracer(struct spawn *spawn)
{
    static char name[] = "hyperlight-tracer";
    const struct tracer_head *head = spawn->template->head;
    char *argv[] = {name, spawn->control, NULL}, *envp[] = {NULL};
    uint32_t i;

    pass((int)spawn->template->control.handle);
    pass(head->arena);
    pass(head->host);
    for (i = 0; i < head->share_count; i++)
        pass(head->shares[i]);
    syscall(SYS_execveat, spawn->program, "", argv, envp, AT_EMPTY_PATH);
    spawn->error = errno;
    syscall(SYS_exit, 1);
}

IN_HIS_PLACE static void between(struct spawn *spawn)
{
    spawn->tracer = lend(CLONE_PIDFD, spawn, 1, become_tracer);
    if (spawn->tracer < 0)
        spawn->error = errno;
    syscall(SYS_exit, 0);
}

static int two_steps(struct spawn *with)
{
    const pid_t middle = lend(CLONE_FILES, with, 0, between);

    if (middle < 0)
        return errno;
    while (waitpid(middle, NULL, __WALL) < 0 && errno == EINTR)
        ;
    return with->error;
}

/* Is this process whoever reaps its orphans? Then the above would show. */
static bool reaps_orphans(void)
{
    int subreaper = 0;

    return getpid() == 1 || (!prctl(PR_GET_CHILD_SUBREAPER, &subreaper, 0, 0, 0) && subreaper);
}

static int one_step(struct spawn *with)
{
    with->tracer = process_fork(&with->pidfd, process_image, with->control);
    return with->tracer < 0 ? errno : 0;
}

/* With every signal blocked: a handler would run in the application's memory
 * but in another process. */
static hl_status spawn(struct spawn *with, bool own, hl_error *err)
{
    sigset_t all, before;
    int error;

    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    error = own ? one_step(with) : two_steps(with);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    return error ? process_shortage(err, error, "starting the tracer of guest processes") : HL_OK;
}

static hl_status launch(struct process_template *template, hl_error *err)
{
    struct spawn *with = mmap(NULL, sizeof *with, PROT_READ | PROT_WRITE,
                              MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    os_share program = OS_SHARE_NONE;
    hl_status status;

    if (with == MAP_FAILED)
        return error_errno(err, errno, "a stack for the tracer of guest processes");
    with->template = template;
    with->pidfd = -1;
    snprintf(with->control, sizeof with->control, "%d", (int)template->control.handle);
    template->own = reaps_orphans();
    status = make_program(&program, err);
    with->program = (int)program.handle;
    if (!status)
        status = spawn(with, template->own, err);
    template->tracer = with->pidfd;
    template->tracer_pid = with->tracer;
    os_share_close(&program);
    munmap(with, sizeof *with);
    return status;
}

/* ---- Until it is ready ----------------------------------------------------------------- */

static hl_status refused(const struct process_template *template, hl_error *err)
{
    static const char *const where[] = {
        [TRACER_STARTING] = "the tracer ended while it started",
        [TRACER_READY] = "?",
        [TRACER_MEMORY] = "mapping guest memory in a process",
        [TRACER_FORK] = "making the template of guest processes",
        [TRACER_TRACE] = "tracing guest processes",
        [TRACER_FILTER] = "the system call filter of guest processes",
        [TRACER_INHERIT] = "keeping the template's memory from guest processes",
        [TRACER_LIMITS] = "limits of guest processes",
        [TRACER_LOST] = "the template of guest processes ended while it started",
    };
    const uint32_t state = template->head->state, known = sizeof where / sizeof where[0];
    const int error = template->head->error;
    const char *what = where[state < known ? state : TRACER_LOST];

    if (state == TRACER_TRACE)
        return error_set(err, HL_E_NO_HYPERVISOR,
                         "%s: %s; is ptrace forbidden here (a container's seccomp profile, or "
                         "/proc/sys/kernel/yama/ptrace_scope above 1)?",
                         what, strerror(error));
    if (error == ENOMEM || error == EAGAIN)
        return process_shortage(err, error, what);
    return error_set(err, HL_E_NO_HYPERVISOR, "%s%s%s", what, error ? ": " : "",
                     error ? strerror(error) : "");
}

hl_status process_start(struct process_template *template, hl_error *err)
{
    hl_status status = launch(template, err);
    uint32_t *state = &template->head->state;

    if (status)
        return status;
    while (!__atomic_load_n(state, __ATOMIC_SEQ_CST) && sleep_a_moment(template, state))
        ;
    return *state == TRACER_READY ? HL_OK : refused(template, err);
}

void process_end(struct process_template *template)
{
    struct pollfd tracer = {template->tracer, POLLIN, 0};

    if (template->tracer < 0)
        return;
    __atomic_store_n(&template->head->quit, 1, __ATOMIC_SEQ_CST);
    syscall(SYS_pidfd_send_signal, template->tracer, SIGUSR1, NULL, 0);
    while (poll(&tracer, 1, 10000) < 0 && errno == EINTR)
        ;
    if (template->own)
        while (waitpid(template->tracer_pid, NULL, __WALL) < 0 && errno == EINTR)
            ;
    close(template->tracer);
    template->tracer = -1;
}
