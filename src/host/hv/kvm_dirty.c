/* SPDX-License-Identifier: Apache-2.0 */
/* Which pages were written: KVM's dirty ring, or its dirty log where it has no ring. */
#define _GNU_SOURCE
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#include "../error.h"
#include "kvm.h"
#include "../../shared/hot.h"

enum { PAGE = 4096, RING_ENTRIES = 2048 };
enum { RING_SIZE = RING_ENTRIES * sizeof(struct kvm_dirty_gfn) };

static hl_status prepare_ring(struct hv_vm *vm, hl_error *err)
{
    struct kvm_enable_cap ring = {.cap = KVM_CAP_DIRTY_LOG_RING, .args = {RING_SIZE}};

    return ioctl(vm->vm, KVM_ENABLE_CAP, &ring) ? kvm_fail(err, "KVM_CAP_DIRTY_LOG_RING") : HL_OK;
}

/* With manual protection a page stays writable, and in the log, until cleared. */
static hl_status prepare_log(struct hv_vm *vm, hl_error *err)
{
    struct kvm_enable_cap manual = {.cap = KVM_CAP_MANUAL_DIRTY_LOG_PROTECT2,
                                    .args = {KVM_DIRTY_LOG_MANUAL_PROTECT_ENABLE}};

    if (ioctl(vm->vm, KVM_ENABLE_CAP, &manual))
        return kvm_fail(err, "KVM_CAP_MANUAL_DIRTY_LOG_PROTECT2");
    vm->logs = true;
    return HL_OK;
}

hl_status kvm_dirty_slot(struct hv_vm *vm, uint32_t number, uint64_t gpa, uint64_t size,
                         hl_error *err)
{
    struct kvm_slot *slot = &vm->slots[number];

    *slot = (struct kvm_slot){gpa / PAGE, size / PAGE, NULL};
    if (vm->logs)
        slot->log = calloc(slot->pages / 64 + 1, sizeof *slot->log);
    return slot->log || !vm->logs ? HL_OK : error_errno(err, ENOMEM, "a dirty log");
}

void kvm_dirty_end(struct hv_vm *vm, uint32_t number)
{
    free(vm->slots[number].log);
    vm->slots[number] = (struct kvm_slot){0, 0, NULL};
}

/* Asking KVM is a system call that every VM would pay for; the answer stays. */
static bool has_ring(int device)
{
    static atomic_int known; /* 0: not asked, 1: no, 2: yes */
    int answer = atomic_load(&known);

    if (!answer) {
        answer = ioctl(device, KVM_CHECK_EXTENSION, KVM_CAP_DIRTY_LOG_RING) >= RING_SIZE ? 2 : 1;
        atomic_store(&known, answer);
    }
    return answer == 2;
}

hl_status kvm_dirty_prepare(struct hv_vm *vm, bool log, hl_error *err)
{
    return !log && has_ring(vm->device) ? prepare_ring(vm, err) : prepare_log(vm, err);
}

hl_status kvm_dirty_map(struct hv_vm *vm, hl_error *err)
{
    void *ring;

    if (vm->logs)
        return HL_OK;
    ring = mmap(NULL, RING_SIZE, PROT_READ | PROT_WRITE, MAP_SHARED, vm->vcpu,
                (off_t)KVM_DIRTY_LOG_PAGE_OFFSET * PAGE);
    if (ring == MAP_FAILED)
        return kvm_fail(err, "mapping a dirty ring");
    madvise(ring, RING_SIZE, MADV_DONTFORK);
    vm->ring = ring;
    return HL_OK;
}

void kvm_dirty_free(struct hv_vm *vm)
{
    uint32_t i;

    if (vm->ring)
        munmap(vm->ring, RING_SIZE);
    for (i = 0; i <= HV_MAPS_MAX; i++)
        kvm_dirty_end(vm, i);
}

/* KVM writes an entry before it sets its flag; we read it after. */
HL__HOT static void read_ring(struct hv_vm *vm, hv_page_fn page, void *ctx)
{
    struct kvm_dirty_gfn *entry;

    for (;; vm->ring_at++) {
        entry = &vm->ring[vm->ring_at % RING_ENTRIES];
        if (!(__atomic_load_n(&entry->flags, __ATOMIC_ACQUIRE) & KVM_DIRTY_GFN_F_DIRTY))
            return;
        page(ctx, vm->slots[entry->slot & 0xffff].first + entry->offset);
        __atomic_store_n(&entry->flags, KVM_DIRTY_GFN_F_RESET, __ATOMIC_RELEASE);
    }
}

static hl_status read_log(struct hv_vm *vm, uint32_t number, hv_page_fn page, void *ctx,
                          hl_error *err)
{
    const struct kvm_slot *slot = &vm->slots[number];
    struct kvm_dirty_log log = {.slot = number, .dirty_bitmap = slot->log};
    uint64_t i, rest;

    if (ioctl(vm->vm, KVM_GET_DIRTY_LOG, &log))
        return kvm_fail(err, "KVM_GET_DIRTY_LOG");
    for (i = 0; i <= slot->pages / 64; i++)
        for (rest = slot->log[i]; rest; rest &= rest - 1)
            page(ctx, slot->first + i * 64 + (uint64_t)__builtin_ctzll(rest));
    return HL_OK;
}

static hl_status read_logs(struct hv_vm *vm, hv_page_fn page, void *ctx, hl_error *err)
{
    hl_status status = HL_OK;
    uint32_t i;

    for (i = 0; !status && i <= HV_MAPS_MAX; i++)
        if (vm->slots[i].pages)
            status = read_log(vm, i, page, ctx, err);
    return status;
}

HL__HOT hl_status kvm_dirty(struct hv_vm *vm, hv_page_fn page, void *ctx, hl_error *err)
{
    if (vm->logs)
        return read_logs(vm, page, ctx, err);
    read_ring(vm, page, ctx);
    return HL_OK;
}

static hl_status clear_logs(struct hv_vm *vm, hl_error *err)
{
    struct kvm_clear_dirty_log all;
    uint32_t i;

    for (i = 0; i <= HV_MAPS_MAX; i++) {
        all = (struct kvm_clear_dirty_log){
            .slot = i, .num_pages = (uint32_t)vm->slots[i].pages, .dirty_bitmap = vm->slots[i].log};
        if (all.num_pages && ioctl(vm->vm, KVM_CLEAR_DIRTY_LOG, &all))
            return kvm_fail(err, "KVM_CLEAR_DIRTY_LOG");
    }
    return HL_OK;
}

hl_status kvm_forget(struct hv_vm *vm, hl_error *err)
{
    if (vm->logs)
        return clear_logs(vm, err);
    return ioctl(vm->vm, KVM_RESET_DIRTY_RINGS, 0) < 0 ? kvm_fail(err, "KVM_RESET_DIRTY_RINGS")
                                                       : HL_OK;
}
