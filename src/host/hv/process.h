/* SPDX-License-Identifier: Apache-2.0 */
/* Guests in processes, as the files of this backend share them. */
#ifndef HL_HOST_PROCESS_H
#define HL_HOST_PROCESS_H

#include <stdatomic.h>
#include <sys/types.h>

#include "hv.h"
#include "process/tracer.h"

/* ---- Templates (process_template.c, process_start.c) ---------------------------- */

/* A tracer with its template: one for each layout of guest memory with the same
 * views, shared by the VMs that have it. */
struct process_template {
    struct process_template *next;
    uint32_t users;
    uint64_t taken[TRACER_SLOTS / 64]; /* slots in use */
    os_share control, arena;
    struct tracer_head *head;   /* the control memory */
    struct tracer_words *words; /* the slot pages, one every TRACER_PAGE */
    int tracer;                 /* its pidfd; -1: not started */
    _Atomic bool gone;          /* it was killed */
    pid_t tracer_pid;
    bool own; /* it is a child of this process */
};

/* The template for this memory, made if there is none, and a slot of it. */
hl_status process_template_take(struct process_template **out, uint32_t *slot,
                                const struct tracer_head *wanted, hl_error *err);
bool process_template_fits(const struct process_template *template,
                           const struct tracer_head *wanted);
/* Nothing of what was in a slot is left; it has no child. */
void process_template_clear(const struct process_template *template, uint32_t slot);
void process_template_leave(struct process_template *template, uint32_t slot);
/* Starts its tracer; on failure the caller ends it. */
hl_status process_start(struct process_template *template, hl_error *err);
void process_end(struct process_template *template);
/* E_MEMORY for want of processes or memory, else E_SYSTEM. */
hl_status process_shortage(hl_error *err, int error, const char *what);
bool process_alive(const struct process_template *template);

/* Sleeps while *word is 0; may wake for no reason. false: the tracer is gone. A
 * wait without a time-out is cheaper, so a thread watches the tracers. */
bool process_sleep(const struct process_template *template, uint32_t *word);
void process_wake(uint32_t *word);

static inline struct tracer_words *process_words(struct tracer_words *first, uint32_t slot)
{
    return (struct tracer_words *)(void *)((uint8_t *)first + (size_t)slot * TRACER_PAGE);
}

/* What guest memory is made of, for a template. E_UNSUPPORTED if it has too many
 * pieces. */
hl_status process_plan(struct tracer_head *out, const struct hv_setup *setup, hl_error *err);

/* ---- VMs ---------------------------------------------------------------------------- */

struct hv_vm {
    struct process_template *template;
    uint32_t slot_number;
    struct tracer_slot *slot;
    struct tracer_words *words;
    uint8_t *memory; /* as guest-physical: messages alone are there */
    uint64_t memory_size, requests_gpa, replies_gpa;
    uint64_t requests_size, replies_size;
    const struct hv_region *regions; /* malloc'd */
    uint32_t region_count;
    uint32_t loaded; /* pages in the slot that the child has yet to get */
    bool born;       /* there is a child */
    bool runs;       /* it may: it was let go and not stopped since */
    uint64_t rsp;    /* when it was stopped */
    _Atomic bool stopping;
};

/* Has the tracer do these steps. */
hl_status process_order(struct hv_vm *vm, uint32_t steps, hl_error *err);
/* Why the last one failed. */
hl_status process_failure(const struct hv_vm *vm, hl_error *err);
hl_status process_probe(hl_error *err);
/* What happened to the child. */
hl_status process_event(struct hv_exit *exit, const struct hv_vm *vm, hl_error *err);
#endif
