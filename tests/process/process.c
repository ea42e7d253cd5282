/* SPDX-License-Identifier: Apache-2.0 */
/* Finds and counts what the processes of a sandbox do. */
#include "process.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/perf_event.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

hl_sandbox *process_box(const char *name, const hl_config *config)
{
    hl_guest *guest;
    hl_sandbox *box;
    hl_error err;

    if (hl_hypervisor_probe(HL_HYPERVISOR_PROCESS, &err))
        test_skip("%s", err.text);
    if (hl_guest_open(&guest, test_guest(name), &err) ||
        sandbox_create_on(&box, &hv_process, guest, NULL, config, &err))
        FAIL("%s: %s", name, err.text);
    hl_guest_release(guest);
    return box;
}

void process_subreaper(void)
{
    hl_error err;

    if (hl_hypervisor_probe(HL_HYPERVISOR_PROCESS, &err))
        test_skip("%s", err.text);
    CHECK(!prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0));
    if (hl_hypervisor_probe(HL_HYPERVISOR_PROCESS, &err))
        FAIL("as a subreaper: %s", err.text);
}

hl_snapshot *process_take(hl_sandbox *box)
{
    hl_snapshot *snapshot;
    hl_error err;

    if (hl_snapshot_take(&snapshot, box, &err))
        FAIL("take: %s", err.text);
    return snapshot;
}

void process_restore(hl_sandbox *box, const hl_snapshot *snapshot)
{
    hl_error err;

    if (hl_sandbox_restore(box, snapshot, &err))
        FAIL("restore: %s", err.text);
}

/* ---- Processes ------------------------------------------------------------------- */

void process_needs_proc(void)
{
    char self[16] = "";

    if (readlink("/proc/self", self, sizeof self - 1) < 0 || atoi(self) != getpid())
        test_skip("/proc is not that of this process");
}

pid_t process_tracer(const hl_sandbox *box)
{
    process_needs_proc();
    return box->vm->machine->template->tracer_pid;
}

static bool is_called(pid_t pid, const char *wanted)
{
    char path[64], name[32] = "";
    FILE *file;

    snprintf(path, sizeof path, "/proc/%d/comm", pid);
    file = fopen(path, "r");
    if (file && !fgets(name, sizeof name, file))
        *name = 0;
    if (file)
        fclose(file);
    name[strcspn(name, "\n")] = 0;
    return !strcmp(name, wanted);
}

/* The n-th child of the tracer, from 0, that has this name; 0: there is none. */
static pid_t descendant(const hl_sandbox *box, const char *name, int n)
{
    const pid_t tracer = process_tracer(box);
    char path[64];
    FILE *file;
    int pid = 0;

    process_needs_proc();
    snprintf(path, sizeof path, "/proc/%d/task/%d/children", tracer, tracer);
    file = fopen(path, "r");
    if (!file)
        test_skip("%s: %s", path, strerror(errno));
    while (n >= 0 && fscanf(file, "%d", &pid) == 1)
        n -= is_called(pid, name);
    fclose(file);
    return n < 0 ? pid : 0;
}

pid_t process_template_of(const hl_sandbox *box)
{
    return descendant(box, "hl-guest", 0);
}

pid_t process_child(const hl_sandbox *box)
{
    return descendant(box, "hl-guest", 1);
}

pid_t process_first(const hl_sandbox *box)
{
    int i;

    if (!(box->vm->machine->template->head->fences & TRACER_NAMESPACES))
        return 0;
    for (i = 0; i < 500 && !descendant(box, "hl-first", 0); i++)
        usleep(10000); /* it has yet to take the name */
    return descendant(box, "hl-first", 0);
}

bool process_field(char *out, size_t size, pid_t pid, const char *file, const char *field)
{
    const size_t len = strlen(field);
    char path[64], line[512] = "";
    bool found = false;
    FILE *from;

    snprintf(path, sizeof path, "/proc/%d/%s", pid, file);
    from = fopen(path, "r");
    while (from && !found && fgets(line, sizeof line, from))
        found = !strncmp(line, field, len) && strchr(": \t", line[len]);
    if (from)
        fclose(from);
    line[strcspn(line, "\n")] = 0;
    snprintf(out, size, "%s", found ? line + len + strspn(line + len, ": \t") : "");
    return found;
}

uint64_t process_time(pid_t pid)
{
    unsigned long long ns = 0;
    char path[64];
    FILE *file;

    snprintf(path, sizeof path, "/proc/%d/schedstat", pid);
    file = fopen(path, "r");
    if (!file || fscanf(file, "%llu", &ns) != 1)
        test_skip("%s: %s", path, strerror(errno));
    fclose(file);
    return ns;
}

static bool is_zombie(pid_t pid)
{
    char path[64], state = 'Z';
    FILE *file;

    snprintf(path, sizeof path, "/proc/%d/stat", pid);
    file = fopen(path, "r");
    if (!file)
        return true;
    if (fscanf(file, "%*d (%*[^)]) %c", &state) != 1)
        state = 'Z';
    fclose(file);
    return state == 'Z' || state == 'X';
}

bool process_is_gone(pid_t pid)
{
    int i;

    for (i = 0; i < 500 && !is_zombie(pid); i++)
        usleep(10000);
    return i < 500;
}

/* ---- Their system calls --------------------------------------------------------------- */

/* The number of raw_syscalls:sys_enter; 0: cannot be had. */
static unsigned tracepoint(void)
{
    const char *const path = "/tmp/events/raw_syscalls/sys_enter/id";
    static unsigned id;
    FILE *file;

    if (id || unshare(CLONE_NEWNS) || mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL) ||
        mount("none", "/tmp", "tracefs", 0, NULL))
        return id;
    file = fopen(path, "r");
    if (file && fscanf(file, "%u", &id) != 1)
        id = 0;
    if (file)
        fclose(file);
    umount("/tmp");
    return id;
}

static int count(pid_t pid, bool inherit, const char *filter)
{
    struct perf_event_attr attr = {.type = PERF_TYPE_TRACEPOINT,
                                   .size = sizeof attr,
                                   .config = tracepoint(),
                                   .disabled = 1, /* until there is the filter */
                                   .inherit = inherit};
    int counter;

    if (!attr.config)
        return -1;
    counter = (int)syscall(SYS_perf_event_open, &attr, pid, -1, -1, PERF_FLAG_FD_CLOEXEC);
    if (counter >= 0 && (ioctl(counter, PERF_EVENT_IOC_SET_FILTER, filter) ||
                         ioctl(counter, PERF_EVENT_IOC_ENABLE, 0)))
        FAIL("perf filter: %s", strerror(errno));
    return counter;
}

int process_count_one(pid_t thread, const char *which)
{
    return count(thread, false, which);
}

int process_count_start(const hl_sandbox *box, const char *which)
{
    const pid_t template = process_template_of(box);
    char filter[80];

    snprintf(filter, sizeof filter, "common_pid != %d && %s", template, which);
    return count(template, true, filter);
}

uint64_t process_count(int counter)
{
    uint64_t count = 0;

    if (read(counter, &count, sizeof count) != sizeof count)
        FAIL("perf counter: %s", strerror(errno));
    return count;
}
