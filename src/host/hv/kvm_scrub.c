/* SPDX-License-Identifier: Apache-2.0 */
/* Puts a vCPU's supervisor state back, for the next tenant or after a bad exit. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>

#include "../error.h"
#include "../os/lock.h"
#include "kvm.h"

enum { MSRS_MAX = 512 };
enum { MSR_TSC = 0x10, MSR_TSC_ADJUST = 0x3b, MSR_PRED_CMD = 0x49, PRED_CMD_IBPB = 1 };

struct msrs {
    uint32_t count, pad;
    struct kvm_msr_entry entries[MSRS_MAX];
};

/* ---- What a fresh vCPU has in its MSRs: the same for all of a process ------------- */

static struct {
    struct lock lock;
    atomic_int state; /* 0: not known, 1: values, 2: only those that KVM lets us set */
    bool ibpb;
    struct msrs msrs;
} fresh;

static hl_status list_msrs(struct hv_vm *vm, hl_error *err)
{
    struct {
        uint32_t count;
        uint32_t index[MSRS_MAX];
    } list = {.count = MSRS_MAX};
    uint32_t i, n = 0;

    if (ioctl(vm->device, KVM_GET_MSR_INDEX_LIST, &list))
        return kvm_fail(err, "KVM_GET_MSR_INDEX_LIST");
    for (i = 0; i < list.count; i++) /* time goes on; it is the same for everybody */
        if (list.index[i] != MSR_TSC && list.index[i] != MSR_TSC_ADJUST)
            fresh.msrs.entries[n++] = (struct kvm_msr_entry){.index = list.index[i]};
    fresh.msrs.count = n;
    return HL_OK;
}

/* KVM stops at the first MSR that this processor lacks: drop it, go on. */
static hl_status read_msrs(struct hv_vm *vm, hl_error *err)
{
    struct msrs rest = {.count = fresh.msrs.count};
    uint32_t done = 0;
    int n;

    while (rest.count) {
        memcpy(rest.entries, fresh.msrs.entries + done, rest.count * sizeof *rest.entries);
        n = ioctl(vm->vcpu, KVM_GET_MSRS, &rest);
        if (n < 0)
            return kvm_fail(err, "KVM_GET_MSRS");
        memcpy(fresh.msrs.entries + done, rest.entries, (uint32_t)n * sizeof *rest.entries);
        done += (uint32_t)n;
        rest.count -= (uint32_t)n;
        if (!rest.count)
            break;
        memmove(fresh.msrs.entries + done, fresh.msrs.entries + done + 1,
                --rest.count * sizeof *rest.entries);
    }
    fresh.msrs.count = done;
    return HL_OK;
}

hl_status kvm_scrub_learn(struct hv_vm *vm, hl_error *err)
{
    hl_status status = HL_OK;

    if (atomic_load_explicit(&fresh.state, memory_order_acquire))
        return HL_OK;
    lock_take(&fresh.lock);
    if (!atomic_load(&fresh.state)) {
        status = list_msrs(vm, err);
        if (!status)
            status = read_msrs(vm, err);
        if (!status)
            atomic_store(&fresh.state, 1);
    }
    lock_drop(&fresh.lock);
    return status;
}

/* Does KVM take this value for this MSR? */
static bool writable(struct hv_vm *vm, const struct kvm_msr_entry *entry)
{
    struct msrs one = {.count = 1, .entries = {*entry}};

    return ioctl(vm->vcpu, KVM_SET_MSRS, &one) == 1;
}

static const struct kvm_msr_entry barrier = {.index = MSR_PRED_CMD, .data = PRED_CMD_IBPB};

/* Nobody can change what not even the host can set. */
static void keep_writable(struct hv_vm *vm)
{
    uint32_t i, n = 0;

    lock_take(&fresh.lock);
    if (atomic_load(&fresh.state) == 1) {
        for (i = 0; i < fresh.msrs.count; i++)
            if (writable(vm, &fresh.msrs.entries[i]))
                fresh.msrs.entries[n++] = fresh.msrs.entries[i];
        fresh.msrs.count = n;
        fresh.ibpb = writable(vm, &barrier);
        atomic_store(&fresh.state, 2);
    }
    lock_drop(&fresh.lock);
}

/* ---- Scrubbing ------------------------------------------------------------------------ */

/* Finishes an abandoned access to a port or to memory: it would otherwise go on
 * in the next entry, registers or not (api.rst 5, KVM_EXIT_IO). */
static hl_status drain(struct hv_vm *vm, hl_error *err)
{
    int result, error;

    __atomic_store_n(&vm->run->immediate_exit, 1, __ATOMIC_SEQ_CST);
    result = ioctl(vm->vcpu, KVM_RUN, 0);
    error = errno;
    __atomic_store_n(&vm->run->immediate_exit, 0, __ATOMIC_SEQ_CST);
    if (result < 0 && error == EINTR)
        return HL_OK;
    return error_set(err, HL_E_SYSTEM, "KVM_RUN with immediate_exit: exit %u, wanted EINTR",
                     vm->run->exit_reason);
}

static hl_status reset_msrs(struct hv_vm *vm, hl_error *err)
{
    if (atomic_load_explicit(&fresh.state, memory_order_acquire) != 2)
        keep_writable(vm);
    if (ioctl(vm->vcpu, KVM_SET_MSRS, &fresh.msrs) != (int)fresh.msrs.count)
        return kvm_fail(err, "KVM_SET_MSRS");
    if (fresh.ibpb && !writable(vm, &barrier))
        return kvm_fail(err, "KVM_SET_MSRS of an IBPB");
    return HL_OK;
}

static hl_status reset_xcr0(struct hv_vm *vm, hl_error *err)
{
    const struct kvm_xcrs xcrs = {.nr_xcrs = 1, .xcrs[0].value = vm->xcr0};

    return ioctl(vm->vcpu, KVM_SET_XCRS, &xcrs) ? kvm_fail(err, "KVM_SET_XCRS") : HL_OK;
}

hl_status kvm_scrub(struct hv_vm *vm, hl_error *err)
{
    const struct kvm_debugregs debug = {.dr6 = 0xffff0ff0, .dr7 = 0x400};
    const struct kvm_vcpu_events none = {.flags = KVM_VCPUEVENT_VALID_NMI_PENDING |
                                                  KVM_VCPUEVENT_VALID_SHADOW};
    const struct kvm_mp_state runnable = {.mp_state = KVM_MP_STATE_RUNNABLE};
    hl_status status = drain(vm, err);

    if (status)
        return status;
    if (ioctl(vm->vcpu, KVM_SET_SREGS, &vm->sregs))
        return kvm_fail(err, "KVM_SET_SREGS");
    if (ioctl(vm->vcpu, KVM_SET_DEBUGREGS, &debug))
        return kvm_fail(err, "KVM_SET_DEBUGREGS");
    if (ioctl(vm->vcpu, KVM_SET_VCPU_EVENTS, &none))
        return kvm_fail(err, "KVM_SET_VCPU_EVENTS");
    if (ioctl(vm->vcpu, KVM_SET_MP_STATE, &runnable))
        return kvm_fail(err, "KVM_SET_MP_STATE");
    status = reset_xcr0(vm, err);
    if (!status)
        status = reset_msrs(vm, err);
    memset(&vm->run->s, 0, sizeof vm->run->s);
    return status;
}
