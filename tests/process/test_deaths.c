/* SPDX-License-Identifier: Apache-2.0 */
/* Host, tracer, template and child die in any order: the others go or are told. */
#include <dirent.h>
#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "process.h"
#include "vm/held.h"

/* ---- Theirs -------------------------------------------------------------------------- */

struct killer {
    pid_t victim;
};

static void *kill_soon(void *arg)
{
    usleep(100000);
    kill(((const struct killer *)arg)->victim, SIGKILL);
    return NULL;
}

/* Whoever waits for a guest is told. */
static void dies_in_a_call(pid_t (*whom)(const hl_sandbox *box), const char *text)
{
    hl_sandbox *box = process_box("escape", NULL);
    hl_snapshot *clean = process_take(box);
    const pid_t others[] = {process_tracer(box), process_template_of(box), process_child(box),
                            process_first(box)};
    struct killer killer = {whom(box)};
    pthread_t thread;
    int i;

    CHECK_INT(vm_call(box, "Count", NONE).as.u32, 1);
    CHECK(killer.victim > 0);
    CHECK(!pthread_create(&thread, NULL, kill_soon, &killer));
    vm_expect(HL_E_SYSTEM, text, box, "Spin", NONE, NULL);
    pthread_join(thread, NULL);
    CHECK_INT(hl_sandbox_state(box), HL_POISONED);
    for (i = 0; i < 4 && killer.victim != others[2]; i++)
        CHECK(!others[i] || process_is_gone(others[i])); /* but for those of a child */
    process_restore(box, clean);
    CHECK_INT(vm_call(box, "Count", NONE).as.u32, 1);
    hl_snapshot_release(clean);
    hl_sandbox_destroy(box);
}

TEST(deaths_of_a_child)
{
    dies_in_a_call(process_child, "the guest's process was ended by signal 9");
}

TEST(deaths_of_a_tracer)
{
    dies_in_a_call(process_tracer, "the tracer of guest processes was killed");
}

TEST(deaths_of_a_template)
{
    dies_in_a_call(process_template_of, "");
}

/* With one, its first process takes all others along; so something else does. */
static void without_namespaces(void)
{
    vm_refuse(SYS_unshare, 0, 0x10000000 /* CLONE_NEWUSER */, EPERM);
}

TEST(deaths_of_a_tracer_without_namespaces)
{
    without_namespaces();
    dies_in_a_call(process_tracer, "the tracer of guest processes was killed");
}

TEST(deaths_of_a_template_without_namespaces)
{
    without_namespaces();
    dies_in_a_call(process_template_of, "");
}

TEST(deaths_of_the_first_of_a_namespace)
{
    hl_sandbox *box = process_box("escape", NULL);

    if (!process_first(box))
        test_skip("no namespaces here");
    hl_sandbox_destroy(box);
    dies_in_a_call(process_first, "");
}

/* Between calls, too. */
static void dies_between_calls(pid_t (*whom)(const hl_sandbox *box))
{
    hl_sandbox *box = process_box("escape", NULL);
    hl_snapshot *clean = process_take(box), *none;
    hl_error err;

    CHECK_INT(vm_call(box, "Count", NONE).as.u32, 1);
    CHECK_INT(kill(whom(box), SIGKILL), 0);
    usleep(100000);
    CHECK_INT(hl_snapshot_take(&none, box, &err), HL_E_SYSTEM);
    CHECK(!none);
    vm_expect(HL_E_SYSTEM, NULL, box, "Count", NONE, NULL);
    process_restore(box, clean);
    CHECK_INT(vm_call(box, "Count", NONE).as.u32, 1);
    hl_snapshot_release(clean);
    hl_sandbox_destroy(box);
}

TEST(deaths_of_a_child_between_calls)
{
    dies_between_calls(process_child);
}

TEST(deaths_of_a_tracer_between_calls)
{
    dies_between_calls(process_tracer);
}

TEST(deaths_of_a_template_between_calls)
{
    dies_between_calls(process_template_of);
}

/* ---- The host's --------------------------------------------------------------------------- */

static void host_dies(void)
{
    pid_t pids[4] = {0}, host;
    hl_sandbox *box;
    int fds[2], i;

    CHECK(!pipe(fds));
    host = fork();
    if (!host) {
        box = process_box("escape", NULL);
        pids[0] = process_tracer(box);
        pids[1] = process_template_of(box);
        pids[2] = process_child(box);
        pids[3] = process_first(box);
        if (write(fds[1], pids, sizeof pids) != sizeof pids)
            _exit(1);
        hl_sandbox_call(NULL, box, "Spin", NONE, NULL);
        _exit(1);
    }
    close(fds[1]);
    if (read(fds[0], pids, sizeof pids) != sizeof pids)
        test_skip("no sandbox could be made");
    usleep(50000);
    CHECK_INT(kill(host, SIGKILL), 0);
    CHECK_INT(waitpid(host, NULL, 0), host);
    for (i = 0; i < 4; i++)
        CHECK(!pids[i] || process_is_gone(pids[i]));
}

TEST(deaths_of_the_host)
{
    host_dies();
}

TEST(deaths_of_the_host_without_namespaces)
{
    without_namespaces();
    host_dies();
}

/* ---- In any order ------------------------------------------------------------------------ */

/* Killed one after the other, at once or not: who is left is told, and of none
 * of them is anything left. */
TEST(deaths_in_any_order)
{
    static const int orders[6][3] = {{0, 1, 2}, {0, 2, 1}, {1, 0, 2},
                                     {1, 2, 0}, {2, 0, 1}, {2, 1, 0}};
    const hl_config config = {.struct_size = sizeof config, .heap_size = 3 << 20};
    hl_sandbox *box, *keeper; /* of the thread that watches them all */
    struct held before;
    int i, k, shared;
    pid_t pids[4];

    hl_cache_limit(0);
    keeper = process_box("escape", &config);
    before = held_now();
    shared = held_mappings("memfd:");
    for (i = 0; i < 12; i++) {
        box = process_box("escape", NULL);
        pids[0] = process_tracer(box);
        pids[1] = process_template_of(box);
        pids[2] = process_child(box);
        pids[3] = process_first(box);
        for (k = 0; k < 3; k++) {
            kill(pids[orders[i % 6][k]], SIGKILL); /* it may be gone with the one before */
            if (i >= 6)
                usleep(20000);
        }
        vm_expect(HL_E_SYSTEM, NULL, box, "Count", NONE, NULL);
        hl_sandbox_destroy(box);
        for (k = 0; k < 4; k++)
            CHECK(!pids[k] || process_is_gone(pids[k]));
    }
    CHECK_INT(vm_call(keeper, "Count", NONE).as.u32, 1);
    held_check(&before);
    CHECK_INT(held_mappings("memfd:"), shared);
    hl_sandbox_destroy(keeper);
}

/* ---- What the application sees of them: nothing -------------------------------------------- */

static volatile sig_atomic_t told;

static void on_child(int number)
{
    (void)number;
    told++;
}

static void unseen(void)
{
    hl_sandbox *box;
    pid_t pids[4];
    int i;

    signal(SIGCHLD, on_child);
    box = process_box("escape", NULL);
    for (i = 0; i < 3; i++) {
        vm_expect(HL_E_FAULT, NULL, box, "ReadByte", ARGS(hl_u64(0)), NULL);
        hl_sandbox_destroy(box);
        box = process_box("escape", NULL);
    }
    CHECK_INT(waitpid(-1, NULL, WNOHANG), -1);
    CHECK_INT(errno, ECHILD);
    pids[0] = process_tracer(box);
    pids[1] = process_template_of(box);
    pids[2] = process_child(box);
    pids[3] = process_first(box);
    hl_sandbox_destroy(box);
    hl_cache_trim(0);
    for (i = 0; i < 4; i++)
        CHECK(!pids[i] || process_is_gone(pids[i]));
    CHECK_INT(waitpid(-1, NULL, WNOHANG | __WALL), -1);
    CHECK_INT(errno, ECHILD);
    CHECK_INT(told, 0);
}

TEST(deaths_are_unseen_by_the_application)
{
    unseen();
}

TEST(deaths_are_unseen_by_a_subreaper)
{
    process_subreaper();
    unseen();
}

/* As in a container: it is whoever reaps orphans, and the /proc of its namespace
 * shows no process but it at the end. */
TEST(deaths_are_unseen_by_process_1)
{
    int status, pid, others = 0;
    struct dirent *entry;
    hl_error err;
    pid_t child;
    DIR *proc;

    if (hl_hypervisor_probe(HL_HYPERVISOR_PROCESS, &err))
        test_skip("%s", err.text);
    if (unshare(CLONE_NEWPID | CLONE_NEWNS))
        test_skip("namespaces: %s", strerror(errno));
    child = fork();
    if (child) {
        CHECK_INT(waitpid(child, &status, 0), child);
        _exit(WIFEXITED(status) ? WEXITSTATUS(status) : 1);
    }
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    CHECK_INT(getpid(), 1);
    if (mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL) ||
        mount("proc", "/proc", "proc", 0, NULL))
        test_skip("/proc: %s", strerror(errno));
    if (hl_hypervisor_probe(HL_HYPERVISOR_PROCESS, &err))
        FAIL("as process 1: %s", err.text);
    unseen();
    proc = opendir("/proc");
    CHECK(proc);
    while ((entry = readdir(proc)))
        others += sscanf(entry->d_name, "%d", &pid) == 1 && pid != 1;
    closedir(proc);
    CHECK_INT(others, 0);
}

TEST(deaths_where_children_are_ignored)
{
    hl_sandbox *box;

    signal(SIGCHLD, SIG_IGN); /* inherited by what is exec'd */
    box = process_box("escape", NULL);
    vm_expect(HL_E_FAULT, NULL, box, "ReadByte", ARGS(hl_u64(0)), NULL);
    hl_sandbox_destroy(box);
    box = process_box("escape", NULL);
    CHECK_INT(vm_call(box, "Count", NONE).as.u32, 1);
    hl_sandbox_destroy(box);
}

static void *make_box(void *out)
{
    *(hl_sandbox **)out = process_box("escape", NULL);
    return NULL;
}

/* A sandbox outlives the thread that made it. */
TEST(deaths_of_the_thread_that_made_it)
{
    hl_sandbox *box;
    pthread_t thread;

    CHECK(!pthread_create(&thread, NULL, make_box, &box));
    pthread_join(thread, NULL);
    usleep(50000);
    CHECK_INT(vm_call(box, "Count", NONE).as.u32, 1);
    vm_expect(HL_E_FAULT, NULL, box, "ReadByte", ARGS(hl_u64(0)), NULL);
    hl_sandbox_destroy(box);
}

/* ---- Forks of the application ---------------------------------------------------------------- */

TEST(deaths_of_a_forked_child_hurt_nobody)
{
    hl_sandbox *box = process_box("escape", NULL), *own;
    pid_t child = fork();
    int status;

    if (!child) { /* it makes its own, with a tracer of its own */
        own = process_box("escape", NULL);
        status = vm_call(own, "Count", NONE).as.u32 != 1;
        hl_sandbox_destroy(own);
        _exit(status);
    }
    CHECK_INT(waitpid(child, &status, 0), child);
    CHECK_INT(status, 0);
    CHECK_INT(vm_call(box, "Count", NONE).as.u32, 1);
    hl_sandbox_destroy(box);
}

/* ---- Where it cannot be ------------------------------------------------------------- */

/* Where tracing is forbidden, the error says so. */
TEST(deaths_of_hope_without_ptrace)
{
    hl_error err;

    vm_refuse(SYS_ptrace, 0, 0x4206 /* PTRACE_SEIZE */, EPERM);
    CHECK_INT(hl_hypervisor_probe(HL_HYPERVISOR_PROCESS, &err), HL_E_NO_HYPERVISOR);
    CHECK_HAS(err.text, "tracing guest processes: Operation not permitted; is ptrace forbidden");
    CHECK_HAS(err.text, "yama/ptrace_scope");
}

/* So it does where no program may be run from memory. */
TEST(deaths_of_hope_without_programs_in_memory)
{
    hl_error err;

    vm_refuse(SYS_memfd_create, 1, 0x13 /* CLOEXEC, ALLOW_SEALING, EXEC */, EACCES);
    CHECK_INT(hl_hypervisor_probe(HL_HYPERVISOR_PROCESS, &err), HL_E_NO_HYPERVISOR);
    CHECK_HAS(err.text, "vm.memfd_noexec forbids here: it is 2, wanted 0 or 1");
}
