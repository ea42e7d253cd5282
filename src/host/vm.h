/* SPDX-License-Identifier: Apache-2.0 */
/* A virtual machine and what its memory holds. */
#ifndef HL_HOST_VM_H
#define HL_HOST_VM_H

#include "content.h"
#include "dirty.h"
#include "guest.h"
#include "hv/hv.h"
#include "memory.h"

/* VMs of one kind may take each other's place. */
struct vm_kind {
    const struct hv_ops *hv;
    const struct shape *shape;
    uint64_t domain; /* trust domain: a VM never changes it */
    bool named;      /* by the application; else by the library */
    bool avx;
};

static inline bool vm_kind_equal(const struct vm_kind *a, const struct vm_kind *b)
{
    return a->hv == b->hv && a->shape == b->shape && a->domain == b->domain &&
           a->named == b->named && a->avx == b->avx;
}

static inline void vm_kind_set_domain(struct vm_kind *kind, uint64_t given, uint64_t host)
{
    kind->named = given != 0;
    kind->domain = given ? given : host;
}

#define VM_BULK (4ull << 20) /* bytes of a large request */

struct vm {
    struct vm_kind kind;
    struct hv_vm *machine;
    struct memory memory;
    const hl_guest *guest;         /* retained, as is kind.shape */
    const struct content *content; /* memory is this, but for dirty and messages */
    struct base *base;             /* what memory has views of */
    struct dirty dirty;            /* the hot set: kept over restores, copied at each */
    struct dirty touched;          /* pages in memory beyond the content, or dirty once */
    struct vm_mapped *mapped;      /* MAPPINGS_MAX; NULL: there was never one */
    uint64_t requests_end;         /* the host has written messages up to here */
    uint64_t lineage;              /* whose guest code ran last; 0: nobody's */
    struct hv_reset reset;         /* registers for the next entry */
    bool has_reset;
    bool bulk;       /* large requests lie in large pages */
    bool laid;       /* memory is the content; else its pages beyond the base are to come */
    bool stained;    /* of a backend that renews: that must come first */
    bool abnormal;   /* the last exit was not the gate's */
    bool lost;       /* nothing heals it */
    struct vm *next; /* in the cache */
};

struct vm_mapped {            /* in one of MAPPINGS_MAX places */
    const struct mapping *is; /* retained; NULL: the place is free */
    uint8_t *memory;          /* of the host; NULL with a backend that renews */
    struct dirty dirty;       /* pages that the guest has written, if it may */
};

/* What a parked guest is, besides memory: RSP, and what arrives in RDI. */
struct vm_park {
    uint64_t rsp, rdi;
};

/* Makes one whose memory is `content`; vm_restore comes next. */
hl_status vm_create(struct vm **out, const struct vm_kind *kind, const hl_guest *guest,
                    const struct content *content, hl_error *err);
void vm_destroy(struct vm *vm);

/* From now on memory is `content`, and the next entry resumes a guest parked
 * so, with nothing left of what ran before. On failure the VM is lost. */
hl_status vm_restore(struct vm *vm, const struct content *content, const struct vm_park *park,
                     uint64_t lineage, hl_error *err);
/* The content of memory now; the guest is parked. *out is the caller's. */
hl_status vm_freeze(const struct content **out, struct vm *vm, hl_error *err);
/* Gives memory back beyond a few MiB, and buffers to the application. */
void vm_trim(struct vm *vm);

/* Adds a mapping to what the guest sees, in a free place, and takes one away;
 * the guest is parked. A failure changes nothing, unless the VM is lost then.
 * E_UNSUPPORTED: this hypervisor cannot. */
hl_status vm_map(struct vm *vm, uint32_t place, const struct mapping *mapping, hl_error *err);
hl_status vm_unmap(struct vm *vm, uint32_t place, hl_error *err);

/* Puts the content in place now; an idle clone has it done at its first entry. */
void vm_lay(struct vm *vm);
/* Enters the guest until its next exit; serves what is the VM's own matter. */
hl_status vm_run(struct vm *vm, struct hv_exit *exit, hl_error *err);
/* RSP of a parked guest. */
static inline uint64_t vm_stack(const struct vm *vm)
{
    return vm->has_reset ? vm->reset.rsp : vm->kind.hv->stack(vm->machine);
}
/* Writes to a new VM's area from its start on; the rest of the last page is zero. */
hl_status vm_write(struct vm *vm, int area, const uint8_t *from, uint64_t size, hl_error *err);
/* A large request is about to be written: makes that cheaper. */
void vm_bulk(struct vm *vm);
/* Host writes: the pages of an area that they touched. */
void vm_wrote(struct vm *vm, int area, uint64_t offset, uint64_t size);
#endif
