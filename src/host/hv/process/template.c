/* SPDX-License-Identifier: Apache-2.0 */
/* The template: guest memory as it begins, locked down, forked for each sandbox. */
#include <linux/futex.h>
#include <linux/mman.h>
#include <linux/prctl.h>
#include <linux/ptrace.h>
#include <linux/resource.h>

#include "template_calls.h"
#include "tracer_inside.h"

int template_pid;

enum { SIGNAL_CHILD = 17, SIGNAL_TRAP = 5 };
#define ADDRESS_END 0x7ffffffff000ull

/* ---- In the template -------------------------------------------------------------- */

static _Noreturn void fail(enum tracer_start where, long error)
{
    HEAD->trouble = where;
    HEAD->error = (int32_t)-error;
    sys_leave(1);
}

static void check(enum tracer_start where, long result)
{
    if (result < 0 && result > -4096)
        fail(where, result);
}

/* Tells the tracer something, in RAX: it sees the trap. */
static void report(long value)
{
    __asm__ volatile("int3" ::"a"(value) : "memory");
}

static int protection(uint32_t access)
{
    return (access & TRACER_READ ? PROT_READ : 0) | (access & TRACER_WRITE ? PROT_WRITE : 0) |
           (access & TRACER_EXECUTE ? PROT_EXEC : 0);
}

static void map_region(const struct tracer_region *region)
{
    const int flags = MAP_PRIVATE | MAP_FIXED | MAP_NORESERVE |
                      (region->share < 0 ? MAP_ANONYMOUS : 0);
    const int fd = region->share < 0 ? -1 : HEAD->shares[region->share];

    check(TRACER_MEMORY, SYS(mmap, region->address, region->size, protection(region->access), flags,
                             fd, region->offset));
}

static void map_gate(void)
{
    uint64_t i;

    check(TRACER_MEMORY, SYS(mmap, HEAD->gate, TRACER_PAGE, PROT_READ | PROT_WRITE,
                             MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0));
    for (i = 0; i < TRACER_PAGE; i++)
        ((uint8_t *)HEAD->gate)[i] = HEAD->gate_page[i];
    check(TRACER_MEMORY, SYS(mprotect, HEAD->gate, TRACER_PAGE, PROT_READ | PROT_EXEC));
}

/* A copy of a part of the arena has its protection: what guests cannot write is
 * mapped so here already. */
static void map_arena(void)
{
    const uint64_t start = tracer_arena_requests(HEAD, 0), end = tracer_arena_replies(HEAD, 0);

    check(TRACER_MEMORY, SYS(mmap, TRACER_ARENA + start, end - start, PROT_READ,
                             MAP_SHARED | MAP_FIXED | MAP_NORESERVE, HEAD->arena, start));
}

/* Children get guest memory and nothing else: not even the code that made them.
 * Ranges with holes are an error, and are done all the same. */
static void limit_inheritance(void)
{
    const struct tracer_region *region = HEAD->regions;
    long result = SYS(madvise, 0, ADDRESS_END, MADVISE_DONTFORK);
    uint32_t i;

    check(TRACER_INHERIT, result == -12 ? 0 : result); /* ENOMEM */
    for (i = 0; i < HEAD->region_count; i++, region++)
        check(TRACER_INHERIT, SYS(madvise, region->address, region->size, MADVISE_DOFORK));
    check(TRACER_INHERIT, SYS(madvise, HEAD->gate, TRACER_PAGE, MADVISE_DOFORK));
}

static void last_to_live(void)
{
    const long fd = SYS(openat, -100, "/proc/self/oom_score_adj", 1 /* O_WRONLY */);

    if (fd >= 0)
        SYS(write, fd, "1000", 4);
}

static void limit_self(void)
{
    const uint64_t none[2] = {0, 0};
    const struct {
        void *sp;
        int flags, pad;
        size_t size;
    } no_stack = {0, 2 /* SS_DISABLE */, 0, 0};

    SYS(prctl, PR_SET_NAME, "hl-guest");
    last_to_live();
    SYS(sigaltstack, &no_stack);
    check(TRACER_LIMITS, SYS(prctl, PR_SET_NO_NEW_PRIVS, 1));
    fence_landlock();
    SYS(prctl, PR_SET_THP_DISABLE, 1); /* what a guest wrote is counted in small pages */
    SYS(prctl, PR_SET_SPECULATION_CTRL, PR_SPEC_STORE_BYPASS, PR_SPEC_FORCE_DISABLE);
    SYS(prctl, PR_SET_SPECULATION_CTRL, PR_SPEC_INDIRECT_BRANCH, PR_SPEC_FORCE_DISABLE);
    check(TRACER_LIMITS, SYS(prlimit64, 0, RLIMIT_CORE, none));
    check(TRACER_LIMITS, SYS(prlimit64, 0, RLIMIT_NOFILE, none));
    check(TRACER_LIMITS, SYS(close_range, 0, ~0u, 0));
}

static long move(uint64_t from, uint64_t size, uint64_t to,
                 long (*call)(long, long, long, long, long, long))
{
    return call((long)from, 0, (long)size, MREMAP_MAYMOVE | MREMAP_FIXED, (long)to, 0);
}

/* Puts a slot's memory where its child will have it. */
static long take_slot(uint64_t slot)
{
    const uint64_t requests = TRACER_ARENA + tracer_arena_requests(HEAD, slot);
    const uint64_t replies = TRACER_ARENA + tracer_arena_replies(HEAD, slot);
    long result = move(TRACER_ARENA + slot * TRACER_PAGE, TRACER_PAGE, TRACER_WORDS,
                       template_words);

    if (result > 0)
        result = move(requests, HEAD->requests_size, HEAD->requests, template_requests);
    if (result > 0)
        result = move(replies, HEAD->replies_size, HEAD->replies, template_replies);
    if (result < 0)
        return result;
    template_fork_words(TRACER_WORDS, TRACER_PAGE, MADVISE_DOFORK, 0, 0, 0);
    template_fork_requests((long)HEAD->requests, (long)HEAD->requests_size, MADVISE_DOFORK, 0, 0,
                           0);
    template_fork_replies((long)HEAD->replies, (long)HEAD->replies_size, MADVISE_DOFORK, 0, 0, 0);
    return 0;
}

static _Noreturn void serve(void)
{
    uint32_t order;
    long result;

    for (;;) {
        order = __atomic_load_n(&HEAD->order, __ATOMIC_ACQUIRE);
        if (!order) {
            template_futex((long)&HEAD->order, FUTEX_WAIT, 0, 0, 0, 0);
            continue;
        }
        HEAD->order = 0;
        result = take_slot(order - 1);
        if (!result)
            result = template_clone(CLONE_CHILD, 0, 0, 0, 0, 0);
        if (result < 0)
            report(result);
    }
}

static _Noreturn void run(void)
{
    const uint64_t none = 0;
    uint32_t i;

    SYS(rt_sigprocmask, 2 /* SIG_SETMASK */, &none, 0, 8);
    SYS(setsid, 0);
    for (i = 0; i < HEAD->region_count; i++)
        map_region(&HEAD->regions[i]);
    map_gate();
    map_arena();
    limit_inheritance();
    limit_self();
    while (!__atomic_load_n(&HEAD->go, __ATOMIC_ACQUIRE))
        SYS(futex, &HEAD->go, FUTEX_WAIT, 0);
    check(TRACER_FILTER, filter_install());
    report(0);
    serve();
}

/* ---- In the tracer --------------------------------------------------------------------- */

static bool failed(enum tracer_start where, long error)
{
    HEAD->error = (int32_t)-error;
    HEAD->state = where;
    return false;
}

/* It stops once it is locked down. */
static bool await_ready(void)
{
    int status = 0;
    long pid = SYS(wait4, template_pid, &status, WAIT_ALL, 0);

    while (pid == template_pid && status_stopped(status) && status >> 8 != SIGNAL_TRAP) {
        SYS(ptrace, PTRACE_CONT, template_pid, 0, 0);
        pid = SYS(wait4, template_pid, &status, WAIT_ALL, 0);
    }
    if (pid == template_pid && status_stopped(status))
        return true;
    HEAD->state = HEAD->trouble ? HEAD->trouble : TRACER_LOST;
    return false;
}

bool template_start(void)
{
    long result = SYS(clone, SIGNAL_CHILD, 0, 0, 0, 0);

    if (!result)
        run();
    if (result < 0)
        return failed(TRACER_FORK, result);
    template_pid = (int)result;
    result = SYS(ptrace, PTRACE_SEIZE, template_pid, 0, PTRACE_O_EXITKILL);
    if (result < 0)
        return failed(TRACER_TRACE, result);
    __atomic_store_n(&HEAD->go, 1, __ATOMIC_RELEASE);
    futex_wake(&HEAD->go);
    if (!await_ready())
        return false;
    child_learn_state();
    SYS(ptrace, PTRACE_CONT, template_pid, 0, 0);
    return true;
}
