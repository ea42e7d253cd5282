/* SPDX-License-Identifier: Apache-2.0 */
/* What the kernel says of a guest's process, as what a processor would have said. */
#define _GNU_SOURCE
#include <linux/audit.h>
#include <signal.h>
#include <string.h>

#include "../error.h"
#include "process.h"

enum {
    VECTOR_DE = 0,
    VECTOR_DB = 1,
    VECTOR_BP = 3,
    VECTOR_BR = 5,
    VECTOR_UD = 6,
    VECTOR_SS = 12,
    VECTOR_GP = 13,
    VECTOR_PF = 14,
    VECTOR_MF = 16,
    VECTOR_AC = 17,
    VECTOR_XM = 19
};
enum { ERROR_PRESENT = 1, ERROR_WRITE = 2, ERROR_USER = 4, ERROR_FETCH = 16 };
#ifndef SEGV_BNDERR
#define SEGV_BNDERR 3
#endif

static uint32_t vector(const struct tracer_event *event)
{
    switch (event->signal) {
    case SIGSEGV:
        return event->code == SI_KERNEL     ? VECTOR_GP /* #OF, too */
               : event->code == SEGV_BNDERR ? VECTOR_BR
                                            : VECTOR_PF;
    case SIGBUS:
        return event->code == BUS_ADRALN ? VECTOR_AC : VECTOR_SS;
    case SIGFPE:
        return event->code == FPE_INTDIV ? VECTOR_DE : event->x87 ? VECTOR_MF : VECTOR_XM;
    case SIGTRAP:
        return event->code == SI_KERNEL ? VECTOR_BP : VECTOR_DB;
    case SIGSYS: /* int 0x80 is for 32-bit code */
        return event->arch == AUDIT_ARCH_X86_64 ? VECTOR_UD : VECTOR_GP;
    default:
        return VECTOR_UD;
    }
}

static uint32_t access_at(const struct hv_vm *vm, uint64_t address)
{
    uint32_t i;

    for (i = 0; i < vm->region_count; i++)
        if (address - vm->regions[i].address < vm->regions[i].size)
            return vm->regions[i].access;
    return 0;
}

/* The kernel keeps the processor's error code to itself; what follows from the
 * address and from what may be done there is all that is known. */
static void page_fault(struct hv_exit *exit, const struct hv_vm *vm,
                       const struct tracer_event *event)
{
    const bool mapped = event->code == SEGV_ACCERR;
    const uint32_t access = access_at(vm, event->address);

    exit->error = ERROR_USER | (mapped ? ERROR_PRESENT : 0);
    exit->known = true;
    if (event->address == event->rip && !(access & HL_EXECUTE))
        exit->error |= ERROR_FETCH;
    else if (mapped && access & HL_READ)
        exit->error |= ERROR_WRITE;
    else
        exit->known = false;
}

static hl_status fault(struct hv_exit *exit, const struct hv_vm *vm)
{
    const struct tracer_event *event = &vm->slot->event;

    *exit = (struct hv_exit){.kind = HV_EXIT_FAULT,
                             .vector = vector(event),
                             .address = event->address,
                             .rip = event->rip};
    if (exit->vector == VECTOR_PF)
        page_fault(exit, vm, event);
    if (event->signal == SIGSYS) {
        exit->call = true;
        exit->code = (uint32_t)event->call;
    }
    return HL_OK;
}

static hl_status death(const struct hv_vm *vm, hl_error *err)
{
    const int signal = vm->slot->event.signal;

    return error_set(err, HL_E_SYSTEM,
                     "the guest's process was ended by signal %d (%s): from outside, or for want "
                     "of memory",
                     signal, signal == SIGKILL ? "SIGKILL" : "not the guest's doing");
}

hl_status process_event(struct hv_exit *exit, const struct hv_vm *vm, hl_error *err)
{
    const struct tracer_event *event = &vm->slot->event;

    switch (event->kind) {
    case TRACER_DEATH:
        return death(vm, err);
    case TRACER_FAILURE:
        return process_failure(vm, err);
    default:
        if (event->signal == SIGBUS && event->code != BUS_ADRALN && event->code != SI_KERNEL)
            return error_set(err, HL_E_MEMORY,
                             "no memory for a page at 0x%llx of a guest's process",
                             (unsigned long long)event->address);
        return fault(exit, vm);
    }
}
