/* SPDX-License-Identifier: Apache-2.0 */
/* Stop handles. */
#include "interrupt.h"

#include <stdlib.h>

#include "error.h"
#include "process_id.h"
#include "../shared/hot.h"

#define PHASE(word) ((enum phase)((word) & ((1u << PHASE_BITS) - 1)))
#define WITH(word, phase) (((word) & ~(uint64_t)((1u << PHASE_BITS) - 1)) | (uint64_t)(phase))

hl_status hl_interrupt_create(hl_interrupt **out, hl_error *err)
{
    hl_interrupt *stop;

    if (!out)
        return error_set(err, HL_E_INVALID, "hl_interrupt_create: out is NULL");
    *out = NULL;
    stop = calloc(1, sizeof *stop);
    if (!stop)
        return error_set(err, HL_E_MEMORY, "no memory for a stop handle");
    atomic_init(&stop->references, 1);
    *out = stop;
    return error_none(err);
}

/* A handle is const to its users; all it holds is atomic. */
static hl_interrupt *shared(const hl_interrupt *stop)
{
    return (hl_interrupt *)(uintptr_t)stop;
}

void hl_interrupt_retain(const hl_interrupt *stop)
{
    if (stop)
        atomic_fetch_add(&shared(stop)->references, 1);
}

void hl_interrupt_release(const hl_interrupt *stop)
{
    if (stop && atomic_fetch_sub(&shared(stop)->references, 1) == 1)
        free(shared(stop));
}

bool interrupt_claim(hl_interrupt *stop, const struct hv_ops *hv)
{
    if (atomic_exchange(&stop->claimed, true))
        return false;
    stop->hv = hv;
    atomic_store(&stop->process, process_id());
    atomic_store(&stop->vm, NULL);
    return true;
}

void interrupt_disclaim(hl_interrupt *stop)
{
    atomic_store(&stop->vm, NULL);
    atomic_store(&stop->claimed, false);
}

HL__HOT void interrupt_begin(hl_interrupt *stop)
{
    const uint64_t word = atomic_load_explicit(&stop->word, memory_order_relaxed);

    atomic_store(&stop->word, WITH(word + (1u << PHASE_BITS), RUNNING));
}

void interrupt_publish(hl_interrupt *stop, struct hv_vm *vm)
{
    /* Either a stopper sees the VM, or we see its stop before the first run. */
    atomic_store(&stop->vm, vm);
}

HL__HOT hl_status interrupt_reason(const hl_interrupt *stop)
{
    switch (PHASE(atomic_load(&stop->word))) {
    case CANCELLING:
    case CANCELLED:
        return HL_E_CANCELLED;
    case EXPIRING:
    case EXPIRED:
        return HL_E_DEADLINE;
    default:
        return HL_OK;
    }
}

HL__HOT hl_status interrupt_end(hl_interrupt *stop)
{
    uint64_t word = atomic_load_explicit(&stop->word, memory_order_acquire);
    uint32_t settled;
    struct hv_vm *vm;

    if (PHASE(word) == RUNNING &&
        atomic_compare_exchange_strong(&stop->word, &word, WITH(word, IDLE)))
        return HL_OK;
    for (;;) {
        settled = atomic_load(&stop->settled);
        word = atomic_load(&stop->word);
        if (PHASE(word) == CANCELLED || PHASE(word) == EXPIRED)
            break;
        os_wait(&stop->settled, settled, UINT64_MAX);
    }
    vm = atomic_load(&stop->vm);
    if (vm && atomic_load(&stop->process) == process_id())
        stop->hv->settle(vm);
    atomic_store(&stop->word, WITH(word, IDLE));
    return PHASE(word) == CANCELLED ? HL_E_CANCELLED : HL_E_DEADLINE;
}

bool interrupt_try(hl_interrupt *stop, uint64_t seen, enum phase reason)
{
    struct hv_vm *vm;

    if (PHASE(seen) != RUNNING ||
        !atomic_compare_exchange_strong(&stop->word, &seen,
                                        WITH(seen, reason == CANCELLED ? CANCELLING : EXPIRING)))
        return false;
    /* From here until the store below the call cannot end. */
    vm = atomic_load(&stop->vm);
    if (vm)
        stop->hv->stop(vm);
    hl_interrupt_retain(stop);
    atomic_store(&stop->word, WITH(seen, reason));
    atomic_fetch_add(&stop->settled, 1);
    os_wake(&stop->settled);
    hl_interrupt_release(stop);
    return true;
}

bool hl_interrupt_stop(const hl_interrupt *stop)
{
    return stop && atomic_load(&shared(stop)->process) == process_id() &&
           interrupt_try(shared(stop), atomic_load(&shared(stop)->word), CANCELLED);
}
