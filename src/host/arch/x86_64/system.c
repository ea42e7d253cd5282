/* SPDX-License-Identifier: Apache-2.0 */
/* Builds the system area of a shape. */
#include "system.h"

#include <hyperlight/hyperlight.h>
#include <string.h>

#include "gate.h"
#include "state.h"

/* ---- Descriptors (SDM 3A 3.4.5, 6.14.1, 7.7) -------------------------------- */

static void put16(uint8_t *at, uint16_t value)
{
    memcpy(at, &value, sizeof value);
}

static void put64(uint8_t *at, uint64_t value)
{
    memcpy(at, &value, sizeof value);
}

static void write_gdt(uint8_t *gdt)
{
    const uint64_t tss = SYSTEM_TSS, limit = SYSTEM_TSS_LIMIT;

    put64(gdt + X86_SEL_KERNEL_CS, 0x00af9b000000ffff);
    put64(gdt + X86_SEL_KERNEL_SS, 0x00cf93000000ffff);
    put64(gdt + (X86_SEL_USER_SS & ~7), 0x00cff3000000ffff);
    put64(gdt + (X86_SEL_USER_CS & ~7), 0x00affb000000ffff);
    put64(gdt + X86_SEL_TSS,
          limit | (tss & 0xffffff) << 16 | 0x89ull << 40 | (tss >> 24 & 0xff) << 56);
    put64(gdt + X86_SEL_TSS + 8, tss >> 32);
}

/* A port is open where its bit is clear; a byte of ones must follow. */
static void write_tss(uint8_t *tss)
{
    enum { RSP0 = 4, IST1 = 0x24, BITMAP_OFFSET = 0x66, BITMAP = 0x68 };

    put64(tss + RSP0, SYSTEM_STACK + HL_PAGE);
    put64(tss + IST1, SYSTEM_STACK + HL_PAGE);
    put16(tss + BITMAP_OFFSET, BITMAP);
    memset(tss + BITMAP, 0xff, SYSTEM_TSS_LIMIT + 1 - BITMAP);
    tss[BITMAP + PORT_GATE / 8] &= (uint8_t) ~(1u << PORT_GATE % 8);
}

enum { VECTOR_SIZE = 16, COMMON = 32 * VECTOR_SIZE };

static void write_idt(uint8_t *idt)
{
    enum { GATE = 0x8e, GATE_USER = 0xee, BREAKPOINT = 3, IST = 1 };
    uint64_t target, low;
    uint32_t i;

    for (i = 0; i < 32; i++) {
        target = SYSTEM_VECTORS + i * VECTOR_SIZE;
        low = (target & 0xffff) | (uint64_t)X86_SEL_KERNEL_CS << 16 | (uint64_t)IST << 32 |
              (uint64_t)(i == BREAKPOINT ? GATE_USER : GATE) << 40 | (target >> 16 & 0xffff) << 48;
        put64(idt + i * 16, low);
        put64(idt + i * 16 + 8, target >> 32);
    }
}

/* ---- Code --------------------------------------------------------------------- */

/* Does the processor push an error code (SDM 3A table 6-1)? */
static bool has_error_code(uint32_t vector)
{
    const uint32_t with = 1u << 8 | 1u << 10 | 1u << 11 | 1u << 12 | 1u << 13 | 1u << 14 |
                          1u << 17 | 1u << 21 | 1u << 29 | 1u << 30;

    return with >> vector & 1;
}

/* Each vector leaves a struct system_report on the stack and reports; nothing
 * resumes it, but if something does it returns to the guest. */
static void write_vectors(uint8_t *code)
{
    static const uint8_t common[] = {
        0x50,                          /* push %rax */
        0x0f, 0x20,        0xd0,       /* mov %cr2, %rax */
        0x50,                          /* push %rax */
        0xe6, PORT_REPORT,             /* out %al, $PORT_REPORT */
        0x58, 0x58,                    /* pop %rax; pop %rax */
        0x48, 0x83,        0xc4, 0x10, /* add $16, %rsp */
        0x48, 0xcf,                    /* iretq */
    };
    uint8_t *at;
    uint32_t i, n;

    for (i = 0; i < 32; i++) {
        at = code + i * VECTOR_SIZE;
        n = 0;
        if (!has_error_code(i)) {
            at[n++] = 0x6a; /* push $0 */
            at[n++] = 0;
        }
        at[n++] = 0x6a; /* push $vector */
        at[n++] = (uint8_t)i;
        at[n++] = 0xe9; /* jmp common */
        put16(at + n, (uint16_t)(COMMON - i * VECTOR_SIZE - n - 4));
    }
    memcpy(code + COMMON, common, sizeof common);
}

static void write_gate(uint8_t *page, const uint8_t *begin, const uint8_t *end)
{
    const uint32_t mxcsr = GATE_MXCSR_INIT;

    memcpy(page, begin, (size_t)(end - begin));
    memcpy(page + GATE_XSAVE_MXCSR, &mxcsr, sizeof mxcsr);
    if (x86_xsave_compacts())
        put64(page + GATE_XSAVE_COMPACTION, 1ull << 63);
}

void system_gate_process(uint8_t *page)
{
    write_gate(page, gate_process_begin, gate_process_end);
}

void system_init(uint8_t *system)
{
    write_gdt(system);
    write_tss(system + (SYSTEM_TSS - HL_WINDOW));
    write_idt(system + (SYSTEM_IDT - HL_WINDOW));
    write_vectors(system + (SYSTEM_VECTORS - HL_WINDOW));
    write_gate(system + (HL_GATE - HL_WINDOW), gate_begin, gate_end);
}

/* ---- Page tables (SDM 3A 4.5) --------------------------------------------------- */

#define PTE_PRESENT (1ull << 0)
#define PTE_WRITE (1ull << 1)
#define PTE_USER (1ull << 2)
#define PTE_ACCESSED (1ull << 5)
#define PTE_DIRTY (1ull << 6)
#define PTE_LARGE (1ull << 7)
#define PTE_NX (1ull << 63)
#define PTE_ADDRESS 0x000ffffffffff000ull
#define LARGE_PAGE (2ull << 20)

void system_tables_init(struct system_tables *tables, uint8_t *system)
{
    tables->system = system;
    tables->used = 1;
}

/* The table below `entry`, made if there is none; NULL when the area is full. */
static uint64_t *descend(struct system_tables *tables, uint64_t *entry)
{
    uint64_t gpa = SYSTEM_CR3 + (uint64_t)tables->used * HL_PAGE;

    if (!(*entry & PTE_PRESENT)) {
        if (gpa + HL_PAGE > HL_GATE - HL_WINDOW)
            return NULL;
        tables->used++;
        *entry = gpa | PTE_PRESENT | PTE_WRITE | PTE_USER | PTE_ACCESSED;
    }
    return (uint64_t *)(void *)(tables->system + (*entry & PTE_ADDRESS));
}

static uint64_t *slot(uint64_t *table, uint64_t address, int shift)
{
    return &table[address >> shift & 511];
}

/* The table of 2 MiB pages for an address; NULL when the area is full. */
static uint64_t *directory(struct system_tables *tables, uint64_t address)
{
    uint64_t *table = (uint64_t *)(void *)(tables->system + SYSTEM_CR3);

    table = descend(tables, slot(table, address, 39));
    return table ? descend(tables, slot(table, address, 30)) : NULL;
}

static bool map(struct system_tables *tables, uint64_t address, uint64_t gpa, uint64_t size,
                uint64_t flags)
{
    uint64_t *table, step;

    flags |= PTE_PRESENT | PTE_ACCESSED | (flags & PTE_WRITE ? PTE_DIRTY : 0);
    for (; size; address += step, gpa += step, size -= step) {
        table = directory(tables, address);
        if (!table)
            return false;
        step = LARGE_PAGE;
        if (address % step == 0 && gpa % step == 0 && size >= step) {
            *slot(table, address, 21) = gpa | flags | PTE_LARGE;
            continue;
        }
        step = HL_PAGE;
        table = descend(tables, slot(table, address, 21));
        if (!table)
            return false;
        *slot(table, address, 12) = gpa | flags;
    }
    return true;
}

static uint64_t user_flags(uint32_t access)
{
    return PTE_USER | (access & HL_WRITE ? PTE_WRITE : 0) | (access & HL_EXECUTE ? 0 : PTE_NX);
}

bool system_map(struct system_tables *tables, uint64_t address, uint64_t gpa, uint64_t size,
                uint32_t access)
{
    return map(tables, address, gpa, size, user_flags(access));
}

bool system_map_supervisor(struct system_tables *tables)
{
    return map(tables, SYSTEM_GDT, 0, 2 * HL_PAGE, PTE_WRITE | PTE_NX) &&
           map(tables, SYSTEM_VECTORS, SYSTEM_VECTORS - HL_WINDOW, HL_PAGE, 0) &&
           map(tables, SYSTEM_STACK, SYSTEM_STACK - HL_WINDOW, HL_PAGE, PTE_WRITE | PTE_NX);
}

/* ---- Changes in a VM's tables ------------------------------------------------------ */

bool system_prepare(struct system_tables *tables, uint64_t address, uint64_t size)
{
    const uint64_t reach = 1ull << 30; /* of one directory */
    uint64_t at;

    for (at = address & ~(reach - 1); at < address + size; at += reach)
        if (!directory(tables, at))
            return false;
    return true;
}

uint64_t system_tails(const struct system_tables *tables, uint32_t count)
{
    const uint64_t gpa = SYSTEM_CR3 + (uint64_t)tables->used * HL_PAGE;

    return gpa + (uint64_t)count * HL_PAGE <= HL_GATE - HL_WINDOW ? gpa : 0;
}

/* The entry of a directory, found by the template's tables: a guest that broke
 * the wall may have written its own. */
static uint64_t *large_entry(uint8_t *system, const uint8_t *template, uint64_t address)
{
    uint64_t gpa = SYSTEM_CR3;
    int shift;

    for (shift = 39; shift > 21; shift -= 9) {
        memcpy(&gpa, template + gpa + (address >> shift & 511) * sizeof gpa, sizeof gpa);
        gpa &= PTE_ADDRESS;
    }
    return slot((uint64_t *)(void *)(system + gpa), address, 21);
}

void system_link(uint8_t *system, const uint8_t *template, uint64_t address, uint64_t size,
                 uint32_t access, uint64_t tail)
{
    const uint64_t flags = user_flags(access) | PTE_PRESENT | PTE_ACCESSED |
                           (access & HL_WRITE ? PTE_DIRTY : 0);
    uint64_t *table = (uint64_t *)(void *)(system + tail);
    uint32_t i;

    for (; size >= LARGE_PAGE; address += LARGE_PAGE, size -= LARGE_PAGE)
        *large_entry(system, template, address) = (address - HL_WINDOW) | flags | PTE_LARGE;
    if (!size)
        return;
    for (i = 0; i < 512; i++)
        table[i] = i < size / HL_PAGE ? (address - HL_WINDOW + i * HL_PAGE) | flags : 0;
    *large_entry(system, template, address) = tail | PTE_PRESENT | PTE_WRITE | PTE_USER |
                                              PTE_ACCESSED;
}

void system_unlink(uint8_t *system, const uint8_t *template, uint64_t address, uint64_t size)
{
    const uint64_t end = address + size;

    for (; address < end; address += LARGE_PAGE)
        *large_entry(system, template, address) = 0;
}
