/* SPDX-License-Identifier: Apache-2.0 */
/* A sandbox from the inside. */
#ifndef HL_HOST_SANDBOX_H
#define HL_HOST_SANDBOX_H

#include <stdatomic.h>

#include "added.h"
#include "buffer.h"
#include "deadline.h"
#include "guest.h"
#include "hosttable.h"
#include "interrupt.h"
#include "vm.h"

struct level {             /* a call in progress, or the last at its depth */
    uint64_t request_end;  /* where the next frame to the guest goes */
    uint64_t reply_at;     /* where the guest's frames of this depth lie */
    struct buffer payload; /* of the last frame from the guest: its result, or
                                       arguments of the host function it is calling */
};

struct hl_function {
    hl_sandbox *box;
    const struct image_function *function;
    uint32_t index;
    struct hl_function *next;
};

struct log_budget {
    uint32_t lines; /* left in this outermost call */
    uint32_t bytes;
    uint64_t dropped; /* since the last record */
};

struct hl_sandbox {
    struct vm *vm;
    struct vm_kind kind; /* of vm */
    uint64_t lineage;    /* of its code and data, from a create on */
    uint32_t process;    /* process_id() of who made it */
    bool no_reuse;       /* its VM comes from nobody and goes to nobody */
    const hl_guest *guest;
    const hl_host *host;
    const struct shape *shape;
    hl_interrupt *stop;
    struct deadline deadline;

    _Atomic int state;         /* hl_state */
    _Atomic uintptr_t owner;   /* thread of the call in progress */
    bool logging;              /* its log function runs */
    bool initialising, doomed; /* in create; destroyed by a host function */
    hl_error death;            /* why it is POISONED */

    uint32_t depth; /* calls in progress */
    struct level *levels;
    uint32_t level_count; /* the configured call depth */

    const struct host_function **imports; /* by the index the guest uses */
    uint32_t import_count;
    struct added_list exports_added, imports_added; /* after the image's own */
    struct hl_function *found;                      /* handles given out */

    uint64_t generation;
    uint64_t seed[3]; /* for the next request; zero once sent */
    void *user;
    hl_log_fn log;
    void *log_user;
    uint32_t log_level;
    struct log_budget budget;
};

/* As hl_sandbox_create, on a given backend. */
hl_status sandbox_create_on(hl_sandbox **out, const struct hv_ops *hv, const hl_guest *guest,
                            const hl_host *host, const hl_config *config, hl_error *err);
void sandbox_free(hl_sandbox *box);

/* What a sandbox starts from, or goes back to. */
struct origin {
    const struct content *content;
    struct vm_park park;
    uint64_t lineage;
    const struct added_list *exports, *imports; /* NULL: none */
};
/* The host functions that the guest's imports will mean: *out is malloc'd. */
hl_status sandbox_bind(const struct host_function ***out, const hl_sandbox *box,
                       const struct added_list *added, hl_error *err);
/* Puts its VM, or another one if it has none that can be healed, there. */
hl_status sandbox_place(hl_sandbox *box, const struct origin *origin, hl_error *err);
/* Names what one create or one loaded file begins, so that nobody else's guest
 * code is taken for it. */
uint64_t sandbox_new_lineage(void);
/* A seed and a generation that no other sandbox has. */
hl_status sandbox_renew(hl_sandbox *box, hl_error *err);

/* Marks it POISONED for the reason in why; the first reason stays. */
hl_status sandbox_poison(hl_sandbox *box, const hl_error *why);
/* Makes it DEAD for the reason in why, whose status it returns; its VM is gone. */
hl_status sandbox_die(hl_sandbox *box, const hl_error *why);
/* Takes a sandbox that rests, for something that is no call; `heal`: POISONED
 * ones, too. *before: its state, to be stored again. E_STATE. */
hl_status sandbox_claim(hl_sandbox *box, const char *what, bool heal, int *before, hl_error *err);
/* E_STATE: what a forked child cannot do with a sandbox of its parent. */
hl_status sandbox_inherited(const char *what, hl_error *err);
/* E_STATE: what cannot be done in the state POISONED or DEAD, and why it is that. */
hl_status sandbox_ended(const hl_sandbox *box, int state, const char *what, hl_error *err);

static inline uint32_t sandbox_export_count(const hl_sandbox *box)
{
    return box->guest->image.export_count + box->exports_added.count;
}
/* The function at this position; NULL past the end. */
const struct image_function *sandbox_export_at(const hl_sandbox *box, uint32_t index);
/* Its position, or NAMES_NONE. */
uint32_t sandbox_export_find(const hl_sandbox *box, const char *name);
#endif
