/* SPDX-License-Identifier: Apache-2.0 */
/* A guest that leaves traces wherever it can, and looks for those of others. */
#include <hyperlight/easy.h>
#include <string.h>

#include "../../../src/shared/abi.h"
#include "dump.h"

_Alignas(64) struct tenant_dump tenant_first, tenant_parked;
_Alignas(HL_PAGE) uint8_t tenant_buffer[4 * HL_PAGE];
static uint8_t initialised[16 * HL_PAGE] = {1}, zeroed[16 * HL_PAGE];

extern void tenant_park(void);
typedef void leave(const void *xsave); /* none returns */
extern leave tenant_leave_park, tenant_leave_fault, tenant_leave_in, tenant_leave_ins,
    tenant_leave_ins_long, tenant_leave_outs, tenant_leave_outs_words, tenant_leave_spin;

static const struct hl_boot *boot(void)
{
    return (const struct hl_boot *)(uintptr_t)HL_BOOT;
}

/* ---- Looking ------------------------------------------------------------------ */

static uint64_t hash(uint64_t from, uint64_t to)
{
    const uint64_t *at = (const uint64_t *)(uintptr_t)from;
    uint64_t sum = 0xcbf29ce484222325;

    for (; at < (const uint64_t *)(uintptr_t)to; at++)
        sum = (sum ^ *at) * 0x100000001b3;
    return sum;
}

/* Runs before there are a thread pointer and a canary. What the host has
 * written for this very call differs from one to the next. */
__attribute__((no_stack_protector)) void tenant_hash(struct tenant_dump *dump, uint64_t rsp)
{
    const struct hl_boot *areas = boot();
    const uint64_t data = (uintptr_t)initialised, bss = (uintptr_t)zeroed;

    dump->heap = hash(areas->heap, areas->heap + areas->heap_size);
    dump->stack = hash(areas->stack, rsp - 2048);
    dump->data = hash(data, data + sizeof initialised) ^ hash(bss, bss + sizeof zeroed);
    dump->replies = hash(areas->replies + sizeof(struct hl_frame),
                         areas->replies + areas->replies_size);
    dump->requests = hash(areas->requests + sizeof(struct hl_frame),
                          areas->requests + areas->requests_size);
    memset(dump->xsave + TENANT_XSTATE_BV, 0, 8);
}

/* ---- Leaving -------------------------------------------------------------------- */

static void answer(void)
{
    const struct hl_frame frame = {.kind = HL_KIND_RETURN, .depth = 1, .size = sizeof frame};

    memcpy((void *)(uintptr_t)boot()->replies, &frame, sizeof frame);
}

/* Returns to the host and stays here; the next call of a function without
 * parameters and result resumes here, and this is what answers it. */
HL_FUNCTION(void, Park, ())
{
    answer();
    tenant_park();
    tenant_hash(&tenant_parked, tenant_parked.rsp);
}

HL_FUNCTION(void, Resume, ())
{
}

HL_FUNCTION(bytes, Dump, (bool, first))
{
    return (hl_span){first ? &tenant_first : &tenant_parked, sizeof(struct tenant_dump)};
}

/* An XSAVE area that leaves no bit of any register as it was, x87 with an
 * exception pending. */
static const void *everything(void)
{
    static _Alignas(64) uint8_t area[HL_PAGE];
    const uint64_t components = tenant_first.xcr0 & 0xe7, none[7] = {0};
    const uint32_t mxcsr = 0xe07f, mask = 0xffff;
    const uint16_t control = 0x0f40, flags = 0xb8ff, opcode = 0x05a5;
    const uint64_t pointer = 0x5aa5deadbeef;

    memset(area, 0xa5, sizeof area);
    memcpy(area, &control, 2);
    memcpy(area + 2, &flags, 2);
    area[4] = 0x5a; /* which registers are in use */
    memcpy(area + 6, &opcode, 2);
    memcpy(area + 8, &pointer, 8);
    memcpy(area + 16, &pointer, 8);
    memcpy(area + 24, &mxcsr, 4);
    memcpy(area + 28, &mask, 4);
    memcpy(area + 512, &components, 8);
    memcpy(area + 520, none, sizeof none);
    return area;
}

/* All memory that the guest can write, but for the stack it stands on. */
static void fill_memory(void)
{
    const struct hl_boot *areas = boot();
    const uint64_t here = (uintptr_t)__builtin_frame_address(0) - 2048;

    memset((void *)(uintptr_t)areas->heap, 0xa5, areas->heap_size);
    memset((void *)(uintptr_t)areas->replies, 0xa5, areas->replies_size);
    memset((void *)(uintptr_t)areas->stack, 0xa5, here - areas->stack);
    memset(initialised, 0xa5, sizeof initialised);
    memset(zeroed, 0xa5, sizeof zeroed);
    memset(tenant_buffer, 0xa5, sizeof tenant_buffer);
}

HL_FUNCTION(void, Fill, (u32, way))
{
    static leave *const ways[TENANT_WAYS] = {
        [TENANT_PARK] = tenant_leave_park,
        [TENANT_FAULT] = tenant_leave_fault,
        [TENANT_IN] = tenant_leave_in,
        [TENANT_INS] = tenant_leave_ins,
        [TENANT_INS_LONG] = tenant_leave_ins_long,
        [TENANT_OUTS] = tenant_leave_outs,
        [TENANT_OUTS_WORDS] = tenant_leave_outs_words,
        [TENANT_SPIN] = tenant_leave_spin,
    };

    if (way >= TENANT_WAYS)
        return;
    fill_memory();
    answer();
    ways[way](everything());
}
