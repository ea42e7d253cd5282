/* SPDX-License-Identifier: Apache-2.0 */
/* What the parts of the guest runtime share. */
#ifndef HL_GUEST_RUNTIME_H
#define HL_GUEST_RUNTIME_H

#include <stdarg.h>

#include <hyperlight/guest.h>

#include "../shared/abi.h"
#include "../shared/hot.h"

/* For functions that run before there is a canary, or while it changes. */
#define HL__NO_CANARY __attribute__((no_stack_protector))

/* An hl_abort code of the runtime itself; libc/abort.h has the others. */
enum { HL__ABORT_STACK = -4 };

/* ---- A request in progress -------------------------------------------------- */

/* The host's requests nest: while one waits for a host function, the next may
 * arrive. In either buffer frames lie one behind the other by depth. */
struct hl_call {
    hl_call *outer;     /* the request that this one interrupts, or NULL */
    uint64_t answer_at; /* in the requests buffer: the host's frames for it */
    uint64_t reply_at;  /* in the replies buffer: its own frames */
    uint32_t depth;
    uint32_t count;
    bool init; /* the guest's init */
    const char *name;
    void *user;
    struct hl__block *blocks; /* memory for the reply */
    hl_status status;         /* HL_OK until it has failed; then code and text */
    int32_t code;
    uint32_t text_len;
    char text[HL_FAIL_TEXT_MAX + 1];
};

extern const struct hl_boot *hl__boot;
extern hl_call *hl__current; /* never NULL while guest code runs */
extern uint32_t hl__log_level;

/* Marks the call failed, unless it is already. The text may be NULL. */
void hl__call_fail(hl_call *call, hl_status status, int32_t code, const char *text);
void hl__call_failf(hl_call *call, int32_t code, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
void hl__call_free(hl_call *call); /* its reply memory */

/* ---- Starting and serving ----------------------------------------------------- */

/* From hl__start, with room for hl__thread_size() bytes on the stack. */
void hl__main(const struct hl_boot *boot, void *thread) __attribute__((noreturn));
void hl__construct(void); /* runs the guest's constructors */

/* Serves requests of depth 1 for ever. */
void hl__dispatch(void) __attribute__((noreturn));

/* Runs the request that lies at request_at and writes its reply to reply_at. */
void hl__serve(uint64_t request_at, uint64_t reply_at);

/* ---- Exports --------------------------------------------------------------------- */

enum { HL__ANY_RESULT = HL_BYTES + 1 };

struct hl__function {
    const char *name;
    hl_fn fn; /* NULL: the guest has none */
    void *user;
    uint32_t result; /* hl_type or HL__ANY_RESULT */
};

struct hl__function hl__export_at(uint32_t index);
struct hl__function hl__export_special(const char *kind); /* "init" or "fallback" */

/* ---- Frames ------------------------------------------------------------------------ */

/* Leaves the guest through the gate: an ordinary call that keeps what the
 * System V psABI says a callee keeps. */
static inline void hl__gate(void)
{
    ((void (*)(void))(uintptr_t)HL_GATE)();
}

static inline const struct hl_frame *hl__request(uint64_t offset)
{
    return (const struct hl_frame *)(uintptr_t)(hl__boot->requests + offset);
}

/* Whatever a call sends, this much of the replies buffer stays free behind it,
 * so that a request nested in it can always fail or abort. */
#define HL__REPLY_RESERVE 1024u
_Static_assert(HL__REPLY_RESERVE >=
                   sizeof(struct hl_frame) + 2 * sizeof(struct hl_slot) + HL_FAIL_TEXT_MAX + 16,
               "room for a failure");

uint64_t hl__room(const hl_call *call); /* bytes for a frame of the call */
void hl__put(const hl_call *call, enum hl_kind kind, uint32_t index, const hl_value values[],
             uint32_t count); /* they must fit */
void hl__frame_values(hl_value out[], const struct hl_frame *frame);

/* What is asked of the host; the answer is one value, or none. */
struct hl__question {
    const char *name; /* for error texts */
    enum hl_kind kind;
    uint32_t index, count;
    const hl_value *values; /* checked */
};

/* Sends it and serves nested requests until the answer is there. *ret lives
 * until the next question. E_TOO_LARGE: nothing was sent; otherwise the host's
 * own status, code and text. */
hl_status hl__ask(hl_value *ret, const struct hl__question *question, hl_error *err);

/* ---- Errors ------------------------------------------------------------------------ */

/* As vsnprintf, for %s, %.*s, %d, %u and %llu alone: what the messages below are
 * made of. Returns the bytes written, which are cut to fit. */
size_t hl__format(char *to, size_t room, const char *format, va_list list);

/* Fill *err, unless it is NULL; both return the status. */
hl_status hl__error(hl_error *err, hl_status status, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
hl_status hl__ok(hl_error *err);

/* E_INVALID unless name and signature can be sent; `what` begins the text. */
hl_status hl__texts_check(const char *what, const hl_value texts[2], hl_error *err);

/* ---- Random numbers ------------------------------------------------------------------ */

void hl__random_seed(const uint64_t seed[3], uint64_t generation);
#endif
