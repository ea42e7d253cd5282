/* SPDX-License-Identifier: Apache-2.0 */
/* The contract between the library and a hypervisor. */
#ifndef HL_HOST_HV_H
#define HL_HOST_HV_H

#include <hyperlight/hyperlight.h>

#include "../arch/x86_64/state.h"
#include "../os/os.h"

/* operation   KVM                              mshv                         WHP
 * probe       open, KVM_GET_API_VERSION,       open /dev/mshv, as create    WHvGetCapability
 *             KVM_CHECK_EXTENSION, as create
 * claim       sigaction                        sigaction                    -
 * create      KVM_CREATE_VM, memory region,    CREATE_PARTITION,            WHvCreatePartition,
 *             KVM_CREATE_VCPU, CPUID2, SREGS,  INITIALIZE, CREATE_VP,       WHvSetupPartition,
 *             MSR filter, signal mask          SET_GUEST_MEMORY, SET_REGS   WHvMapGpaRange, VP
 * attach      thread                           thread                       -
 * scrub       immediate_exit run, SREGS, MSRS  SET_VP_STATE, SET_REGS       SetRegisters
 * dirty       dirty ring, or KVM_GET_DIRTY_LOG GET_GPA_ACCESS_STATES        QueryGpaRangeDirty-
 *                                                                           Bitmap
 * forget      KVM_RESET_DIRTY_RINGS,           the same, clearing           the same
 *             KVM_CLEAR_DIRTY_LOG
 * map, unmap  KVM_SET_USER_MEMORY_REGION       SET_GUEST_MEMORY             WHvMapGpaRange
 * stack       sync_regs                        register page                GetRegisters
 * run         KVM_RUN, registers by sync_regs  register page, RUN_VP        SetRegisters, Run
 * stop        immediate_exit, then a signal    signal until acknowledged    CancelRun
 * settle      immediate_exit = 0               -                            stale Canceled
 * destroy     close                            close                        WHvDeletePartition
 * rest        close of an empty VM             -                            -
 *
 * A VM has one virtual processor. One thread at a time uses it; only stop may
 * come from others. The backend owns guest memory: one contiguous range of
 * guest-physical addresses from 0, mapped readable and writable in the host.
 * Host code changes its contents and, where the backend says `remaps`, also
 * which pages back it: the guest sees that at once. */

struct hv_vm; /* each backend's own */

struct hv_view {           /* guest memory that starts as a copy-on-write view */
    const os_share *share; /* sealed */
    uint64_t offset;       /* in the share */
    uint64_t gpa, size;    /* whole pages */
};

/* Where a guest has its memory, for backends to which page tables mean nothing.
 * What lies beyond memory_size are mappings, views all of them. */
enum hv_region_kind { HV_REGION_MEMORY, HV_REGION_GATE, HV_REGION_REQUESTS, HV_REGION_REPLIES };
struct hv_region {
    uint64_t address;   /* guest-virtual */
    uint64_t gpa, size; /* whole pages */
    uint32_t access;    /* HL_READ | HL_WRITE | HL_EXECUTE of the guest; 0: there, but closed */
    enum hv_region_kind kind;
};

struct hv_setup {
    uint64_t memory_size; /* bytes, whole pages; zero but for the views */
    const struct hv_view *views;
    uint32_t view_count;
    const struct hv_region *regions;
    uint32_t region_count;
    const struct x86_state *state; /* of the processor before its first entry */
    bool avx;                      /* the host's AVX state for the guest */
};

/* Memory of the host that a guest sees beyond memory_size. */
enum { HV_MAPS_MAX = 16 };
struct hv_map {
    uint64_t gpa, size; /* whole pages */
    uint8_t *memory;
    bool writable; /* else by nobody */
};

/* General registers written by an entry; all others 0. A backend with a gate of
 * its own has its scrub entry in place of rip. */
struct hv_reset {
    uint64_t rip, rsp, rdi, rflags;
};

/* A page that was written, by its guest-physical number. */
typedef void (*hv_page_fn)(void *ctx, uint64_t page);

enum hv_exit_kind {
    HV_EXIT_GATE,     /* the guest called a gate that is no port */
    HV_EXIT_FAULT,    /* an exception that is reported by no port */
    HV_EXIT_PORT,     /* port I/O; the core knows which ports mean what */
    HV_EXIT_MEMORY,   /* a guest-physical address without memory */
    HV_EXIT_SHUTDOWN, /* triple fault */
    HV_EXIT_STOPPED,  /* by stop, or for no reason: then run again */
    HV_EXIT_DIRTY,    /* no room to name more pages: dirty, forget, run again */
    HV_EXIT_OTHER     /* code says which, in the backend's numbers */
};

struct hv_exit {
    enum hv_exit_kind kind;
    bool write;   /* PORT, MEMORY: out, store */
    bool known;   /* FAULT: all of the error code is; else no write and no fetch is in it */
    bool call;    /* FAULT: it was a system call; code is its number */
    uint8_t size; /* PORT: bytes of one access, 1, 2 or 4 */
    uint16_t port;
    uint32_t count; /* PORT: accesses; 1 unless string I/O */
    uint32_t code;
    uint32_t vector, error; /* FAULT; error: of a page fault, else what there is */
    uint64_t address;       /* MEMORY: guest-physical; FAULT: of a page fault, guest-virtual */
    uint64_t rip;           /* FAULT */
};

enum { HV_STORE_MAX = 64 };

struct hv_ops {
    const char *name;
    hl_hypervisor id;
    bool remaps; /* the host may change what backs guest memory */

    /* HL_OK if create is likely to work, found out by making what it makes;
     * E_NO_HYPERVISOR with the cure, else what create would say. Claims nothing. */
    hl_status (*probe)(hl_error *err);
    /* Agrees on the interrupt signal, one for the process; 0: the default, or the
     * one in use. Before every sandbox. */
    hl_status (*claim)(int32_t signal, hl_error *err);
    hl_status (*create)(struct hv_vm **out, const struct hv_setup *setup, hl_error *err);
    uint8_t *(*memory)(const struct hv_vm *vm);
    /* The calling thread is the one that runs from now on. Before each
     * outermost call, while no stop can come. */
    void (*attach)(struct hv_vm *vm);
    /* Runs the guest until its next exit. reset: registers to write in the same
     * entry, or NULL. An error is the host's (E_SYSTEM, E_MEMORY). */
    hl_status (*run)(struct hv_vm *vm, const struct hv_reset *reset, struct hv_exit *exit,
                     hl_error *err);
    /* Makes the current run, or the next one, end as STOPPED, until settle. Any
     * thread, after attach and before settle. */
    void (*stop)(struct hv_vm *vm);
    void (*settle)(struct hv_vm *vm);

    /* Names every page that guest or hypervisor has written since creation or
     * since it was last forgotten, each at least once over the calls since then. */
    hl_status (*dirty)(struct hv_vm *vm, hv_page_fn page, void *ctx, hl_error *err);
    /* From now on the pages named so far are named again when written. */
    hl_status (*forget)(struct hv_vm *vm, hl_error *err);
    /* Adds memory in one of HV_MAPS_MAX places, all free at first, and takes it
     * away. The guest's page tables may name it from map on, and must not any
     * more when unmap is called: after it no processor remembers. NULL: cannot,
     * unless there is `renew`, whose setup has mappings as it has other memory.
     * After an error of unmap: destroy this VM. */
    hl_status (*map)(struct hv_vm *vm, uint32_t place, const struct hv_map *map, hl_error *err);
    hl_status (*unmap)(struct hv_vm *vm, uint32_t place, hl_error *err);
    /* RSP at the last exit. */
    uint64_t (*stack)(const struct hv_vm *vm);
    /* After an exit that was not the gate's, or before another lineage runs:
     * abandons what is pending and puts everything but user-mode state and
     * memory back to how creation left it. An error: destroy this VM. */
    hl_status (*scrub)(struct hv_vm *vm, hl_error *err);

    /* The following are NULL where the host has guest memory before it: it then
     * reads and writes it there, and `scrub` is all that a new tenant takes.
     * Where they are not, `memory` has the messages alone, and `scrub` is NULL. */

    /* Ends what runs: memory is as a create with this setup leaves it. While no
     * stop can come. */
    hl_status (*renew)(struct hv_vm *vm, const struct hv_setup *setup, hl_error *err);
    /* Writes one page, at the latest before the guest runs again. */
    hl_status (*load)(struct hv_vm *vm, uint64_t page, const uint8_t *bytes, hl_error *err);
    /* What ran does not run on: its call came to a bad end. Any thread's stop may
     * come at the same time. */
    void (*halt)(struct hv_vm *vm);
    /* Reads up to HV_STORE_MAX pages; out: where they are until the next operation. */
    hl_status (*store)(const uint8_t *out[], struct hv_vm *vm, const uint64_t pages[],
                       uint32_t count, hl_error *err);
    void (*destroy)(struct hv_vm *vm);
    /* Gives up what is kept from one VM to the next. Any thread. NULL: there is nothing. */
    void (*rest)(void);
};

/* The backend for a choice, HL_HYPERVISOR_ANY included; NULL if it is none. */
const struct hv_ops *hv_find(hl_hypervisor which);
/* `rest` of all of them. */
void hv_rest(void);

extern const struct hv_ops hv_process;
extern const struct hv_ops hv_kvm;
extern const struct hv_ops hv_kvm_log; /* as on a kernel without dirty ring */
#endif
