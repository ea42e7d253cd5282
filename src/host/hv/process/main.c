/* SPDX-License-Identifier: Apache-2.0 */
/* The tracer: starts the template, then does what hosts order and children do. */
#include <asm/signal.h>
#include <linux/futex.h>
#include <linux/mman.h>
#include <linux/poll.h>
#include <linux/prctl.h>

#include "tracer_inside.h"

enum { SIG_CHILD = 17, SIG_ORDER = 10 /* SIGUSR1 */, SIG_KILLED = 9 };

void futex_wake(uint32_t *word)
{
    SYS(futex, word, FUTEX_WAKE, 1);
}

/* ---- The end ---------------------------------------------------------------------- */

_Noreturn void tracer_end(void)
{
    int status;
    uint32_t i;

    for (i = 0; i < HEAD->slot_count; i++)
        if (children[i].pid)
            SYS(kill, children[i].pid, SIG_KILLED);
    if (template_pid)
        SYS(kill, template_pid, SIG_KILLED);
    fence_end();
    while (SYS(wait4, -1, &status, WAIT_ALL, 0) > 0)
        ;
    sys_leave(0);
}

/* A thread that sleeps until the host is gone. */
static void watch_host(void)
{
    struct pollfd host = {HEAD->host, POLLIN, 0};

    while (SYS(poll, &host, 1, -1) <= 0)
        ;
    __atomic_store_n(&HEAD->quit, 1, __ATOMIC_SEQ_CST);
    SYS(kill, SYS(getpid, 0), SIG_ORDER);
    for (;;)
        SYS(pause, 0);
}

/* ---- Orders ------------------------------------------------------------------------- */

static long (*const steps[])(uint32_t slot) = {child_kill, child_stop,  child_dirty, child_bear,
                                               child_load, child_store, child_reset, child_go};

static void serve(uint32_t slot)
{
    struct tracer_slot *from = slot_at(slot);
    const uint32_t wanted = from->steps;
    long error = 0;
    uint32_t i;

    for (i = 0; !error && i < sizeof steps / sizeof steps[0]; i++)
        if (wanted >> i & 1)
            error = steps[i](slot);
    if (error && wanted & TRACER_GO) {
        event_failure(slot, 1u << (i - 1), error);
    } else if (!(wanted & TRACER_GO)) {
        from->error = (int32_t)-error;
        from->step = error ? 1u << (i - 1) : 0;
        __atomic_store_n(&from->done, 1, __ATOMIC_SEQ_CST);
        futex_wake(&from->done);
    }
}

static void serve_all(void)
{
    uint64_t rest;
    uint32_t i;

    for (i = 0; i < TRACER_SLOTS / 64; i++)
        for (rest = __atomic_exchange_n(&HEAD->pending[i], 0, __ATOMIC_ACQ_REL); rest;
             rest &= rest - 1)
            serve(i * 64 + (uint32_t)__builtin_ctzll(rest));
}

static _Noreturn void loop(uint64_t signals)
{
    int status = 0;
    long pid;

    for (;;) {
        for (;;) {
            pid = SYS(wait4, -1, &status, WAIT_ALL | WAIT_NOHANG, 0);
            if (pid <= 0)
                break;
            event_handle((int)pid, status);
        }
        if (__atomic_load_n(&HEAD->quit, __ATOMIC_SEQ_CST))
            tracer_end();
        serve_all();
        SYS(rt_sigtimedwait, &signals, 0, 0, 8);
    }
}

/* ---- The beginning --------------------------------------------------------------------- */

static void keep(int wanted[], uint32_t *count, int fd)
{
    uint32_t at = (*count)++;

    for (; at && wanted[at - 1] > fd; at--)
        wanted[at] = wanted[at - 1];
    wanted[at] = fd;
}

/* What the host's process had open besides is none of ours. */
static void close_others(void)
{
    int wanted[TRACER_SHARES + 2], next = 0;
    uint32_t count = 0, i;

    keep(wanted, &count, HEAD->arena);
    keep(wanted, &count, HEAD->host);
    for (i = 0; i < HEAD->share_count; i++)
        keep(wanted, &count, HEAD->shares[i]);
    for (i = 0; i < count; i++) {
        if (wanted[i] > next)
            SYS(close_range, next, wanted[i] - 1, 0);
        next = wanted[i] + 1;
    }
    SYS(close_range, next, ~0u, 0);
}

static int number(const char *text)
{
    int value = 0;

    while (*text >= '0' && *text <= '9')
        value = value * 10 + (*text++ - '0');
    return value;
}

/* Its turn comes at once: a child that spins on the same processor would keep
 * it waiting for milliseconds. Not for its children, which inherit it. */
static void hurry(void)
{
    const struct {
        uint32_t size, policy;
        uint64_t flags;
        int32_t nice;
        uint32_t priority;
        uint64_t runtime, deadline, period;
    } slice = {48, 0, 0, (int32_t)(20 - SYS(getpriority, 0, 0)), 0, 100000, 0, 0};

    if (SYS(sched_getscheduler, 0) == 0 /* SCHED_OTHER */)
        SYS(sched_setattr, 0, &slice, 0);
}

/* Does /proc name processes as we do? In a namespace of processes that has the
 * /proc of another, a number is somebody else there. */
bool proc_is_ours;

static void look_at_proc(void)
{
    char self[16];
    const long n = SYS(readlink, "/proc/self", self, sizeof self - 1);

    self[n > 0 ? n : 0] = 0;
    proc_is_ours = n > 0 && number(self) == SYS(getpid, 0);
}

static long map_shared(void)
{
    return SYS(mmap, TRACER_ARENA, tracer_arena_size(HEAD), PROT_READ | PROT_WRITE,
               MAP_SHARED | MAP_FIXED | MAP_NORESERVE, HEAD->arena, 0);
}

static void map_control(long fd)
{
    const uint64_t size = TRACER_HEAD_SIZE;
    long at = SYS(mmap, TRACER_CONTROL, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED, fd,
                  0);

    if (at > 0)
        at = SYS(mmap, TRACER_CONTROL, TRACER_CONTROL_SIZE(HEAD->slot_count),
                 PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED | MAP_NORESERVE, fd, 0);
    if (at < 0)
        sys_leave(2);
}

/* Unmaps all of a range but what the kernel has sealed. */
static void unmap(uint64_t start, uint64_t end)
{
    const uint64_t middle = start + (end - start) / 2 / TRACER_PAGE * TRACER_PAGE;

    if (!SYS(munmap, start, end - start) || end - start == TRACER_PAGE)
        return;
    unmap(start, middle);
    unmap(middle, end);
}

/* What a tracer has that was forked from the application and never exec'd: its
 * memory, and in its registers whatever was there. */
static void shed(void)
{
    static _Alignas(64) struct {
        uint8_t legacy[24];
        uint32_t mxcsr;
        uint8_t rest[16384 - 28];
    } initial; /* all zero but for one word, so not part of the program's file */

    initial.mxcsr = 0x1f80;
    unmap(TRACER_PAGE * 16, TRACER_ARENA);
    unmap(TRACER_ARENA, TRACER_CONTROL);
    unmap(TRACER_CONTROL, TRACER_STACK);
    unmap(TRACER_TEXT_END, 0x7ffffffff000);
    __asm__ volatile("xrstor64 %0" ::"m"(initial), "a"(-1), "d"(-1) : "memory");
    SYS(prctl, PR_SET_DUMPABLE, 1);
}

static uint64_t take_signals(void)
{
    const uint64_t all = ~0ull, wanted = 1ull << (SIG_CHILD - 1) | 1ull << (SIG_ORDER - 1);
    const uint64_t preset[4] = {0, 0, 0, 0}; /* struct sigaction: SIG_DFL */
    int i;

    SYS(rt_sigprocmask, 2 /* SIG_SETMASK */, &all, 0, 8);
    for (i = 1; i <= 64; i++) /* SIGCHLD ignored would reap behind our back */
        SYS(rt_sigaction, i, preset, 0, 8);
    return wanted;
}

static void tell(enum tracer_start state)
{
    __atomic_store_n(&HEAD->state, state, __ATOMIC_SEQ_CST);
    futex_wake(&HEAD->state);
}

static void need(enum tracer_start what, long result)
{
    if (result >= 0)
        return;
    HEAD->error = (int32_t)-result;
    tell(what);
    tracer_end();
}

/* stack: argc, then argv, as the kernel leaves them; the one argument is the
 * descriptor of the control memory. */
__attribute__((used)) _Noreturn void tracer_main(const long *stack)
{
    static _Alignas(16) uint8_t watcher[8192];
    const uint64_t signals = take_signals();

    if (stack[0] < 2)
        sys_leave(2);
    if (stack[0] > 2)
        shed();
    map_control(number((const char *)stack[2]));
    close_others();
    look_at_proc();
    SYS(setsid, 0);
    SYS(prctl, PR_SET_NAME, "hl-tracer");
    need(TRACER_MEMORY, map_shared());
    fence_user();
    need(TRACER_FORK, thread_start(watcher + sizeof watcher, THREAD_FLAGS, watch_host));
    need(TRACER_FORK, fence_namespaces());
    if (!template_start()) {
        tell(HEAD->state);
        tracer_end();
    }
    hurry();
    tell(TRACER_READY);
    loop(signals);
}
