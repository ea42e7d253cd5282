/* SPDX-License-Identifier: Apache-2.0 */
/* What the files of the tracer share. */
#ifndef HL_HOST_PROCESS_TRACER_INSIDE_H
#define HL_HOST_PROCESS_TRACER_INSIDE_H

#include <asm/ptrace.h>
#include <stdbool.h>

#include "sys.h"
#include "tracer.h"

#pragma GCC visibility push(hidden) /* of one program, without a table of addresses */

#define HEAD ((struct tracer_head *)TRACER_CONTROL)

static inline struct tracer_slot *slot_at(uint32_t i)
{
    return tracer_slot(HEAD, i);
}

static inline struct tracer_words *words_at(uint32_t i)
{
    return (struct tracer_words *)(TRACER_ARENA + (uint64_t)i * TRACER_PAGE);
}

void futex_wake(uint32_t *word);

/* Opens /proc/PID/`file`: a descriptor, or a negative errno. */
long proc_open(int pid, const char *file, int flags);
extern bool proc_is_ours; /* else it is not used */

/* A thread of the tracer, or a negative errno; entry.S. */
long thread_start(void *stack, long flags, void (*body)(void));
enum { THREAD_FLAGS = 0x100 | 0x200 | 0x400 | 0x800 | 0x10000 | 0x40000 };
/* CLONE_VM | CLONE_FS | CLONE_FILES | CLONE_SIGHAND | CLONE_THREAD | CLONE_SYSVSEM */

/* ---- The template (template.c, filter.c) ---------------------------------------- */

/* Makes and seizes it; HEAD->state and error say how that went. */
bool template_start(void);
extern int template_pid;
/* In the template: allows what it and its children need, and nothing else. */
long filter_install(void);
enum { CLONE_CHILD = 0x8000 | 0x2000 | 0x200 | 0x400 | 17 };
/* CLONE_PARENT | CLONE_PTRACE | CLONE_FS | CLONE_FILES | SIGCHLD */

/* ---- Further fences (fences.c): HEAD->fences says which there are -------------------- */

void fence_user(void); /* of the tracer, while it has one thread */
/* Of the tracer, when it makes no more threads. A negative errno: what it makes
 * from then on would be the first process of a namespace, which is to be another. */
long fence_namespaces(void);
void fence_end(void);      /* so that the tracer has no child left */
void fence_landlock(void); /* of the template, once it is without privileges to gain */

/* ---- Children (child.c, dirty.c) -------------------------------------------------- */

enum child_state { CHILD_NONE, CHILD_RUNS, CHILD_STOPPED };
struct child {
    int pid; /* 0: none */
    enum child_state state;
    int pagemap; /* a descriptor, plus 1; 0: not open */
    bool fresh;  /* it has not run: its XSAVE state is the template's */
};
extern struct child children[TRACER_SLOTS];

/* Each returns 0 or a negative errno. */
long child_kill(uint32_t slot);
long child_stop(uint32_t slot);
long child_bear(uint32_t slot);
long child_load(uint32_t slot);
long child_store(uint32_t slot);
long child_reset(uint32_t slot);
long child_go(uint32_t slot);
long child_dirty(uint32_t slot);
void child_forget(uint32_t slot); /* it is gone */
/* Learns from the template, which is stopped, what clean state is. */
void child_learn_state(void);

/* ---- Events (event.c) ----------------------------------------------------------------- */

enum { WAIT_NOHANG = 1, WAIT_ALL = 0x40000000 };
/* Something happened to a process: the status is wait4's. */
void event_handle(int pid, int status);
int event_slot(int pid); /* whose it is; -1: nobody's */
/* Tells the slot's host. */
void event_tell(uint32_t slot, enum tracer_event_kind kind);
void event_failure(uint32_t slot, uint32_t step, long error);
static inline bool status_stopped(int status)
{
    return (status & 0xff) == 0x7f;
}
enum { EVENT_STOP = 128 }; /* PTRACE_EVENT_STOP */

_Noreturn void tracer_end(void); /* kills and reaps all, and leaves */
#pragma GCC visibility pop
#endif
