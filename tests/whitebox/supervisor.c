/* SPDX-License-Identifier: Apache-2.0 */
/* Reads, fills and compares the supervisor state of a vCPU. */
#include "supervisor.h"

#include <sys/ioctl.h>

#include "test.h"

enum { MSR_TSC = 0x10, MSR_TSC_ADJUST = 0x3b, HYPER_V = 0x40000000, HYPER_V_END = 0x40000200 };

/* ---- Reading ------------------------------------------------------------------- */

struct one_msr {
    uint32_t count, pad;
    struct kvm_msr_entry entry;
};

static bool get_msr(uint64_t *value, const struct hv_vm *vm, uint32_t index)
{
    struct one_msr one = {.count = 1, .entry = {.index = index}};

    if (ioctl(vm->vcpu, KVM_GET_MSRS, &one) != 1)
        return false;
    *value = one.entry.data;
    return true;
}

bool supervisor_set_msr(const struct hv_vm *vm, uint32_t index, uint64_t value)
{
    struct one_msr one = {.count = 1, .entry = {.index = index, .data = value}};

    return ioctl(vm->vcpu, KVM_SET_MSRS, &one) == 1;
}

/* Time goes on. And KVM keeps Hyper-V's MSRs from whoever has no CPUID leaves of
 * Hyper-V, supervisor or not; some of them are time, too, or act when written. */
static bool is_no_state(uint32_t index)
{
    return index == MSR_TSC || index == MSR_TSC_ADJUST || (index >= HYPER_V && index < HYPER_V_END);
}

static void read_msrs(struct supervisor *out, const struct hv_vm *vm)
{
    struct {
        uint32_t count, index[SUPERVISOR_MSRS];
    } list = {.count = SUPERVISOR_MSRS};
    uint64_t value;
    uint32_t i;

    CHECK_INT(ioctl(vm->device, KVM_GET_MSR_INDEX_LIST, &list), 0);
    out->msr_count = 0;
    for (i = 0; i < list.count; i++)
        if (!is_no_state(list.index[i]) && get_msr(&value, vm, list.index[i]))
            out->msrs[out->msr_count++] = (struct kvm_msr_entry){.index = list.index[i],
                                                                 .data = value};
    CHECK(out->msr_count);
}

/* What user mode can load itself is the guest's to dump. */
static void clear_user_segments(struct kvm_sregs *sregs)
{
    const struct kvm_segment none = {0};

    sregs->ds = sregs->es = sregs->fs = sregs->gs = none;
}

void supervisor_read(struct supervisor *out, const struct hv_vm *vm)
{
    memset(out, 0, sizeof *out);
    CHECK_INT(ioctl(vm->vcpu, KVM_GET_SREGS, &out->sregs), 0);
    clear_user_segments(&out->sregs);
    CHECK_INT(ioctl(vm->vcpu, KVM_GET_DEBUGREGS, &out->debug), 0);
    CHECK_INT(ioctl(vm->vcpu, KVM_GET_VCPU_EVENTS, &out->events), 0);
    CHECK_INT(ioctl(vm->vcpu, KVM_GET_XCRS, &out->xcrs), 0);
    CHECK_INT(ioctl(vm->vcpu, KVM_GET_MP_STATE, &out->mp_state), 0);
    read_msrs(out, vm);
}

/* ---- Filling --------------------------------------------------------------------- */

/* An address, small numbers, all kinds of bits: one may fit the MSR. */
static bool change_msr(const struct hv_vm *vm, const struct kvm_msr_entry *msr)
{
    const uint64_t values[] = {
        0x5aa5a5a5a000,   msr->data ^ 0x5a5a5a00,   msr->data ^ 1, msr->data ^ 0x100,
        msr->data ^ 0x10, msr->data ^ (1ull << 20), 0x5a00};
    uint64_t now;
    uint32_t i;

    for (i = 0; i < sizeof values / sizeof *values; i++)
        if (supervisor_set_msr(vm, msr->index, values[i]) && get_msr(&now, vm, msr->index) &&
            now != msr->data)
            return true;
    return false;
}

static void fill_sregs(const struct hv_vm *vm)
{
    struct kvm_sregs sregs;

    CHECK_INT(ioctl(vm->vcpu, KVM_GET_SREGS, &sregs), 0);
    sregs.cr2 = 0x5aa5deadb000;
    sregs.cr4 ^= 4;  /* TSD: no rdtsc in user mode */
    sregs.efer |= 1; /* SCE: syscall */
    sregs.gdt.base += 0x5000;
    sregs.gdt.limit = 0x123;
    sregs.idt.base += 0x5000;
    sregs.idt.limit = 0x123;
    sregs.cr3 += 0x1000;
    sregs.fs.limit = 0x5aa5;
    sregs.tr.base += 0x5000;
    CHECK_INT(ioctl(vm->vcpu, KVM_SET_SREGS, &sregs), 0);
}

static void fill_events(const struct hv_vm *vm)
{
    struct kvm_vcpu_events events;

    CHECK_INT(ioctl(vm->vcpu, KVM_GET_VCPU_EVENTS, &events), 0);
    events.exception.injected = 1;
    events.exception.nr = 6;
    events.nmi.pending = 1;
    events.nmi.masked = 1;
    events.interrupt.shadow = KVM_X86_SHADOW_INT_STI;
    events.flags = KVM_VCPUEVENT_VALID_NMI_PENDING | KVM_VCPUEVENT_VALID_SHADOW;
    CHECK_INT(ioctl(vm->vcpu, KVM_SET_VCPU_EVENTS, &events), 0);
}

uint32_t supervisor_fill(const struct hv_vm *vm)
{
    const struct kvm_debugregs debug = {
        .db = {0x5aa500, 0x5aa600, 0x5aa700, 0x5aa800}, .dr6 = 0xffff0ff5, .dr7 = 0x4ff};
    const struct kvm_xcrs xcrs = {.nr_xcrs = 1, .xcrs[0].value = vm->xcr0 == 3 ? 1 : 3};
    struct supervisor now;
    uint32_t i, changed = 0;

    supervisor_read(&now, vm);
    for (i = 0; i < now.msr_count; i++)
        changed += change_msr(vm, &now.msrs[i]);
    CHECK_INT(ioctl(vm->vcpu, KVM_SET_DEBUGREGS, &debug), 0);
    CHECK_INT(ioctl(vm->vcpu, KVM_SET_XCRS, &xcrs), 0);
    fill_events(vm);
    fill_sregs(vm);
    return changed;
}

/* ---- Comparing --------------------------------------------------------------------- */

static void check_bytes(const void *found, const void *wanted, size_t size, const char *what)
{
    const uint8_t *a = found, *b = wanted;
    size_t i;

    for (i = 0; i < size; i++)
        if (a[i] != b[i])
            FAIL("%s: byte %zu is %#x, wanted %#x", what, i, a[i], b[i]);
}

void supervisor_check(const struct supervisor *found, const struct supervisor *wanted)
{
    uint32_t i;

    check_bytes(&found->sregs, &wanted->sregs, sizeof found->sregs, "sregs");
    check_bytes(&found->debug, &wanted->debug, sizeof found->debug, "debug registers");
    check_bytes(&found->events, &wanted->events, sizeof found->events, "events");
    check_bytes(&found->xcrs, &wanted->xcrs, sizeof found->xcrs, "XCR0");
    check_bytes(&found->mp_state, &wanted->mp_state, sizeof found->mp_state, "MP state");
    CHECK_INT(found->msr_count, wanted->msr_count);
    for (i = 0; i < found->msr_count; i++) {
        CHECK_INT(found->msrs[i].index, wanted->msrs[i].index);
        if (found->msrs[i].data != wanted->msrs[i].data)
            FAIL("MSR 0x%x is 0x%llx, wanted 0x%llx", found->msrs[i].index,
                 (unsigned long long)found->msrs[i].data, (unsigned long long)wanted->msrs[i].data);
    }
}
