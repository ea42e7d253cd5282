/* SPDX-License-Identifier: Apache-2.0 */
/* Children: born, stopped, filled, set going, ended. */
#include <asm/signal.h>
#include <linux/fcntl.h>
#include <linux/ptrace.h>
#include <linux/uio.h>

#include "tracer_inside.h"

enum { SIG_KILL = 9, XSTATE = 0x202 /* NT_X86_XSTATE */, XSTATE_MAX = 16384 };
enum { ERROR_SEARCH = 3, ERROR_MEMORY = 12, ERROR_FAULT = 14 };

struct child children[TRACER_SLOTS];

static _Alignas(64) uint8_t clean[XSTATE_MAX];
static size_t clean_size;

/* struct user_regs_struct of <sys/user.h>. */
struct registers {
    uint64_t r15, r14, r13, r12, rbp, rbx, r11, r10, r9, r8, rax, rcx, rdx, rsi, rdi, orig_rax;
    uint64_t rip, cs, eflags, rsp, ss, fs_base, gs_base, ds, es, fs, gs;
};

void child_learn_state(void)
{
    struct iovec area = {clean, sizeof clean};

    clean_size = SYS(ptrace, PTRACE_GETREGSET, template_pid, XSTATE, &area) ? 0 : area.iov_len;
}

void child_forget(uint32_t slot)
{
    if (children[slot].pagemap)
        SYS(close, children[slot].pagemap - 1);
    children[slot] = (struct child){0, CHILD_NONE, 0, false};
}

/* ---- Beginning and ending --------------------------------------------------------- */

long child_kill(uint32_t slot)
{
    const int pid = children[slot].pid;
    int status = 0;
    long found;

    if (!pid)
        return 0;
    SYS(kill, pid, SIG_KILL);
    do
        found = SYS(wait4, pid, &status, WAIT_ALL, 0);
    while (found == pid && status_stopped(status));
    child_forget(slot);
    return found == pid ? 0 : found;
}

/* A second fence around system calls from outside the gate's page, where the
 * kernel has it (Linux 6.4): it also holds for the two calls that no filter sees
 * (uretprobe, uprobe). */
static void fence(int pid)
{
    const struct {
        uint64_t mode, selector, offset, size;
    } on = {1, 0, HEAD->gate, TRACER_PAGE};

    if (!SYS(ptrace, 0x4210 /* PTRACE_SET_SYSCALL_USER_DISPATCH_CONFIG */, pid, sizeof on, &on))
        HEAD->fences |= TRACER_DISPATCH;
}

static void order(uint32_t slot)
{
    __atomic_store_n(&HEAD->order, slot + 1, __ATOMIC_RELEASE);
    futex_wake(&HEAD->order);
}

/* What the template says when it could not: an errno in RAX. */
static long refusal(void)
{
    struct registers registers;
    const long result = SYS(ptrace, PTRACE_GETREGS, template_pid, 0, &registers);

    SYS(ptrace, PTRACE_CONT, template_pid, 0, 0);
    return result ? result : (long)registers.rax;
}

/* A child begins with one stop, and its RIP in the template's code, which it
 * does not have: it cannot run anything before its registers are written. */
long child_bear(uint32_t slot)
{
    int status;
    long pid;

    if (children[slot].pid)
        return 0;
    order(slot);
    for (;;) {
        pid = SYS(wait4, -1, &status, WAIT_ALL, 0);
        if (pid < 0)
            return pid;
        if (pid == template_pid && status_stopped(status))
            return refusal();
        if (status >> 16 == EVENT_STOP && event_slot((int)pid) < 0)
            break;
        event_handle((int)pid, status);
    }
    children[slot] = (struct child){(int)pid, CHILD_STOPPED, 0, true};
    fence((int)pid);
    slot_at(slot)->event.kind = TRACER_NONE;
    return 0;
}

/* ---- Stopping and going on ----------------------------------------------------------- */

/* The kernel says that it is stopped: nothing of it runs. */
static long stop(uint32_t slot)
{
    const int pid = children[slot].pid;
    int status;
    long found = SYS(ptrace, PTRACE_INTERRUPT, pid, 0, 0);

    while (!found && children[slot].state == CHILD_RUNS) {
        found = SYS(wait4, pid, &status, WAIT_ALL, 0);
        if (found != pid)
            return found < 0 ? found : -ERROR_SEARCH;
        found = 0;
        if (status >> 16 == EVENT_STOP)
            children[slot].state = CHILD_STOPPED;
        else
            event_handle(pid, status); /* a fault, a signal, its death: before that */
    }
    return found;
}

long child_stop(uint32_t slot)
{
    struct registers registers;
    long result = 0;

    if (children[slot].state == CHILD_RUNS)
        result = stop(slot);
    if (!result && !children[slot].pid)
        result = -ERROR_SEARCH;
    if (!result)
        result = SYS(ptrace, PTRACE_GETREGS, children[slot].pid, 0, &registers);
    if (!result)
        slot_at(slot)->stack = registers.rsp;
    return result;
}

long child_reset(uint32_t slot)
{
    const struct tracer_slot *from = slot_at(slot);
    const struct registers registers = {
        .rip = from->rip,
        .rsp = from->rsp,
        .rdi = from->rdi,
        .eflags = from->rflags,
        .cs = 0x33,
        .ss = 0x2b,
        .orig_rax = ~0ull, /* no system call to restart */
    };
    struct iovec area = {clean, clean_size};
    long result = SYS(ptrace, PTRACE_SETREGS, children[slot].pid, 0, &registers);

    if (!result && !children[slot].fresh)
        result = SYS(ptrace, PTRACE_SETREGSET, children[slot].pid, XSTATE, &area);
    return result;
}

long child_go(uint32_t slot)
{
    long result = 0;

    if (!children[slot].pid)
        return -ERROR_SEARCH;
    if (children[slot].state == CHILD_STOPPED)
        result = SYS(ptrace, PTRACE_CONT, children[slot].pid, 0, 0);
    if (!result)
        children[slot].state = CHILD_RUNS;
    children[slot].fresh = false;
    return result;
}

/* ---- Pages --------------------------------------------------------------------------- */

static bool guest_may_write(uint64_t address)
{
    uint32_t i;

    for (i = 0; i < HEAD->region_count; i++)
        if (address - HEAD->regions[i].address < HEAD->regions[i].size)
            return HEAD->regions[i].access & TRACER_WRITE;
    return false;
}

/* Without /proc: eight bytes at a time. */
static long poke(int pid, uint64_t address, const uint8_t *bytes)
{
    long result = 0;
    uint32_t i;

    for (i = 0; !result && i < TRACER_PAGE; i += 8)
        result = SYS(ptrace, PTRACE_POKEDATA, pid, address + i,
                     *(const uint64_t *)(const void *)(bytes + i));
    return result;
}

/* Memory that the guest may only read. */
static long write_closed(uint32_t slot, uint64_t address, const uint8_t *bytes)
{
    long fd = proc_open(children[slot].pid, "/mem", O_RDWR), n;

    if (fd < 0)
        return poke(children[slot].pid, address, bytes);
    n = SYS(pwrite64, fd, bytes, TRACER_PAGE, address);
    SYS(close, fd);
    return n == TRACER_PAGE ? 0 : poke(children[slot].pid, address, bytes);
}

long child_load(uint32_t slot)
{
    struct tracer_slot *from = slot_at(slot);
    struct iovec local[TRACER_BATCH], remote[TRACER_BATCH];
    const uint32_t count = from->count;
    long result = 0, wanted = 0;
    uint32_t n = 0, i;

    for (i = 0; i < count && i < TRACER_BATCH; i++) {
        if (!guest_may_write(from->address[i])) {
            result = write_closed(slot, from->address[i], from->pages[i]);
            if (result)
                return result;
            continue;
        }
        local[n] = (struct iovec){from->pages[i], TRACER_PAGE};
        remote[n++] = (struct iovec){(void *)from->address[i], TRACER_PAGE};
        wanted += TRACER_PAGE;
    }
    if (n)
        result = SYS(process_vm_writev, children[slot].pid, local, n, remote, n, 0);
    return result < 0 ? result : result == wanted || !n ? 0 : -ERROR_MEMORY;
}

long child_store(uint32_t slot)
{
    struct tracer_slot *to = slot_at(slot);
    struct iovec local[TRACER_BATCH], remote[TRACER_BATCH];
    uint32_t n;
    long result;

    for (n = 0; n < to->count && n < TRACER_BATCH; n++) {
        local[n] = (struct iovec){to->pages[n], TRACER_PAGE};
        remote[n] = (struct iovec){(void *)to->address[n], TRACER_PAGE};
    }
    if (!n)
        return 0;
    result = SYS(process_vm_readv, children[slot].pid, local, n, remote, n, 0);
    return result < 0 ? result : result == (long)n * TRACER_PAGE ? 0 : -ERROR_FAULT;
}
