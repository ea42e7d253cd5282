/* SPDX-License-Identifier: Apache-2.0 */
/* What happens to children: told to whoever waits for them. */
#include <asm/siginfo.h>
#include <linux/ptrace.h>

#include "tracer_inside.h"

enum { SIG_ILL = 4, SIG_TRAP = 5, SIG_BUS = 7, SIG_FPE = 8, SIG_SEGV = 11, SIG_SYS = 31 };

int event_slot(int pid)
{
    int i;

    for (i = 0; i < (int)HEAD->slot_count; i++)
        if (children[i].pid == pid)
            return i;
    return -1;
}

void event_tell(uint32_t slot, enum tracer_event_kind kind)
{
    struct tracer_words *words = words_at(slot);

    __atomic_store_n(&slot_at(slot)->event.kind, kind, __ATOMIC_SEQ_CST);
    __atomic_store_n(&words->answer, 1, __ATOMIC_SEQ_CST);
    futex_wake(&words->answer);
}

void event_failure(uint32_t slot, uint32_t step, long error)
{
    slot_at(slot)->error = (int32_t)-error;
    slot_at(slot)->step = step;
    event_tell(slot, TRACER_FAILURE);
}

static bool x87_pending(int pid)
{
    struct { /* struct user_fpregs_struct of <sys/user.h> */
        uint16_t control, status;
        uint8_t rest[508];
    } state;

    return !SYS(ptrace, PTRACE_GETFPREGS, pid, 0, &state) && (state.status & ~state.control & 0x3f);
}

static uint64_t rip(int pid)
{
    long value = 0;

    SYS(ptrace, PTRACE_PEEKUSR, pid, 16 * 8 /* its place in struct user */, &value);
    return (uint64_t)value;
}

/* The kernel raised it for what the child did; what some process has sent is
 * swallowed. */
static void signalled(uint32_t slot, int pid, int signal)
{
    struct tracer_event *event = &slot_at(slot)->event;
    siginfo_t info;

    if (SYS(ptrace, PTRACE_GETSIGINFO, pid, 0, &info))
        return; /* it has just died */
    if (info.si_code <= 0 || (signal != SIG_ILL && signal != SIG_TRAP && signal != SIG_BUS &&
                              signal != SIG_FPE && signal != SIG_SEGV && signal != SIG_SYS)) {
        SYS(ptrace, PTRACE_CONT, pid, 0, 0);
        return;
    }
    children[slot].state = CHILD_STOPPED;
    event->signal = signal;
    event->code = info.si_code;
    event->rip = rip(pid);
    event->address = (uint64_t)info.si_addr;
    event->x87 = signal == SIG_FPE && x87_pending(pid);
    if (signal == SIG_SYS) {
        event->call = info.si_syscall;
        event->arch = info.si_arch;
        event->address = (uint64_t)info.si_call_addr;
    }
    event_tell(slot, TRACER_SIGNAL);
}

static void died(uint32_t slot, int status)
{
    child_forget(slot);
    slot_at(slot)->event.signal = status & 0x7f;
    event_tell(slot, TRACER_DEATH);
}

void event_handle(int pid, int status)
{
    const int slot = event_slot(pid);

    if (pid == template_pid && !status_stopped(status)) {
        template_pid = 0;
        tracer_end();
    }
    if (slot < 0) {
        if (status_stopped(status))
            SYS(ptrace, PTRACE_CONT, pid, 0, 0);
        return;
    }
    if (!status_stopped(status))
        died((uint32_t)slot, status);
    else if (status >> 16) /* a stop that came after its reason had gone */
        SYS(ptrace, PTRACE_CONT, pid, 0, 0);
    else
        signalled((uint32_t)slot, pid, status >> 8 & 0xff);
}
