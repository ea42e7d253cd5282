/* SPDX-License-Identifier: Apache-2.0 */
/* The KVM backend: one VM, one vCPU, no in-kernel devices. */
#define _GNU_SOURCE
#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#include "../error.h"
#include "kvm.h"
#include "kvm_cpuid.h"
#include "kvm_failure.h"
#include "kvm_keeper.h"
#include "kvm_probe.h"
#include "../../shared/hot.h"

/* ---- Creating (KVM api.rst, sections 4.2, 4.7, 4.35) --------------------------- */

hl_status kvm_fail(hl_error *err, const char *what)
{
    return error_errno(err, errno, what);
}

static hl_status map_memory(struct hv_vm *vm, const struct hv_setup *setup, hl_error *err)
{
    struct kvm_userspace_memory_region region = {.flags = KVM_MEM_LOG_DIRTY_PAGES,
                                                 .memory_size = setup->memory_size};
    hl_status status = os_reserve(&vm->memory, setup->memory_size, err);
    uint32_t i;

    if (status)
        return status;
    status = os_commit(vm->memory, vm->memory_size, err);
    for (i = 0; !status && i < setup->view_count; i++)
        status = os_view(vm->memory + setup->views[i].gpa, setup->views[i].share,
                         setup->views[i].offset, setup->views[i].size, err);
    if (status)
        return status;
    os_harden(vm->memory, vm->memory_size);
    region.userspace_addr = (uintptr_t)vm->memory;
    if (ioctl(vm->vm, KVM_SET_USER_MEMORY_REGION, &region))
        return kvm_fail(err, "KVM_SET_USER_MEMORY_REGION");
    return kvm_dirty_slot(vm, 0, 0, setup->memory_size, err);
}

/* ---- More memory (KVM api.rst, section 4.35) ------------------------------------- */

static hl_status kvm_map(struct hv_vm *vm, uint32_t place, const struct hv_map *map, hl_error *err)
{
    const uint32_t slot = 1 + place;
    struct kvm_userspace_memory_region region = {.slot = slot,
                                                 .flags = map->writable ? KVM_MEM_LOG_DIRTY_PAGES
                                                                        : KVM_MEM_READONLY,
                                                 .guest_phys_addr = map->gpa,
                                                 .memory_size = map->size,
                                                 .userspace_addr = (uintptr_t)map->memory};
    hl_status status = HL_OK;

    if (map->writable)
        status = kvm_dirty_slot(vm, slot, map->gpa, map->size, err);
    if (!status && ioctl(vm->vm, KVM_SET_USER_MEMORY_REGION, &region))
        status = kvm_fail(err, "KVM_SET_USER_MEMORY_REGION");
    if (status)
        kvm_dirty_end(vm, slot);
    return status;
}

/* Without its memory KVM forgets all translations, also those of page tables
 * that the host has changed, which it notices in no other way. */
static hl_status kvm_unmap(struct hv_vm *vm, uint32_t place, hl_error *err)
{
    struct kvm_userspace_memory_region region = {.slot = 1 + place};

    kvm_dirty_end(vm, 1 + place);
    return ioctl(vm->vm, KVM_SET_USER_MEMORY_REGION, &region)
               ? kvm_fail(err, "KVM_SET_USER_MEMORY_REGION")
               : HL_OK;
}

/* User mode cannot reach an MSR; these hold even if that wall should fail. The
 * filter comes first of all: it waits for a grace period of the kernel, which
 * is short while the VM has nothing else. */
static hl_status filter_msrs(struct hv_vm *vm, hl_error *err)
{
    static __u8 none[8];
    struct kvm_msr_filter filter = {.flags = KVM_MSR_FILTER_DEFAULT_DENY};

    filter.ranges[0].flags = KVM_MSR_FILTER_READ | KVM_MSR_FILTER_WRITE;
    filter.ranges[0].nmsrs = 8;
    filter.ranges[0].bitmap = none;
    return ioctl(vm->vm, KVM_X86_SET_MSR_FILTER, &filter) ? kvm_fail(err, "KVM_X86_SET_MSR_FILTER")
                                                          : HL_OK;
}

static hl_status enforce_cpuid(struct hv_vm *vm, hl_error *err)
{
    struct kvm_enable_cap enforce = {.cap = KVM_CAP_ENFORCE_PV_FEATURE_CPUID, .args = {1}};

    return ioctl(vm->vcpu, KVM_ENABLE_CAP, &enforce)
               ? kvm_fail(err, "KVM_CAP_ENFORCE_PV_FEATURE_CPUID")
               : HL_OK;
}

static struct kvm_segment segment(const struct x86_segment *from)
{
    const uint16_t access = from->access;

    return (struct kvm_segment){
        .base = from->base,
        .limit = from->limit,
        .selector = from->selector,
        .type = access & 15,
        .s = access >> 4 & 1,
        .dpl = access >> 5 & 3,
        .present = access >> 7 & 1,
        .l = access >> 13 & 1,
        .db = access >> 14 & 1,
        .g = access >> 15 & 1,
    };
}

/* An answer of KVM's that never changes, kept because asking is slow. */
enum { KEPT_EMPTY, KEPT_WRITTEN, KEPT_READY };

static bool is_kept(atomic_int *state)
{
    return atomic_load_explicit(state, memory_order_acquire) == KEPT_READY;
}

/* Whoever has the first answer writes it; the others have theirs. */
static void keep(atomic_int *state, void *to, const void *answer, size_t size)
{
    int empty = KEPT_EMPTY;

    if (!atomic_compare_exchange_strong(state, &empty, KEPT_WRITTEN))
        return;
    memcpy(to, answer, size);
    atomic_store_explicit(state, KEPT_READY, memory_order_release);
}

/* Of a new vCPU: the same for all. */
static hl_status fresh_sregs(struct kvm_sregs *out, int vcpu, hl_error *err)
{
    static struct kvm_sregs kept;
    static atomic_int state;

    if (is_kept(&state)) {
        *out = kept;
        return HL_OK;
    }
    if (ioctl(vcpu, KVM_GET_SREGS, out))
        return kvm_fail(err, "KVM_GET_SREGS");
    keep(&state, &kept, out, sizeof kept);
    return HL_OK;
}

static hl_status set_registers(struct hv_vm *vm, const struct x86_state *state, hl_error *err)
{
    struct kvm_xcrs xcrs = {.nr_xcrs = 1, .xcrs[0].value = state->xcr0};
    struct kvm_sregs sregs;
    hl_status status = fresh_sregs(&sregs, vm->vcpu, err);

    if (status)
        return status;
    sregs.cs = segment(&state->cs);
    sregs.ds = segment(&state->ds);
    sregs.es = segment(&state->es);
    sregs.fs = segment(&state->fs);
    sregs.gs = segment(&state->gs);
    sregs.ss = segment(&state->ss);
    sregs.tr = segment(&state->tr);
    sregs.ldt = segment(&state->ldt);
    sregs.ldt.present = 0;
    sregs.ldt.unusable = 1;
    sregs.gdt.base = state->gdt.base;
    sregs.gdt.limit = state->gdt.limit;
    sregs.idt.base = state->idt.base;
    sregs.idt.limit = state->idt.limit;
    sregs.cr0 = state->cr0;
    sregs.cr3 = state->cr3;
    sregs.cr4 = state->cr4;
    sregs.efer = state->efer;
    if (ioctl(vm->vcpu, KVM_SET_SREGS, &sregs))
        return errno == EINVAL ? error_set(err, HL_E_UNSUPPORTED,
                                           "KVM_SET_SREGS: refused; guests need a 64-bit "
                                           "processor with NX, FSGSBASE and XSAVE")
                               : kvm_fail(err, "KVM_SET_SREGS");
    if (ioctl(vm->vcpu, KVM_SET_XCRS, &xcrs))
        return errno == EINVAL ? error_set(err, HL_E_UNSUPPORTED,
                                           "hl_config.avx is 1: no AVX on this processor")
                               : kvm_fail(err, "KVM_SET_XCRS");
    vm->sregs = sregs;
    vm->xcr0 = state->xcr0;
    return HL_OK;
}

static hl_status supported_cpuid(struct kvm_cpuid_list *out, int device, bool avx, hl_error *err)
{
    static struct kvm_cpuid_list kept[2];
    static atomic_int state[2];

    if (is_kept(&state[avx])) {
        out->nent = kept[avx].nent;
        memcpy(out->entries, kept[avx].entries, sizeof out->entries[0] * out->nent);
        return HL_OK;
    }
    out->nent = KVM_CPUID_MAX;
    if (ioctl(device, KVM_GET_SUPPORTED_CPUID, out))
        return kvm_fail(err, "KVM_GET_SUPPORTED_CPUID");
    kvm_cpuid_curate(out, avx);
    keep(&state[avx], &kept[avx], out, sizeof kept[avx]);
    return HL_OK;
}

static hl_status make_vcpu(struct hv_vm *vm, const struct hv_setup *setup, hl_error *err)
{
    struct kvm_cpuid_list cpuid;
    hl_status status = supported_cpuid(&cpuid, vm->device, setup->avx, err);
    int size = ioctl(vm->device, KVM_GET_VCPU_MMAP_SIZE, 0);
    void *run;

    if (status)
        return status;
    vm->vcpu = ioctl(vm->vm, KVM_CREATE_VCPU, 0);
    if (vm->vcpu < 0)
        return kvm_fail(err, "KVM_CREATE_VCPU");
    if (size < (int)sizeof *vm->run)
        return error_set(err, HL_E_SYSTEM, "KVM_GET_VCPU_MMAP_SIZE: %d bytes, wanted %zu", size,
                         sizeof *vm->run);
    run = mmap(NULL, (size_t)size, PROT_READ | PROT_WRITE, MAP_SHARED, vm->vcpu, 0);
    if (run == MAP_FAILED)
        return kvm_fail(err, "mapping a vCPU");
    vm->run = run;
    vm->run_size = (size_t)size;
    vm->run->kvm_valid_regs = KVM_SYNC_X86_REGS;
    madvise(run, vm->run_size, MADV_DONTFORK);
    if (ioctl(vm->vcpu, KVM_SET_CPUID2, &cpuid))
        return kvm_fail(err, "KVM_SET_CPUID2");
    status = enforce_cpuid(vm, err);
    if (!status)
        status = kvm_runner_init(&vm->runner, vm->vcpu, err);
    return status ? status : set_registers(vm, setup->state, err);
}

static hl_status make_vm(struct hv_vm *vm, hl_error *err)
{
    vm->vm = ioctl(vm->device, KVM_CREATE_VM, 0);
    return vm->vm < 0 ? kvm_unusable(err, "/dev/kvm: KVM_CREATE_VM") : filter_msrs(vm, err);
}

static void kvm_destroy(struct hv_vm *vm)
{
    if (!vm)
        return;
    if (vm->run)
        munmap(vm->run, vm->run_size);
    kvm_dirty_free(vm);
    if (vm->vcpu >= 0)
        close(vm->vcpu);
    if (vm->vm >= 0)
        close(vm->vm);
    if (vm->device >= 0)
        close(vm->device);
    if (vm->counted)
        kvm_keeper_after();
    os_release(vm->memory, vm->memory_size);
    free(vm);
}

/* Nothing but the device yet; whatever fails, *out is for kvm_destroy. */
static hl_status open_device(struct hv_vm **out, hl_error *err)
{
    struct hv_vm *vm = calloc(1, sizeof *vm);

    *out = vm;
    if (!vm)
        return error_set(err, HL_E_MEMORY, "no memory for a VM");
    vm->device = vm->vm = vm->vcpu = -1;
    return kvm_open(&vm->device, err);
}

static hl_status create_once(struct hv_vm **out, const struct hv_setup *setup, bool log,
                             hl_error *err)
{
    struct hv_vm *vm;
    hl_status status = open_device(&vm, err);

    if (!status) {
        kvm_keeper_before(vm->device);
        vm->counted = true;
        vm->memory_size = setup->memory_size;
        status = make_vm(vm, err);
    }
    if (!status)
        status = kvm_dirty_prepare(vm, log, err);
    if (!status)
        status = map_memory(vm, setup, err);
    if (!status)
        status = make_vcpu(vm, setup, err);
    if (!status)
        status = kvm_dirty_map(vm, err);
    if (!status)
        status = kvm_scrub_learn(vm, err);
    if (status) {
        kvm_destroy(vm);
        return status;
    }
    *out = vm;
    return HL_OK;
}

/* It must not fail for want of what the keeper has. */
static hl_status create(struct hv_vm **out, const struct hv_setup *setup, bool log, hl_error *err)
{
    const hl_status status = create_once(out, setup, log, err);

    return status && kvm_keeper_end() ? create_once(out, setup, log, err) : status;
}

static hl_status kvm_create(struct hv_vm **out, const struct hv_setup *setup, hl_error *err)
{
    return create(out, setup, false, err);
}

static hl_status kvm_create_log(struct hv_vm **out, const struct hv_setup *setup, hl_error *err)
{
    return create(out, setup, true, err);
}

static uint8_t *kvm_memory(const struct hv_vm *vm)
{
    return vm->memory;
}

/* ---- Running (KVM api.rst, sections 4.10, 5) -------------------------------------- */

HL__HOT static void kvm_attach(struct hv_vm *vm)
{
    vm->runner.thread = pthread_self();
}

/* KVM_RUN ended without an exit. */
static hl_status interrupted(struct hv_vm *vm, struct hv_exit *exit, hl_error *err)
{
    if (errno == EFAULT)
        return error_set(err, HL_E_SYSTEM,
                         "KVM_RUN: memory that the guest touched is gone; was a mapped file cut "
                         "short, or a mapped buffer freed?");
    if (errno != EINTR && errno != EAGAIN)
        return kvm_fail(err, "KVM_RUN");
    *exit = (struct hv_exit){.kind = HV_EXIT_STOPPED};
    if (__atomic_load_n(&vm->run->immediate_exit, __ATOMIC_SEQ_CST))
        return HL_OK;
    return kvm_runner_disturbed(&vm->runner, vm->vcpu, err);
}

static void port_exit(struct hv_exit *out, const struct kvm_run *run)
{
    out->kind = HV_EXIT_PORT;
    out->write = run->io.direction == KVM_EXIT_IO_OUT;
    out->size = run->io.size;
    out->port = run->io.port;
    out->count = run->io.count;
}

HL__HOT static void decode_exit(struct hv_exit *out, const struct kvm_run *run)
{
    *out = (struct hv_exit){.kind = HV_EXIT_OTHER, .code = run->exit_reason};
    switch (run->exit_reason) {
    case KVM_EXIT_IO:
        port_exit(out, run);
        break;
    case KVM_EXIT_MMIO:
        out->kind = HV_EXIT_MEMORY;
        out->write = run->mmio.is_write;
        out->address = run->mmio.phys_addr;
        break;
    case KVM_EXIT_SHUTDOWN:
        out->kind = HV_EXIT_SHUTDOWN;
        break;
    case KVM_EXIT_INTR:
        out->kind = HV_EXIT_STOPPED;
        break;
    case KVM_EXIT_DIRTY_RING_FULL:
        out->kind = HV_EXIT_DIRTY;
        break;
    default:
        break;
    }
}

HL__HOT static hl_status kvm_run(struct hv_vm *vm, const struct hv_reset *reset,
                                 struct hv_exit *exit, hl_error *err)
{
    hl_status status = kvm_runner_enter(&vm->runner, vm->vcpu, err);
    bool failed;

    if (status)
        return status;
    if (reset) {
        vm->run->s.regs.regs = (struct kvm_regs){
            .rip = reset->rip, .rsp = reset->rsp, .rdi = reset->rdi, .rflags = reset->rflags};
        vm->run->kvm_dirty_regs = KVM_SYNC_X86_REGS;
    }
    failed = ioctl(vm->vcpu, KVM_RUN, 0) < 0;
    kvm_runner_leave(&vm->runner);
    if (failed)
        return interrupted(vm, exit, err);
    decode_exit(exit, vm->run);
    return exit->kind == HV_EXIT_OTHER ? kvm_failure(vm->run, err) : HL_OK;
}

/* First the flag, then the signal: a vCPU that is not in KVM_RUN yet sees the
 * flag, one that is gets the signal. A host function gets none, so that its
 * system calls are not cut short. */
static void kvm_stop(struct hv_vm *vm)
{
    __atomic_store_n(&vm->run->immediate_exit, 1, __ATOMIC_SEQ_CST);
    kvm_runner_kick(&vm->runner);
}

static void kvm_settle(struct hv_vm *vm)
{
    kvm_signal_drain();
    __atomic_store_n(&vm->run->immediate_exit, 0, __ATOMIC_SEQ_CST);
}

/* What CPUID and capabilities say is not what counts (a KVM may lack the bit of
 * a feature that it has), so this makes all of a VM but its memory. */
static hl_status kvm_probe(hl_error *err)
{
    struct x86_state state;
    const struct hv_setup setup = {.state = &state};
    struct hv_vm *vm;
    hl_status status = open_device(&vm, err);

    x86_state_init(&state, false, x86_vendor_intel());
    if (!status)
        status = make_vm(vm, err);
    if (!status)
        status = make_vcpu(vm, &setup, err);
    kvm_destroy(vm);
    return status ? status : error_none(err);
}

static void kvm_rest(void)
{
    kvm_keeper_end();
}

static uint64_t kvm_stack(const struct hv_vm *vm)
{
    return vm->run->s.regs.regs.rsp;
}

#define OPERATIONS(maker) \
    { \
        .name = "kvm", .id = HL_HYPERVISOR_KVM, .remaps = true, .probe = kvm_probe, \
        .claim = kvm_signal_claim, .create = (maker), .memory = kvm_memory, .attach = kvm_attach, \
        .run = kvm_run, .stop = kvm_stop, .settle = kvm_settle, .dirty = kvm_dirty, \
        .forget = kvm_forget, .map = kvm_map, .unmap = kvm_unmap, .stack = kvm_stack, \
        .scrub = kvm_scrub, .destroy = kvm_destroy, .rest = kvm_rest, \
    }

const struct hv_ops hv_kvm = OPERATIONS(kvm_create);
const struct hv_ops hv_kvm_log = OPERATIONS(kvm_create_log);
