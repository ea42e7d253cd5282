/* SPDX-License-Identifier: Apache-2.0 */
/* Deadlines: one watcher thread ends calls that run too long. */
#ifndef HL_HOST_DEADLINE_H
#define HL_HOST_DEADLINE_H

#include "interrupt.h"

/* One a sandbox. A call stores the time it must end by; the watcher looks
 * often enough that no call can begin and be late unseen. So a call makes no
 * system call, unless the watcher had gone to sleep for want of work. */
struct deadline {
    hl_interrupt *stop;
    _Atomic uint64_t limit_ns;     /* of each call from now on; 0: none */
    _Atomic uint64_t end_ns;       /* of the call in progress; 0: none */
    uint64_t last_word;            /* watcher's own: the call it saw last */
    struct deadline *next, **link; /* the watcher's list */
    bool listed;                   /* sandbox's own: it is in there */
};

/* us 0: none. Starts the watcher at the first deadline of the process. */
hl_status deadline_set(struct deadline *deadline, uint64_t us, hl_error *err);
void deadline_remove(struct deadline *deadline); /* no call in progress */

/* Before interrupt_begin and after it; arm returns the end, 0 for none. */
uint64_t deadline_arm(struct deadline *deadline);
void deadline_started(void);
/* For the calling thread itself, before the guest resumes: ends the call if
 * its time has come. */
void deadline_check(struct deadline *deadline);
#endif
