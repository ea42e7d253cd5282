/* SPDX-License-Identifier: Apache-2.0 */
/* A hypervisor without hardware: host functions play the guest. */
#ifndef HL_TESTS_FAKE_H
#define HL_TESTS_FAKE_H

#include "../../src/host/sandbox.h"
#include "../../src/shared/wire.h"

extern const struct hv_ops hv_fake;
extern const struct hv_ops hv_fake_pinned; /* cannot change what backs guest memory */

struct fake_guest;

/* Plays the guest from one entry to its next exit. `exit` comes in as the gate's:
 * whoever leaves by another door fills it. An error is the hypervisor's own. */
typedef hl_status (*fake_body)(struct fake_guest *guest, struct hv_exit *exit, hl_error *err);

/* A guest function. Its body is entered at the call and again, at the same
 * depth, at each answer of the host; guest->step counts these entries. */
struct fake_function {
    const char *name, *signature; /* name "": the fallback */
    fake_body body;
};

struct fake_program { /* outlives its sandboxes */
    const struct fake_function *exports;
    uint32_t export_count;
    const hl_symbol *imports;
    uint32_t import_count;
    uint8_t data;                   /* each byte of the image's second page */
    fake_body init;                 /* as a function's body; NULL returns */
    fake_body whole;                /* plays every entry itself; NULL: the above do */
    hl_status create;               /* what making a VM comes to */
    hl_status dirty, forget, scrub; /* what these come to */
    hl_status map, unmap;
    void *user;
};

enum { FAKE_DEPTH = 66 };

struct fake_level {
    uint64_t request_at, request_size; /* of the request served, in the requests buffer */
    uint64_t reply_at, reply_size;     /* of its frames, in the replies buffer */
    fake_body body;
    uint32_t step;
};

enum fake_page { FAKE_CLEAN, FAKE_WRITTEN, FAKE_NAMED };

struct fake_guest {
    const struct fake_program *program;
    uint8_t *memory; /* guest-physical 0 */
    uint64_t memory_size;
    struct hl_boot boot;
    uint8_t *requests, *replies;
    struct x86_state state; /* as given at creation */

    struct hl_frame in;           /* the last frame of the host, checked */
    hl_value args[HL_VALUES_MAX]; /* its values */
    uint32_t depth;               /* requests in progress */
    uint32_t step;                /* of the body that is entered */
    struct fake_level levels[FAKE_DEPTH];

    uint64_t runs, resets;    /* entries so far; those that wrote registers */
    struct hv_reset reset;    /* of the last of those */
    _Atomic uint32_t stopped; /* from stop to settle */
    _Atomic uint32_t stops;   /* so far */
    uintptr_t thread;         /* that attached last */

    uint64_t rsp;   /* where it is parked */
    uint8_t *pages; /* enum fake_page, by number */
    uint32_t forgets, scrubs;
    struct hv_map maps[HV_MAPS_MAX]; /* size 0: free */
};

/* A sandbox that runs the program on hv_fake. */
hl_status fake_create(hl_sandbox **out, const struct fake_program *program, const hl_host *host,
                      const hl_config *config, hl_error *err);
/* Its two halves: an image with the program's tables and no code, and what the
 * VMs run that this thread makes from now on. That empties the VM cache and
 * limits it to 0, so that VMs end with their sandboxes: a test of the cache sets
 * its limit after. VMs are reused within one image, so within one program. */
hl_guest *fake_image(const struct fake_program *program);
void fake_use(const struct fake_program *program);

struct fake_guest *fake_of(const hl_sandbox *box);
int fake_alive(void); /* VMs that exist */

/* ---- For bodies -------------------------------------------------------------------- */

/* Takes the host's next frame into guest->in and args; fails the test if it
 * breaks the rules. Only a `whole` body has to call it. */
void fake_receive(struct fake_guest *guest);

/* Writes a frame at the current depth. RETURN and FAIL end that depth. */
void fake_send(struct fake_guest *guest, enum hl_kind kind, uint32_t index, const hl_value values[],
               uint32_t count);
hl_status fake_return(struct fake_guest *guest, hl_value value); /* hl_void() for none */
hl_status fake_fail(struct fake_guest *guest, int32_t code, const char *text);
hl_status fake_call(struct fake_guest *guest, uint32_t import, const hl_value values[],
                    uint32_t count);

/* Where the frames of the current depth go, for frames made by hand. */
uint8_t *fake_reply(struct fake_guest *guest);

/* The guest has written to this page; frames need not be told. As hardware does,
 * the fake names it once, and again only when it was forgotten and written. */
void fake_wrote(struct fake_guest *guest, uint64_t page);

/* Sleeps, as a guest that never exits, until it is stopped. */
hl_status fake_spin(struct fake_guest *guest, struct hv_exit *exit);

/* A whole body that answers every request with an empty RETURN, fast. */
hl_status fake_noop(struct fake_guest *guest, struct hv_exit *exit, hl_error *err);
#endif
