/* SPDX-License-Identifier: Apache-2.0 */
/* Naming processor exceptions. */
#ifndef HL_HOST_FAULT_H
#define HL_HOST_FAULT_H

#include "layout.h"

struct fault {
    uint32_t vector, error; /* SDM 3A table 6-1, section 4.7 */
    bool known;             /* all of the error code; else write and fetch may be missing */
    bool call;              /* it was a system call, of this number */
    uint32_t number;
    uint64_t address, rip; /* address: of a page fault */
};

/* E_FAULT with everything filled in: what happened, where, and whose memory it
 * was ("stack overflow" in the guard below the stack). */
hl_status fault_describe(hl_error *err, const struct fault *fault, const struct layout *layout);
#endif
