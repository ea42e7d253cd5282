/* SPDX-License-Identifier: Apache-2.0 */
/* What tests of the process backend share: sandboxes, and their processes. */
#ifndef HL_TESTS_PROCESS_H
#define HL_TESTS_PROCESS_H

#include <sys/types.h>

#include "../../src/host/hv/process.h"
#include "../../src/host/sandbox.h"
#include "vm/vm.h"

/* A sandbox in a process; the test is skipped where none can be made. */
hl_sandbox *process_box(const char *name, const hl_config *config);
/* From here on tracers are forks of this process. Skips, too. */
void process_subreaper(void);
hl_snapshot *process_take(hl_sandbox *box);
void process_restore(hl_sandbox *box, const hl_snapshot *snapshot);

/* Skips where /proc is another namespace's: a number is somebody else there. */
void process_needs_proc(void);

/* The processes of a sandbox's template: tracer, template, children. */
pid_t process_tracer(const hl_sandbox *box);
pid_t process_template_of(const hl_sandbox *box);
pid_t process_child(const hl_sandbox *box); /* of the only sandbox of its template */
pid_t process_first(const hl_sandbox *box); /* what keeps their namespaces; 0: there are none */
uint64_t process_time(pid_t pid);           /* of the processor, that it has used */
bool process_is_gone(pid_t pid);            /* waits some seconds for it; a zombie is gone */

/* What a line of /proc/PID/`file` says behind this word; false: there is none. */
bool process_field(char *out, size_t size, pid_t pid, const char *file, const char *field);

/* Counts system calls that children of a template make from now on, as a
 * tracepoint behind all filters sees them; `which`: a condition on id, their
 * number. -1: there are no tracepoints here. */
int process_count_start(const hl_sandbox *box, const char *which);
int process_count_one(pid_t thread, const char *which); /* the same of one thread */
uint64_t process_count(int counter);
#endif
