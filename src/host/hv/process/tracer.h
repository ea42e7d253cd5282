/* SPDX-License-Identifier: Apache-2.0 */
/* What the host shares with the tracer of its guest processes. */
#ifndef HL_HOST_PROCESS_TRACER_H
#define HL_HOST_PROCESS_TRACER_H

#include <stddef.h>
#include <stdint.h>

/* Three kinds of processes besides the host's:
 *
 *   tracer    an own program (this folder), started by the host: starts, stops,
 *             fills and reaps the others
 *   template  its child: has the guest's memory as it begins, and is forked
 *   child     one for each sandbox: the guest
 *
 * Their own addresses, above all that a guest can have: */
#define TRACER_ARENA 0x680000000000ull   /* slot pages, requests, replies: not in children */
#define TRACER_CONTROL 0x6d0000000000ull /* struct tracer_head and slots: not in children */
#define TRACER_WORDS 0x6e0000000000ull   /* a child's own slot page */
#define TRACER_STACK 0x6f0000000000ull   /* of a tracer that was not exec'd */
#define TRACER_TEXT 0x700000000000ull    /* the tracer's program, less than 16 MiB */
#define TRACER_TEXT_END 0x700001000000ull

enum {
    TRACER_PAGE = 4096,
    TRACER_SLOTS = 256,   /* children of one template at most */
    TRACER_BATCH = 64,    /* pages that one order moves */
    TRACER_REGIONS = 128, /* pieces of guest memory */
    TRACER_SHARES = 18    /* what they are views of: two, and HV_MAPS_MAX mappings */
};

/* The slot page, which the child shares with the host: it may write anything at
 * any time. Other processes trust nothing in it. gate.S knows the offsets. */
struct tracer_words {
    uint32_t request; /* host: 1, there is a request */
    uint32_t pad[15];
    uint32_t answer; /* child: 1, it has answered; tracer: look at the event */
};

enum { TRACER_READ = 1, TRACER_WRITE = 2, TRACER_EXECUTE = 4 }; /* as HL_READ ... */

struct tracer_region { /* private memory of the guest, whole pages */
    uint64_t address, size;
    uint64_t offset; /* in the share */
    int32_t share;   /* its number; -1: zeros */
    uint32_t access; /* 0: nothing may be done there */
};

/* An order of the host: what of these to do, in this sequence. */
enum {
    TRACER_KILL = 1,   /* end the child, if there is one */
    TRACER_STOP = 2,   /* stop it, which must be there; stack says where */
    TRACER_DIRTY = 4,  /* list the pages that it wrote */
    TRACER_BEAR = 8,   /* a new child, if there is none; it is stopped */
    TRACER_LOAD = 16,  /* write pages */
    TRACER_STORE = 32, /* read pages */
    TRACER_RESET = 64, /* registers as below, all others as at birth */
    TRACER_GO = 128    /* let it run; a failure before is an event */
};

enum tracer_event_kind {
    TRACER_NONE,
    TRACER_SIGNAL, /* the child did what raised this signal, and is stopped */
    TRACER_DEATH,  /* it was ended: by this signal */
    TRACER_FAILURE /* an order with GO failed: error, step */
};

struct tracer_event {
    uint32_t kind; /* written last */
    int32_t signal, code;
    uint32_t x87; /* SIGFPE: an x87 exception */
    int32_t call; /* SIGSYS: its number, and the architecture it was made for */
    uint32_t arch;
    uint64_t address, rip;
};

struct tracer_range { /* addresses */
    uint64_t start, end;
};
enum { TRACER_RANGES = TRACER_BATCH * TRACER_PAGE / sizeof(struct tracer_range) };

struct tracer_slot {
    /* host to tracer */
    uint32_t steps, count; /* count: pages for LOAD or STORE */
    uint64_t rip, rsp, rdi, rflags;
    uint64_t address[TRACER_BATCH];
    /* tracer to host */
    uint32_t done; /* 1: error, step and the results below are there */
    int32_t error; /* an errno; 0: all went well */
    uint32_t step; /* TRACER_KILL ... that failed */
    uint32_t range_count;
    uint32_t everything; /* the list of DIRTY would be too long: all may be */
    uint64_t stack;
    struct tracer_event event;
    /* contents of LOAD and STORE; the ranges of DIRTY */
    _Alignas(TRACER_PAGE) union {
        uint8_t pages[TRACER_BATCH][TRACER_PAGE];
        struct tracer_range ranges[TRACER_RANGES];
    };
};

/* Where the tracer and the template failed to start, with an errno. */
enum tracer_start {
    TRACER_STARTING,
    TRACER_READY,
    TRACER_MEMORY,  /* mapping guest memory */
    TRACER_FORK,    /* making the template */
    TRACER_TRACE,   /* tracing it */
    TRACER_FILTER,  /* its system call filter */
    TRACER_INHERIT, /* keeping its memory from children */
    TRACER_LIMITS,  /* its limits */
    TRACER_LOST     /* it died */
};

/* Beyond the filter, where there is such a thing. */
enum { TRACER_NAMESPACES = 1, TRACER_LANDLOCK = 2, TRACER_DISPATCH = 4 };

struct tracer_head {
    uint32_t slot_count, region_count, share_count;
    int32_t arena, host;           /* descriptors: of the arena; a pidfd of the host */
    int32_t shares[TRACER_SHARES]; /* descriptors, until it has started */
    uint64_t share_ids[TRACER_SHARES];
    uint64_t requests, requests_size, replies, replies_size; /* in guests */
    uint64_t gate, gate_wake, gate_wait; /* its page; where its two system calls return to */
    uint32_t state;                      /* enum tracer_start, of the tracer */
    uint32_t trouble;                    /* the same, of the template */
    int32_t error;
    uint32_t fences;
    uint32_t go;                         /* tracer to template: it is traced */
    uint32_t order;                      /* the same: slot + 1 of a child to make */
    uint32_t quit;                       /* host to tracer */
    uint64_t pending[TRACER_SLOTS / 64]; /* slots with orders */
    struct tracer_region regions[TRACER_REGIONS];
    uint8_t gate_page[TRACER_PAGE];
};

/* The shared memory of control: the head, then the slots. */
enum { TRACER_HEAD_SIZE = 4 * TRACER_PAGE };
_Static_assert(sizeof(struct tracer_head) <= TRACER_HEAD_SIZE, "control memory");
#define TRACER_CONTROL_SIZE(slots) (TRACER_HEAD_SIZE + (slots) * sizeof(struct tracer_slot))

static inline struct tracer_slot *tracer_slot(struct tracer_head *head, uint32_t slot)
{
    return (struct tracer_slot *)(void *)((uint8_t *)head + TRACER_CONTROL_SIZE((uint64_t)slot));
}

/* The arena: all slot pages, then all requests, then all replies. */
static inline uint64_t tracer_arena_requests(const struct tracer_head *head, uint64_t slot)
{
    return (uint64_t)head->slot_count * TRACER_PAGE + slot * head->requests_size;
}

static inline uint64_t tracer_arena_replies(const struct tracer_head *head, uint64_t slot)
{
    return tracer_arena_requests(head, head->slot_count) + slot * head->replies_size;
}

static inline uint64_t tracer_arena_size(const struct tracer_head *head)
{
    return tracer_arena_replies(head, head->slot_count);
}
#endif
