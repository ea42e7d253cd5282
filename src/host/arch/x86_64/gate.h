/* SPDX-License-Identifier: Apache-2.0 */
/* The gate page: the host's code that guests run in user mode. */
#ifndef HL_HOST_X86_GATE_H
#define HL_HOST_X86_GATE_H

#include <hyperlight/types.h>

/* gate.S has them. The page can be read and executed by the guest, not written. */
extern const uint8_t gate_begin[], gate_scrub[], gate_end[];
/* The same for a guest that runs in a process; wake and wait: where its two
 * system calls return to. */
extern const uint8_t gate_process_begin[], gate_process_scrub[], gate_process_end[];
extern const uint8_t gate_process_wake[], gate_process_wait[];

/* What the gate keeps on the guest's stack while the guest is parked, from RSP
 * up: so a snapshot of memory and RSP is all of a parked guest. Snapshot files
 * have it: changing it takes a new SNAPFILE_VERSION. */
struct gate_frame {
    uint32_t mxcsr, x87_control;
    uint64_t gs_base, fs_base;
    uint64_t r15, r14, r13, r12, rbp, rbx;
    uint64_t rip; /* where the call of the gate returns to */
};

/* In the page: an XSAVE area in which every component is in its initial state
 * (SDM 1 13.4.2). Some processors touch all of an area, initial state or not; a
 * compacted one without components ends with its header. */
enum {
    GATE_XSAVE = 0x400,
    GATE_XSAVE_MXCSR = GATE_XSAVE + 24,
    GATE_XSAVE_COMPACTION = GATE_XSAVE + 520, /* XCOMP_BV */
    GATE_PORT = 0x80
};
enum { GATE_MXCSR_INIT = 0x1f80, GATE_X87_INIT = 0x37f };
#endif
