/* SPDX-License-Identifier: Apache-2.0 */
/* Limits on processes, memory, descriptors: a named error of the sandbox that meets one. */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "process.h"
#include "vm/held.h"

/* ---- Whoever is not concerned --------------------------------------- */

static hl_sandbox *other; /* of another shape, so that it has a tracer of its own */
static uint32_t calls;
static struct held before;

static void other_begin(void)
{
    const hl_config config = {.struct_size = sizeof config, .heap_size = 3 << 20};

    process_needs_proc();
    hl_cache_limit(0);
    other = process_box("escape", &config);
    before = held_now();
}

static void other_goes_on(void)
{
    CHECK_INT(vm_call(other, "Count", NONE).as.u32, ++calls);
}

static void other_end(void)
{
    other_goes_on();
    held_check(&before); /* nothing is left of what failed */
    hl_sandbox_destroy(other);
}

/* ---- While a sandbox is made ---------------------------------------- */

/* Makes one and calls it. What fails, fails by a name. */
static bool can_make(const hl_config *config, const char *what, uint64_t limit)
{
    hl_guest *guest;
    hl_sandbox *box = NULL;
    hl_value ret;
    hl_error err;
    hl_status status;

    status = hl_guest_open(&guest, test_guest("escape"), &err);
    if (!status) {
        status = sandbox_create_on(&box, &hv_process, guest, NULL, config, &err);
        hl_guest_release(guest);
    }
    if (!status)
        status = hl_sandbox_call(&ret, box, "Count", NONE, &err);
    hl_sandbox_destroy(box);
    if (status && ((status != HL_E_MEMORY && status != HL_E_SYSTEM) || err.status != status ||
                   !strstr(err.text, ": ")))
        FAIL("%s of %llu: %d, \"%s\"", what, (unsigned long long)limit, status, err.text);
    if (status && status != HL_E_MEMORY && !strstr(err.text, strerror(EMFILE)))
        FAIL("%s of %llu: %d, \"%s\"", what, (unsigned long long)limit, status, err.text);
    return !status;
}

/* ---- Processes ------------------------------------------------------ */

static void limit(pid_t whom, int what, rlim_t most)
{
    struct rlimit value;

    CHECK(!prlimit(whom, what, NULL, &value));
    value.rlim_cur = most < value.rlim_max ? most : value.rlim_max;
    if (prlimit(whom, what, &value, NULL))
        FAIL("limit %d of %d: %s", what, whom, strerror(errno));
}

/* Who stood by has noticed nothing; and without the limit there is a child again. */
static void goes_on(hl_sandbox *box, hl_sandbox *bystander, hl_snapshot *clean, int what)
{
    CHECK_INT(vm_call(bystander, "Count", NONE).as.u32, 2);
    limit(process_template_of(box), what, RLIM_INFINITY);
    process_restore(box, clean);
    CHECK_INT(vm_call(box, "Count", NONE).as.u32, 1);
    hl_snapshot_release(clean);
    hl_sandbox_destroy(bystander);
    hl_sandbox_destroy(box);
}

/* Nobody else is this user. Root has no limits. */
static void be_nobody(void)
{
    const uid_t own = 60000 + (uid_t)getpid() % 5000;

    if (setresgid(own, own, own) || setresuid(own, own, own))
        test_skip("giving up root: %s", strerror(errno));
}

TEST(limits_of_processes_of_a_template)
{
    hl_sandbox *box, *bystander;
    hl_snapshot *clean;

    be_nobody();
    box = process_box("escape", NULL);
    clean = process_take(box);
    hl_sandbox_create_from(&bystander, clean, NULL, NULL, NULL);
    CHECK_INT(vm_call(bystander, "Count", NONE).as.u32, 1);
    limit(process_template_of(box), RLIMIT_NPROC, 0);
    vm_expect(HL_E_FAULT, NULL, box, "ReadByte", ARGS(hl_u64(0)), NULL);
    process_restore(box, clean);
    vm_expect(HL_E_MEMORY,
              "starting a guest's process: Resource temporarily unavailable; is the "
              "number of processes limited",
              box, "Count", NONE, NULL);
    goes_on(box, bystander, clean, RLIMIT_NPROC);
}

/* The rest of the test is a child of one that reaps what it orphans, which
 * counts until then; an init may take its time. true in the parent, at the end. */
static bool reaper_fork(int *status)
{
    pid_t child, pid;
    int found;

    CHECK(!prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0));
    child = fork();
    CHECK(child >= 0);
    if (!child) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        return false;
    }
    *status = 1;
    while ((pid = waitpid(-1, &found, __WALL)) > 0)
        if (pid == child)
            *status = WIFEXITED(found) ? WEXITSTATUS(found) : 1;
    return true;
}

static void reaper_begin(void)
{
    int status;

    if (reaper_fork(&status))
        _exit(status);
}

/* Those of this test that live. */
static int own_processes(void)
{
    char path[64], state[8];
    int pid, n = 0;
    FILE *file;

    snprintf(path, sizeof path, "/proc/%d/task/%d/children", getppid(), getppid());
    file = fopen(path, "r");
    if (!file)
        test_skip("%s: %s", path, strerror(errno));
    while (fscanf(file, "%d", &pid) == 1) {
        n += process_field(state, sizeof state, pid, "status", "State") && *state != 'Z';
    }
    fclose(file);
    return n;
}

/* One step more of the start comes to pass each time: tracer, its thread, the
 * first process of a namespace, template, child. At last there is no limit. */
static void sweep_processes(const char *what, void (*most)(long long count))
{
    enum { MOST = 24, ENOUGH = 1000 };
    const hl_config config = {.struct_size = sizeof config, .heap_size = 1 << 20};
    int processes, i, made = 0;

    other_begin();
    processes = own_processes();
    for (i = 1; i < MOST; i++) {
        most(i);
        made += can_make(&config, what, (uint64_t)i);
        other_goes_on();
        most(ENOUGH);
        CHECK_INT(own_processes(), processes);
    }
    CHECK(made < i - 1);
    CHECK(can_make(&config, what, ENOUGH));
    other_end();
}

static void most_of_mine(long long count)
{
    limit(0, RLIMIT_NPROC, (rlim_t)count);
}

TEST(limits_of_processes_at_the_start)
{
    be_nobody();
    reaper_begin();
    sweep_processes("RLIMIT_NPROC", most_of_mine);
}

/* Without the one that watches the host there would be no end after its. */
TEST(limits_of_the_tracers_thread)
{
    enum { THREAD = 0x50f00 }; /* CLONE_VM | CLONE_THREAD ... */
    hl_error err;

    if (hl_hypervisor_probe(HL_HYPERVISOR_PROCESS, &err))
        test_skip("%s", err.text);
    vm_refuse(SYS_clone, 0, THREAD, EAGAIN);
    CHECK_INT(hl_hypervisor_probe(HL_HYPERVISOR_PROCESS, &err), HL_E_MEMORY);
    CHECK_HAS(err.text, "making the template of guest processes: Resource temporarily unavailable");
}

/* ---- Control groups ------------------------------------------------- */

static char group[128];

static bool group_write(const char *file, long long value)
{
    char path[192];
    FILE *to;
    bool done;

    snprintf(path, sizeof path, "%s/%s", group, file);
    to = fopen(path, "w");
    if (!to)
        return false;
    fprintf(to, "%lld", value);
    done = !fclose(to);
    return done;
}

/* The rest of the test is a child, after which the group is taken away. */
static void group_begin(const char *controller)
{
    int status;

    snprintf(group, sizeof group, "/sys/fs/cgroup/%s/hl-test-%d", controller, getpid());
    if (mkdir(group, 0755))
        snprintf(group, sizeof group, "/sys/fs/cgroup/hl-test-%d", getpid());
    if (access(group, F_OK) && mkdir(group, 0755))
        test_skip("%s: %s", group, strerror(errno));
    if (!reaper_fork(&status))
        return;
    while (rmdir(group) && errno == EBUSY)
        usleep(10000);
    _exit(status);
}

static void most_of_the_group(long long count)
{
    CHECK(group_write("pids.max", count));
}

TEST(limits_of_processes_of_a_control_group)
{
    group_begin("pids");
    if (!group_write("pids.max", 1000) || !group_write("cgroup.procs", getpid()))
        test_skip("%s: %s", group, strerror(errno));
    sweep_processes("pids.max", most_of_the_group);
}

/* A guest that takes more memory than its group may have is ended, and nobody
 * else is. */
TEST(limits_of_memory_of_a_control_group)
{
    const hl_config config = {.struct_size = sizeof config, .heap_size = 256 << 20};
    hl_sandbox *box;
    hl_snapshot *clean;
    int i;

    group_begin("memory");
    if (!group_write("memory.limit_in_bytes", 32 << 20) && !group_write("memory.max", 32 << 20))
        test_skip("%s: %s", group, strerror(errno));
    other_begin();
    box = process_box("escape", &config);
    clean = process_take(box);
    for (i = 0; i < 3; i++) {
        if (!group_write("cgroup.procs", process_template_of(box)))
            test_skip("%s: %s", group, strerror(errno));
        vm_expect(HL_E_FAULT, NULL, box, "ReadByte", ARGS(hl_u64(0)), NULL);
        process_restore(box, clean); /* a new child, which is in the group */
        CHECK_INT(vm_call(box, "Count", NONE).as.u32, 1);
        vm_expect(HL_E_SYSTEM, "ended by signal 9 (SIGKILL): from outside, or for want of memory",
                  box, "Fill", NONE, NULL);
        CHECK_INT(hl_sandbox_state(box), HL_POISONED);
        other_goes_on();
        process_restore(box, clean);
        CHECK_INT(vm_call(box, "Count", NONE).as.u32, 1);
    }
    hl_snapshot_release(clean);
    hl_sandbox_destroy(box);
    other_end();
}

/* ---- Address space -------------------------------------------------- */

static uint64_t mapped(pid_t pid)
{
    char size[64];

    CHECK(process_field(size, sizeof size, pid, "status", "VmSize"));
    return strtoull(size, NULL, 10) * 1024;
}

/* Not of the template's children: these have what it mapped. */
TEST(limits_of_memory_of_a_template)
{
    hl_sandbox *box = process_box("escape", NULL), *bystander;
    hl_snapshot *clean = process_take(box);

    CHECK_INT(hl_sandbox_create_from(&bystander, clean, NULL, NULL, NULL), HL_OK);
    CHECK_INT(vm_call(bystander, "Count", NONE).as.u32, 1);
    vm_expect(HL_E_FAULT, NULL, box, "ReadByte", ARGS(hl_u64(0)), NULL);
    process_restore(box, clean);
    limit(process_template_of(box), RLIMIT_AS, TRACER_PAGE);
    vm_expect(HL_E_MEMORY, "starting a guest's process: Cannot allocate memory", box, "Count", NONE,
              NULL);
    goes_on(box, bystander, clean, RLIMIT_AS);
}

/* A tracer does its work without any memory or descriptor more than it has. */
TEST(limits_of_a_tracer)
{
    hl_sandbox *box = process_box("escape", NULL);
    hl_snapshot *clean = process_take(box), *late;
    int i;

    limit(process_tracer(box), RLIMIT_AS, TRACER_PAGE);
    limit(process_tracer(box), RLIMIT_NOFILE, 0);
    limit(process_tracer(box), RLIMIT_NPROC, 0);
    for (i = 0; i < 3; i++) {
        CHECK_INT(vm_call(box, "Count", NONE).as.u32, 1);
        late = process_take(box);
        CHECK_INT(vm_call(box, "Count", NONE).as.u32, 2);
        process_restore(box, late);
        CHECK_INT(vm_call(box, "Count", NONE).as.u32, 2);
        vm_expect(HL_E_FAULT, NULL, box, "ReadByte", ARGS(hl_u64(0)), NULL);
        process_restore(box, late);
        CHECK_INT(vm_call(box, "Count", NONE).as.u32, 2);
        process_restore(box, clean);
        hl_snapshot_release(late);
    }
    hl_snapshot_release(clean);
    hl_sandbox_destroy(box);
}

/* The template maps more than the host does: slots for 256 sandboxes. */
TEST(limits_of_memory_at_the_start)
{
    const hl_config config = {
        .struct_size = sizeof config, .heap_size = 64 << 20, .message_size = 1 << 20};
    const uint64_t step = 16 << 20;
    int i, failed = 0, made = 0;
    uint64_t most;

    other_begin();
    for (i = 0; i < 64; i++) {
        most = mapped(getpid()) + (uint64_t)i * step;
        limit(0, RLIMIT_AS, most);
        *(can_make(&config, "RLIMIT_AS", most) ? &made : &failed) += 1;
        other_goes_on();
        limit(0, RLIMIT_AS, RLIM_INFINITY);
    }
    CHECK(failed && made);
    other_end();
}

/* ---- Descriptors ---------------------------------------------------- */

TEST(limits_of_descriptors_at_the_start)
{
    enum { MOST = 24 };
    const hl_config config = {.struct_size = sizeof config, .heap_size = 1 << 20};
    const int lowest = dup(0); /* those below are taken */
    int i, failed = 0, made = 0;

    close(lowest);
    other_begin();
    for (i = 0; i < MOST; i++) {
        limit(0, RLIMIT_NOFILE, (rlim_t)(lowest + i));
        *(can_make(&config, "RLIMIT_NOFILE", (uint64_t)i) ? &made : &failed) += 1;
        other_goes_on();
        limit(0, RLIMIT_NOFILE, RLIM_INFINITY);
    }
    CHECK(failed && made);
    other_end();
}
