/* SPDX-License-Identifier: Apache-2.0 */
/* Turns an exception report into an error a person can read. */
#include "fault.h"

#include <stdio.h>

#include "error.h"

static const char *const names[32] = {
    [0] = "divide error (#DE)",
    [1] = "debug exception (#DB)",
    [2] = "NMI",
    [3] = "breakpoint (#BP)",
    [4] = "overflow (#OF)",
    [5] = "bound range exceeded (#BR)",
    [6] = "invalid opcode (#UD)",
    [7] = "device not available (#NM)",
    [8] = "double fault (#DF)",
    [10] = "invalid TSS (#TS)",
    [11] = "segment not present (#NP)",
    [12] = "stack fault (#SS)",
    [13] = "general protection (#GP)",
    [14] = "page fault (#PF)",
    [16] = "x87 error (#MF)",
    [17] = "alignment check (#AC)",
    [18] = "machine check (#MC)",
    [19] = "SIMD error (#XM)",
    [21] = "control protection (#CP)",
};

enum {
    ERROR_PRESENT = 1,
    ERROR_WRITE = 2,
    ERROR_FETCH = 16,
    PAGE_FAULT = 14,
    OVERFLOW_REACH = 16 * HL_PAGE
};

static bool below_stack(uint64_t address, const struct hl_area *stack)
{
    return address < stack->address && stack->address - address <= OVERFLOW_REACH;
}

static const char *access_kind(const struct fault *fault)
{
    return fault->error & ERROR_FETCH   ? "executing"
           : fault->error & ERROR_WRITE ? "writing"
           : fault->known               ? "reading"
                                        : "reading or writing";
}

static void describe_other(hl_error *err, const struct fault *fault, const char *name)
{
    if (fault->call)
        error_set(err, HL_E_FAULT, "%s, vector %u: system call %u, rip 0x%llx", name, fault->vector,
                  fault->number, (unsigned long long)fault->rip);
    else if (fault->known)
        error_set(err, HL_E_FAULT, "%s, vector %u, error code 0x%x, rip 0x%llx", name,
                  fault->vector, fault->error, (unsigned long long)fault->rip);
    else
        error_set(err, HL_E_FAULT, "%s, vector %u, rip 0x%llx", name, fault->vector,
                  (unsigned long long)fault->rip);
}

hl_status fault_describe(hl_error *err, const struct fault *fault, const struct layout *layout)
{
    const char *name = fault->vector < 32 ? names[fault->vector] : NULL;
    const uint64_t rip = fault->rip, address = fault->address;

    if (fault->vector == PAGE_FAULT && below_stack(address, &layout->areas[AREA_STACK]))
        error_set(err, HL_E_FAULT,
                  "stack overflow: page fault (#PF) %s 0x%llx below the stack of %llu bytes, rip "
                  "0x%llx",
                  access_kind(fault), (unsigned long long)address,
                  (unsigned long long)layout->areas[AREA_STACK].size, (unsigned long long)rip);
    else if (fault->vector == PAGE_FAULT)
        error_set(err, HL_E_FAULT, "page fault (#PF) %s 0x%llx (%s), rip 0x%llx",
                  access_kind(fault), (unsigned long long)address,
                  fault->error & ERROR_PRESENT ? "not allowed there" : "nothing is mapped there",
                  (unsigned long long)rip);
    else
        describe_other(err, fault, name ? name : "exception");
    if (err) {
        err->vector = fault->vector;
        err->rip = rip;
        err->address = fault->vector == PAGE_FAULT ? address : 0;
        err->access = fault->vector == PAGE_FAULT ? fault->error : 0;
    }
    return HL_E_FAULT;
}
