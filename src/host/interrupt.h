/* SPDX-License-Identifier: Apache-2.0 */
/* Who ends a call: the guest, a canceller or a deadline. Exactly one does. */
#ifndef HL_HOST_INTERRUPT_H
#define HL_HOST_INTERRUPT_H

#include <hyperlight/hyperlight.h>
#include <stdatomic.h>

#include "hv/hv.h"

/* The low bits of the word; above them counts the calls. A call begins IDLE ->
 * RUNNING. Whoever moves RUNNING on with its one compare-and-swap has ended it:
 * the call itself to IDLE, a stopper to CANCELLING or EXPIRING and, when it no
 * longer touches the VM, to CANCELLED or EXPIRED. */
enum phase { IDLE, RUNNING, CANCELLING, EXPIRING, CANCELLED, EXPIRED, PHASE_BITS = 3 };

struct hl_interrupt {
    atomic_uint references;
    atomic_bool claimed;      /* serves a sandbox */
    _Atomic uint32_t process; /* process_id() of who claimed it */
    _Atomic uint64_t word;    /* calls << PHASE_BITS | phase */
    _Atomic uint32_t settled; /* counts finished stops; waited on */
    const struct hv_ops *hv;
    _Atomic(struct hv_vm *) vm; /* NULL until the VM is made */
};

/* One sandbox at a time: false if the handle is taken. */
bool interrupt_claim(hl_interrupt *stop, const struct hv_ops *hv);
void interrupt_disclaim(hl_interrupt *stop);

/* Around each outermost call and around create. end says what it came to:
 * HL_OK, E_CANCELLED or E_DEADLINE; afterwards nobody touches the VM. */
void interrupt_begin(hl_interrupt *stop);
hl_status interrupt_end(hl_interrupt *stop);
/* Within create, once the VM is made and attached. */
void interrupt_publish(hl_interrupt *stop, struct hv_vm *vm);

/* HL_OK while the call in progress may run on; else what stopped it. */
hl_status interrupt_reason(const hl_interrupt *stop);

/* Ends the call that `seen` was read during, if it still runs. */
bool interrupt_try(hl_interrupt *stop, uint64_t seen, enum phase reason);
#endif
