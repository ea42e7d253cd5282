/* SPDX-License-Identifier: Apache-2.0 */
/* A host's life: it forks, it is killed, it runs out of things; nothing is lost, nothing left. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "held.h"
#include "vm.h"

static uint64_t random_state = 0x9e3779b97f4a7c15;
static uint32_t random32(uint32_t below)
{
    random_state ^= random_state << 13;
    random_state ^= random_state >> 7;
    random_state ^= random_state << 17;
    return (uint32_t)(random_state >> 20) % below;
}

/* ---- One life of a sandbox, with whatever goes wrong in it --------------------------- */

static int failures;

/* What may fail, fails with a name of these kinds only. */
static bool made(hl_status status, const hl_error *err, const void *object)
{
    if (status == HL_OK)
        return true;
    if (object || err->status != status || !*err->text)
        FAIL("status %d, error %d \"%s\", and an object", status, err->status, err->text);
    if (status != HL_E_SYSTEM && status != HL_E_MEMORY)
        FAIL("%d, %s", status, err->text);
    failures++;
    return false;
}

static void use(hl_sandbox *box)
{
    static const char *const ends[] = {"Count",     "Count", "Undefined", "NullPointer",
                                       "LibcAbort", "Halt",  "Nothing",   "Spin"};
    const char *function = ends[random32(8)];
    hl_error err;

    if (hl_sandbox_set_deadline(box, strcmp(function, "Spin") ? 0 : 500, &err)) {
        made(err.status, &err, NULL); /* no thread for the watcher */
        return;
    }
    if (hl_sandbox_call(NULL, box, function, NULL, 0, &err))
        CHECK_INT(hl_sandbox_state(box), HL_POISONED);
}

static void live(const hl_guest *guest)
{
    hl_config config = {.struct_size = sizeof config, .no_reuse = random32(8) == 0};
    hl_snapshot *snapshot = NULL;
    hl_sandbox *box, *clone = NULL;
    hl_error err;
    hl_status status = hl_sandbox_create(&box, guest, NULL, &config, &err);

    if (!made(status, &err, box))
        return;
    if (random32(2)) {
        made(hl_snapshot_take(&snapshot, box, &err), &err, snapshot);
        use(box);
    }
    if (snapshot && random32(2) && hl_sandbox_restore(box, snapshot, &err))
        CHECK(err.status == HL_E_SYSTEM || err.status == HL_E_MEMORY);
    if (snapshot && random32(2) &&
        made(hl_sandbox_create_from(&clone, snapshot, NULL, NULL, &err), &err, clone))
        use(clone);
    hl_sandbox_destroy(clone);
    hl_snapshot_release(snapshot);
    if (hl_sandbox_state(box) == HL_READY)
        use(box);
    hl_sandbox_destroy(box);
}

/* ---- Running out ---------------------------------------------------------------------- */

static uint64_t address_space(void)
{
    FILE *file = fopen("/proc/self/statm", "r");
    unsigned long long pages = 0;

    CHECK(file && fscanf(file, "%llu", &pages) == 1);
    fclose(file);
    return pages * 4096;
}

/* A little more than there is now of one thing or the other. */
static void lower(int resource, const struct rlimit *whole)
{
    struct rlimit limit = *whole;

    limit.rlim_cur = resource == RLIMIT_NOFILE ? (rlim_t)held_entries("/proc/self/fd") + random32(5)
                                               : address_space() + ((uint64_t)random32(100) << 20);
    CHECK_INT(setrlimit(resource, &limit), 0);
}

/* Lives in which descriptors or address space may run out at any step. */
TEST_LIMIT(life_with_random_failures, 3600)
{
    static const int resources[] = {RLIMIT_NOFILE, RLIMIT_AS};
    const int lives = test_full() ? 100000 : 800;
    hl_guest *guest = vm_guest("simple");
    struct rlimit whole[2];
    struct held before = {0};
    int i, which;

#ifdef __SANITIZE_ADDRESS__
    if (vm_hypervisor() == HL_HYPERVISOR_PROCESS)
        test_skip("a thread that the sanitizer cannot find memory for ends the process");
#endif
    for (i = 0; i < 2; i++)
        CHECK_INT(getrlimit(resources[i], &whole[i]), 0);
    for (i = -300; i < lives; i++) {
        if (i == 0) {
            hl_cache_trim(0);
            before = held_now();
        }
        which = (int)random32(2);
        if (random32(4) == 0) {
            hl_cache_trim(0);
            lower(resources[which], &whole[which]);
        }
        live(guest);
        CHECK_INT(setrlimit(resources[which], &whole[which]), 0);
    }
    held_check(&before);
    CHECK(failures > lives / 50);
    failures = 0;
    live(guest);
    CHECK_INT(failures, 0);
    hl_guest_release(guest);
}

/* ---- Forked ----------------------------------------------------------------------------- */

static void refused(hl_status status, const hl_error *err, const char *what)
{
    CHECK_INT(status, HL_E_STATE);
    CHECK_INT(err->status, HL_E_STATE);
    CHECK_HAS(err->text, what);
    CHECK_HAS(err->text, ": the sandbox belongs to the process that forked this one");
}

/* Everything that there is to do with a sandbox, but asking it. */
static void try_inherited(hl_sandbox *box, hl_function *function, const hl_snapshot *snapshot)
{
    hl_snapshot *none;
    hl_error err;

    refused(hl_sandbox_call(NULL, box, "Count", NULL, 0, &err), &err, "Count");
    refused(hl_function_call(NULL, function, NULL, 0, &err), &err, "Count");
    refused(hl_snapshot_take(&none, box, &err), &err, "hl_snapshot_take");
    CHECK(!none);
    refused(hl_sandbox_restore(box, snapshot, &err), &err, "hl_sandbox_restore");
    refused(hl_sandbox_set_deadline(box, 1000, &err), &err, "hl_sandbox_set_deadline");
    CHECK(!hl_interrupt_stop(hl_sandbox_interrupt(box)));
    CHECK_INT(hl_sandbox_state(box), HL_READY);
    hl_sandbox_destroy(box);
}

/* Its own sandboxes are like any other's, deadlines included. */
static void try_own(const hl_guest *guest, const hl_snapshot *snapshot)
{
    hl_sandbox *box;
    hl_error err;

    CHECK_INT(hl_sandbox_create(&box, guest, NULL, NULL, &err), HL_OK);
    CHECK_INT(vm_call(box, "Count", NONE).as.i32, 1);
    hl_sandbox_set_deadline(box, 20000, NULL);
    vm_expect(HL_E_DEADLINE, NULL, box, "Spin", NONE, NULL);
    hl_sandbox_destroy(box);
    CHECK_INT(hl_sandbox_create_from(&box, snapshot, NULL, NULL, &err), HL_OK);
    CHECK_INT(vm_call(box, "Count", NONE).as.i32, 2);
    CHECK_INT(hl_sandbox_restore(box, snapshot, &err), HL_OK);
    hl_sandbox_destroy(box);
}

static void expect_well(pid_t child)
{
    int status;

    CHECK(child > 0);
    CHECK_INT(waitpid(child, &status, 0), child);
    CHECK_INT(status, 0);
}

TEST(life_of_a_forked_child)
{
    hl_config config = {.struct_size = sizeof config, .deadline_us = 30000000};
    hl_guest *guest = vm_guest("simple");
    hl_sandbox *box = vm_box("simple", NULL, &config), *mine;
    hl_function *function;
    hl_snapshot *snapshot;
    pid_t child;

    CHECK_INT(hl_sandbox_create(&mine, guest, NULL, NULL, NULL), HL_OK);
    CHECK_INT(hl_sandbox_find(&function, box, "Count", NULL), HL_OK);
    vm_call(mine, "Count", NONE);
    vm_call(box, "Count", NONE);
    CHECK_INT(hl_snapshot_take(&snapshot, mine, NULL), HL_OK);
    child = fork();
    if (!child) {
        try_inherited(box, function, snapshot);
        try_own(guest, snapshot);
        child = fork();
        if (!child)
            try_own(guest, snapshot);
        else
            expect_well(child);
        _exit(0);
    }
    CHECK_INT(vm_call(box, "Count", NONE).as.i32, 2);
    expect_well(child);
    CHECK_INT(vm_call(box, "Count", NONE).as.i32, 3);
    hl_sandbox_set_deadline(box, 20000, NULL);
    vm_expect(HL_E_DEADLINE, NULL, box, "Spin", NONE, NULL);
    hl_sandbox_destroy(box);
    hl_sandbox_destroy(mine);
    hl_snapshot_release(snapshot);
    hl_guest_release(guest);
}

static hl_status fork_here(hl_call *call, const hl_value args[], hl_value *ret)
{
    pid_t *child = hl_call_user(call);

    (void)args;
    *child = fork();
    *ret = hl_i32(7);
    return HL_OK;
}

/* The child of a host function comes back from it, and from the call. */
TEST(life_forked_off_in_a_host_function)
{
    pid_t child = -1;
    const hl_host_function table[] = {{"HostPrint", "i32(str)", fork_here, &child}};
    hl_host *host = vm_host(table, 1);
    hl_sandbox *box = vm_box("simple", host, NULL);
    const hl_value args[] = {hl_str("x")};
    hl_value ret;
    hl_error err;
    hl_status status = hl_sandbox_call(&ret, box, "Print", args, 1, &err);

    if (!child) {
        refused(status, &err, "HostPrint");
        hl_sandbox_destroy(box);
        _exit(0);
    }
    CHECK_INT(status, HL_OK);
    CHECK_INT(ret.as.i32, 7);
    expect_well(child);
    CHECK_INT(vm_call(box, "Count", NONE).as.i32, 1);
    hl_sandbox_destroy(box);
    hl_host_release(host);
}

/* What a sandbox has touched is gone with it, though a child of that time lives. */
TEST(life_of_a_child_keeps_no_memory)
{
    const hl_config config = {.struct_size = sizeof config, .heap_size = 128 << 20};
    hl_sandbox *box = vm_box("memory", NULL, &config);
    struct held before;
    int gate[2], status;
    char byte;
    pid_t child;

    hl_cache_trim(0);
    before = held_now();
    vm_call(box, "Fill", ARGS(hl_u32(0), hl_u32(16384), hl_u64(1)));
    if (vm_hypervisor() != HL_HYPERVISOR_PROCESS) /* else it is not this one that has it */
        CHECK(held_now().kib > before.kib + (60 << 10));
    CHECK_INT(pipe(gate), 0);
    child = fork();
    if (!child) {
        close(gate[1]);
        CHECK(read(gate[0], &byte, 1) == 0); /* until the parent has closed it */
        CHECK(held_now().kib < before.kib + (32 << 10));
        _exit(0);
    }
    close(gate[0]);
    hl_sandbox_destroy(box);
    hl_cache_trim(0);
    CHECK(held_now().kib < before.kib + (32 << 10));
    close(gate[1]);
    CHECK_INT(waitpid(child, &status, 0), child);
    CHECK_INT(status, 0);
}

/* ---- Killed ------------------------------------------------------------------------------ */

static char folder[] = "/tmp/hyperlight-test-XXXXXX";

static void live_and_save(const hl_guest *guest)
{
    char path[sizeof folder + 8];
    hl_snapshot *snapshot;
    hl_sandbox *box;
    hl_error err;

    snprintf(path, sizeof path, "%s/file", folder);
    for (;;) {
        live(guest);
        if (hl_sandbox_create(&box, guest, NULL, NULL, &err) ||
            hl_snapshot_take(&snapshot, box, &err) || hl_snapshot_save(snapshot, path, &err) ||
            unlink(path))
            FAIL("%s", err.text);
        hl_snapshot_release(snapshot);
        hl_sandbox_destroy(box);
    }
}

/* Removes what a killed writer may leave; anything else fails. */
static void sweep_folder(void)
{
    DIR *dir = opendir(folder);
    struct dirent *entry;

    CHECK(dir);
    for (entry = readdir(dir); entry; entry = readdir(dir))
        if (!strcmp(entry->d_name, "file") || !strncmp(entry->d_name, ".hyperlight-", 12))
            CHECK_INT(unlinkat(dirfd(dir), entry->d_name, 0), 0);
    closedir(dir);
    CHECK_INT(held_entries(folder), 0);
}

/* Processes of guests end with their host, and then are this one's to reap. */
static void expect_nobody(void)
{
    int tries;

    for (tries = 0; tries < 10000; tries++) {
        while (vm_hypervisor() == HL_HYPERVISOR_PROCESS && waitpid(-1, NULL, WNOHANG) > 0)
            ;
        if (waitpid(-1, NULL, WNOHANG) < 0 && errno == ECHILD)
            return;
        CHECK_INT(vm_hypervisor(), HL_HYPERVISOR_PROCESS);
        usleep(1000);
    }
    FAIL("processes of guests are left");
}

/* No process, no file but the one that SECURITY.md names. */
TEST_LIMIT(life_cut_short_leaves_nothing, 3600)
{
    const int rounds = test_full() ? 10000 : 60;
    hl_guest *guest = vm_guest("simple");
    struct held before;
    int round, status;
    pid_t pid;

    CHECK(mkdtemp(folder));
    CHECK_INT(prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0), 0); /* orphans would come here */
    before = held_now();
    for (round = 0; round < rounds; round++) {
        random_state += (uint64_t)round;
        pid = fork();
        CHECK(pid >= 0);
        if (!pid)
            live_and_save(guest);
        usleep(random32(1u << (9 + round % 7)));
        CHECK_INT(kill(pid, SIGKILL), 0);
        CHECK_INT(waitpid(pid, &status, 0), pid);
        CHECK(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
        expect_nobody();
        sweep_folder();
    }
    held_check(&before);
    CHECK_INT(rmdir(folder), 0);
    hl_guest_release(guest);
}
