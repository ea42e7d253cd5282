/* SPDX-License-Identifier: Apache-2.0 */
/* Processes of guests as others see them: limits, descriptors, memory, namespaces. */
#include <errno.h>
#include <fcntl.h>
#include <linux/filter.h>
#include <linux/prctl.h>
#include <linux/seccomp.h>
#include <sched.h>
#include <signal.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "process.h"
#include "vm/held.h"

/* Two tests of one body: the tracer is exec'd, or a fork of this process. */
#define BOTH_STARTS(id) \
    static void id(void); \
    TEST(id##_of_a_program) \
    { \
        id(); \
    } \
    TEST(id##_of_a_fork) \
    { \
        process_subreaper(); \
        id(); \
    } \
    static void id(void)

static hl_sandbox *begin(void)
{
    hl_sandbox *box = process_box("escape", NULL);

    CHECK_INT(vm_call(box, "Count", NONE).as.u32, 1);
    return box;
}

static void expect(pid_t pid, const char *file, const char *field, const char *wanted)
{
    char found[256];

    if (!process_field(found, sizeof found, pid, file, field) || strcmp(found, wanted))
        FAIL("%s of %d: \"%s\", wanted \"%s\"", field, pid, found, wanted);
}

/* ---- Status ------------------------------------------------------------------- */

static void nothing(int number)
{
    (void)number;
}

/* The application's handlers, and what it ignores and blocks, are its own. */
BOTH_STARTS(outside_status)
{
    hl_sandbox *box;
    pid_t pids[2];
    sigset_t set;
    int i;

    signal(SIGUSR2, nothing);
    signal(SIGHUP, SIG_IGN);
    sigemptyset(&set);
    sigaddset(&set, SIGWINCH);
    sigprocmask(SIG_BLOCK, &set, NULL);
    box = begin();
    pids[0] = process_template_of(box);
    pids[1] = process_child(box);
    for (i = 0; i < 2; i++) {
        expect(pids[i], "status", "NoNewPrivs", "1");
        expect(pids[i], "status", "Seccomp", "2");
        expect(pids[i], "status", "Threads", "1");
        expect(pids[i], "status", "SigBlk", "0000000000000000");
        expect(pids[i], "status", "SigIgn", "0000000000000000");
        expect(pids[i], "status", "SigCgt", "0000000000000000");
        expect(pids[i], "status", "THP_enabled", "0");
    }
    expect(process_tracer(box), "status", "SigCgt", "0000000000000000");
    hl_sandbox_destroy(box);
}

static long number_in(pid_t pid, const char *file)
{
    char path[64];
    long value = -1;
    FILE *from;

    snprintf(path, sizeof path, "/proc/%d/%s", pid, file);
    from = fopen(path, "r");
    if (!from || fscanf(from, "%ld", &value) != 1)
        FAIL("%s: %s", path, strerror(errno));
    fclose(from);
    return value;
}

BOTH_STARTS(outside_limits)
{
    hl_sandbox *box = begin();
    const pid_t child = process_child(box);

    expect(child, "limits", "Max core file size",
           "0                    0                    bytes     ");
    expect(child, "limits", "Max open files",
           "0                    0                    files     ");
    CHECK_INT(number_in(child, "oom_score_adj"), 1000);
    CHECK_INT(number_in(process_template_of(box), "oom_score_adj"), 1000);
    hl_sandbox_destroy(box);
}

BOTH_STARTS(outside_sessions)
{
    hl_sandbox *box = begin();
    const pid_t tracer = process_tracer(box), template = process_template_of(box);

    CHECK_INT(getsid(tracer), tracer);
    CHECK_INT(getsid(template), template);
    CHECK_INT(getsid(process_child(box)), template);
    hl_sandbox_destroy(box);
}

/* ---- What the application has, and they do not ---------------------------------- */

static size_t environment(pid_t pid)
{
    char path[64], found[256];
    size_t n;
    FILE *from;

    snprintf(path, sizeof path, "/proc/%d/environ", pid);
    from = fopen(path, "r");
    if (!from)
        FAIL("%s: %s", path, strerror(errno));
    n = fread(found, 1, sizeof found, from);
    fclose(from);
    return n;
}

BOTH_STARTS(outside_environment)
{
    hl_sandbox *box;

    setenv("HL_SECRET", "none of theirs", 1);
    box = begin();
    CHECK_INT(environment(process_tracer(box)), 0);
    CHECK_INT(environment(process_template_of(box)), 0);
    CHECK_INT(environment(process_child(box)), 0);
    hl_sandbox_destroy(box);
}

static int descriptors(pid_t pid)
{
    char path[64];

    snprintf(path, sizeof path, "/proc/%d/fd", pid);
    return held_entries(path);
}

/* The tracer has the arena, a pidfd of the host and the guest's memory. */
BOTH_STARTS(outside_descriptors)
{
    int secrets[40], i;
    hl_sandbox *box;

    for (i = 0; i < 40; i++) /* not CLOEXEC; those of the tracer are between them */
        secrets[i] = open("/dev/null", O_RDONLY);
    for (i = 0; i < 40; i += 2)
        close(secrets[i]);
    box = begin();
    CHECK_INT(descriptors(process_child(box)), 0);
    CHECK_INT(descriptors(process_template_of(box)), 0);
    CHECK_INT(descriptors(process_tracer(box)),
              2 + (int)box->vm->machine->template->head->share_count);
    hl_sandbox_destroy(box);
}

/* ---- Memory ---------------------------------------------------------------------- */

struct line {
    unsigned long long start, end;
    char access[8];
};

/* The next mapping of a guest's process, [vsyscall] left out. */
static bool next_line(struct line *out, FILE *maps)
{
    char line[512];

    return fgets(line, sizeof line, maps) && !strstr(line, "[vsyscall]") &&
           sscanf(line, "%llx-%llx %7s", &out->start, &out->end, out->access) == 3;
}

static uint32_t access_of(const struct line *line)
{
    return (line->access[0] == 'r' ? HL_READ : 0u) | (line->access[1] == 'w' ? HL_WRITE : 0u) |
           (line->access[2] == 'x' ? HL_EXECUTE : 0u);
}

static const struct hv_region *region_at(const struct hv_vm *machine, uint64_t address)
{
    static const struct hv_region words = {.address = TRACER_WORDS,
                                           .size = TRACER_PAGE,
                                           .access = HL_READ | HL_WRITE,
                                           .kind = HV_REGION_REPLIES};
    uint32_t i;

    for (i = 0; i < machine->region_count; i++)
        if (address - machine->regions[i].address < machine->regions[i].size)
            return &machine->regions[i];
    return address - words.address < words.size ? &words : NULL;
}

static void expect_line(const struct hv_vm *machine, const struct line *line)
{
    const struct hv_region *region;
    uint64_t at;
    bool shared;

    for (at = line->start; at < line->end; at += TRACER_PAGE) {
        region = region_at(machine, at);
        if (!region || region->access != access_of(line))
            FAIL("%#llx: %s, and not what the guest may", (unsigned long long)at, line->access);
        shared = region->kind == HV_REGION_REQUESTS || region->kind == HV_REGION_REPLIES;
        if (line->access[3] != (shared ? 's' : 'p'))
            FAIL("%#llx: %s", (unsigned long long)at, line->access);
    }
    if (line->access[1] == 'w' && line->access[2] == 'x')
        FAIL("%#llx: %s", line->start, line->access);
}

/* Each page of what a child has is a page of the guest's, as its image says;
 * each of the guest's is there. */
BOTH_STARTS(outside_memory)
{
    hl_sandbox *box = begin();
    const struct hv_vm *machine = box->vm->machine;
    uint64_t wanted = TRACER_PAGE, found = 0;
    struct line line;
    char path[64];
    FILE *maps;
    uint32_t i;

    for (i = 0; i < machine->region_count; i++)
        wanted += machine->regions[i].size;
    snprintf(path, sizeof path, "/proc/%d/maps", process_child(box));
    maps = fopen(path, "r");
    CHECK(maps);
    while (next_line(&line, maps)) {
        expect_line(machine, &line);
        found += line.end - line.start;
    }
    fclose(maps);
    CHECK_INT(found, wanted);
    hl_sandbox_destroy(box);
}

/* Nothing of the application's is in the tracer, even if it was forked from it. */
BOTH_STARTS(outside_memory_of_the_tracer)
{
    hl_sandbox *box = begin();
    char path[64], text[512];
    unsigned long long start;
    FILE *maps;

    snprintf(path, sizeof path, "/proc/%d/maps", process_tracer(box));
    maps = fopen(path, "r");
    CHECK(maps);
    while (fgets(text, sizeof text, maps)) {
        start = strtoull(text, NULL, 16);
        if ((start < TRACER_ARENA || start >= TRACER_TEXT_END) && !strstr(text, "[v") &&
            !(strstr(text, "[stack]") && !box->vm->machine->template->own))
            FAIL("a tracer has %s", text);
    }
    fclose(maps);
    hl_sandbox_destroy(box);
}

/* Two children of one template: what is written to one's slot, the other has not. */
TEST(outside_slots_are_each_its_own)
{
    hl_sandbox *box = begin(), *other;
    hl_snapshot *start = process_take(box);
    hl_error err;

    CHECK_INT(hl_sandbox_create_from(&other, start, NULL, NULL, &err), HL_OK);
    CHECK_INT(vm_call(other, "Count", NONE).as.u32, 2);
    CHECK(box->vm->machine->template == other->vm->machine->template);
    CHECK(box->vm->machine->slot_number != other->vm->machine->slot_number);
    hl_sandbox_set_deadline(box, 20000, NULL);
    vm_expect(HL_E_DEADLINE, NULL, box, "Spin", NONE, NULL);
    CHECK_INT(vm_call(other, "Count", NONE).as.u32, 3);
    hl_snapshot_release(start);
    hl_sandbox_destroy(other);
    hl_sandbox_destroy(box);
}

/* ---- The processor's speculation ---------------------------------------------------- */

/* From here on whoever asks for this control is killed. */
static void kill_who_asks_for(uint32_t control)
{
    const uint32_t args = (uint32_t)offsetof(struct seccomp_data, args);
    struct sock_filter code[] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, (uint32_t)offsetof(struct seccomp_data, nr)),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_prctl, 0, 7),
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, args),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, PR_SET_SPECULATION_CTRL, 0, 5),
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, args + 8),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, control, 0, 3),
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, args + 16),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, PR_SPEC_FORCE_DISABLE, 0, 1),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_KILL_PROCESS),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
    };
    const struct sock_fprog program = {sizeof code / sizeof code[0], code};

    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) ||
        prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program))
        test_skip("seccomp: %s", strerror(errno));
}

/* Not every processor has them, and not every kernel lets processes choose: that
 * the template asks is seen by what ends it then. */
static void is_asked_for(uint32_t control)
{
    hl_error err;

    hl_sandbox_destroy(begin());
    hl_cache_trim(0);
    kill_who_asks_for(control);
    CHECK_INT(hl_hypervisor_probe(HL_HYPERVISOR_PROCESS, &err), HL_E_NO_HYPERVISOR);
    CHECK_HAS(err.text, "the template of guest processes ended while it started");
}

TEST(outside_store_bypass_is_given_up)
{
    is_asked_for(PR_SPEC_STORE_BYPASS);
}

TEST(outside_indirect_branches_are_not_predicted)
{
    is_asked_for(PR_SPEC_INDIRECT_BRANCH);
}

/* Where they can be chosen, that is what the kernel then says. */
TEST(outside_speculation)
{
    hl_sandbox *box = begin();
    const pid_t child = process_child(box);
    char found[64];

    if (process_field(found, sizeof found, child, "status", "Speculation_Store_Bypass") &&
        prctl(PR_GET_SPECULATION_CTRL, PR_SPEC_STORE_BYPASS, 0, 0, 0) & PR_SPEC_PRCTL)
        CHECK_STR(found, "thread force mitigated");
    if (process_field(found, sizeof found, child, "status", "SpeculationIndirectBranch") &&
        prctl(PR_GET_SPECULATION_CTRL, PR_SPEC_INDIRECT_BRANCH, 0, 0, 0) & PR_SPEC_PRCTL)
        CHECK_STR(found, "conditional force disabled");
    hl_sandbox_destroy(box);
}

/* ---- Further fences -------------------------------------------------------------------- */

static const char *probe(void)
{
    static hl_error err;

    if (hl_hypervisor_probe(HL_HYPERVISOR_PROCESS, &err))
        test_skip("%s", err.text);
    return err.text;
}

/* Can this process make such namespaces? */
static bool has_namespaces(void)
{
    int status;
    pid_t child = fork();

    if (!child)
        _exit(unshare(CLONE_NEWUSER) ||
              unshare(CLONE_NEWPID | CLONE_NEWNET | CLONE_NEWIPC | CLONE_NEWUTS));
    CHECK_INT(waitpid(child, &status, 0), child);
    return status == 0;
}

static void other_namespace(pid_t pid, const char *name)
{
    char path[64], own[64] = "", its[64] = "";

    snprintf(path, sizeof path, "/proc/self/ns/%s", name);
    CHECK(readlink(path, own, sizeof own - 1) > 0);
    snprintf(path, sizeof path, "/proc/%d/ns/%s", pid, name);
    CHECK(readlink(path, its, sizeof its - 1) > 0);
    if (!strcmp(own, its))
        FAIL("it is in our %s", its);
}

BOTH_STARTS(outside_namespaces)
{
    static const char *const names[] = {"user", "pid", "net", "ipc", "uts"};
    hl_sandbox *box;
    size_t i;

    if (!has_namespaces()) {
        CHECK_HAS(probe(), "no namespaces");
        test_skip("no namespaces here, as the probe says");
    }
    CHECK_HAS(probe(), "Behind the filter: namespaces");
    box = begin();
    for (i = 0; i < sizeof names / sizeof names[0]; i++)
        other_namespace(process_child(box), names[i]);
    hl_sandbox_destroy(box);
}

TEST(outside_landlock)
{
    const bool here = syscall(SYS_landlock_create_ruleset, NULL, 0, 1) >= 1;

    if (!here)
        CHECK_HAS(probe(), "no Landlock");
    else
        CHECK_HAS(probe(), "namespaces, Landlock");
}

/* It works here, and does when this is refused, too. */
static void works_without(const char *what, long call, unsigned arg, uint32_t value, int error)
{
    hl_sandbox *box;
    hl_snapshot *clean;
    hl_error err;

    probe();
    vm_refuse(call, arg, value, error);
    if (hl_hypervisor_probe(HL_HYPERVISOR_PROCESS, &err))
        FAIL("%s", err.text);
    CHECK_HAS(err.text, what);
    box = begin();
    clean = process_take(box);
    CHECK_INT(vm_call(box, "Count", NONE).as.u32, 2);
    process_restore(box, clean);
    CHECK_INT(vm_call(box, "Count", NONE).as.u32, 2);
    hl_snapshot_release(clean);
    hl_sandbox_destroy(box);
}

TEST(outside_namespaces_are_not_required)
{
    works_without("no namespaces", SYS_unshare, 0, CLONE_NEWUSER, EPERM);
}

TEST(outside_some_namespaces_are_not_required)
{
    works_without("no namespaces", SYS_unshare, 0,
                  CLONE_NEWPID | CLONE_NEWNET | CLONE_NEWIPC | CLONE_NEWUTS, ENOSPC);
}

TEST(outside_landlock_is_not_required)
{
    works_without("no Landlock", SYS_landlock_create_ruleset, 2, 1, EOPNOTSUPP);
}

TEST(outside_user_dispatch_is_not_required)
{
    works_without("no user dispatch", SYS_ptrace, 0,
                  0x4210 /* PTRACE_SET_SYSCALL_USER_DISPATCH_CONFIG */, EIO);
}

/* ---- The tracer's turn ------------------------------------------------------------------ */

struct slice { /* struct sched_attr */
    uint32_t size, policy;
    uint64_t flags;
    int32_t nice;
    uint32_t priority;
    uint64_t runtime, deadline, period;
};

static uint64_t slice_of(pid_t pid)
{
    struct slice slice = {0};

    if (syscall(SYS_sched_getattr, pid, &slice, sizeof slice, 0))
        test_skip("sched_getattr: %s", strerror(errno));
    return slice.runtime;
}

/* A child that spins on the same processor is preempted at once; where a process
 * can choose how long its turns are (Linux 6.12). */
BOTH_STARTS(outside_the_tracers_turn_is_short)
{
    hl_sandbox *box = begin();

    if (!slice_of(getpid()))
        test_skip("this kernel has no turns of a chosen length");
    CHECK_INT(slice_of(process_tracer(box)), 100000);
    CHECK(slice_of(process_child(box)) > 100000);
    hl_sandbox_destroy(box);
}

/* The kernel tells whoever asked for it (rseq, the C library) that it was moved to
 * another processor: in memory that a fork of the application no longer has. */
BOTH_STARTS(outside_the_tracer_is_moved)
{
    hl_sandbox *box = begin();
    const pid_t tracer = process_tracer(box);
    hl_snapshot *clean = process_take(box);
    cpu_set_t all, one;
    int i, moves = 0;

    CHECK(!sched_getaffinity(0, sizeof all, &all));
    if (CPU_COUNT(&all) < 2)
        test_skip("one processor");
    for (i = 0; moves < 8; i = (i + 1) % CPU_SETSIZE) {
        if (!CPU_ISSET(i, &all))
            continue;
        CPU_ZERO(&one);
        CPU_SET(i, &one);
        CHECK(!sched_setaffinity(tracer, sizeof one, &one));
        vm_expect(HL_E_FAULT, NULL, box, "ReadByte", ARGS(hl_u64(0)), NULL);
        process_restore(box, clean);
        CHECK_INT(vm_call(box, "Count", NONE).as.u32, 2);
        moves++;
    }
    CHECK_INT(process_tracer(box), tracer);
    hl_snapshot_release(clean);
    hl_sandbox_destroy(box);
}
