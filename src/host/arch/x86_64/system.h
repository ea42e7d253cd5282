/* SPDX-License-Identifier: Apache-2.0 */
/* The system area: page tables, descriptor tables, vectors, gate. */
#ifndef HL_HOST_X86_SYSTEM_H
#define HL_HOST_X86_SYSTEM_H

#include "../../../shared/abi.h"
#include "gate.h"

/* Guest-physical 0 up to the gate, supervisor only; virtual HL_WINDOW + same:
 *
 *   0x000000  GDT, TSS with its I/O bitmap
 *   0x001000  IDT
 *   0x002000  exception vectors (code)
 *   0x003000  stack of all vectors (IST 1)
 *   0x004000  page tables, PML4 first (not mapped)
 *   0x200000  gate (user, execute); boot block at 0x202000 (user, read)
 *
 * It is the same for all sandboxes of a shape: each has a private view. */
#define SYSTEM_GDT HL_WINDOW
#define SYSTEM_GDT_LIMIT 0x4f /* 8-byte entries up to the 16-byte TSS one */
#define SYSTEM_TSS (HL_WINDOW + 0x100)
#define SYSTEM_TSS_LIMIT (0x68 + 32) /* ports 0 to 0xff and the closing byte */
#define SYSTEM_IDT (HL_WINDOW + 0x1000)
#define SYSTEM_IDT_LIMIT (32 * 16 - 1) /* `int n` beyond is #GP */
#define SYSTEM_VECTORS (HL_WINDOW + 0x2000)
#define SYSTEM_STACK (HL_WINDOW + 0x3000)
#define SYSTEM_CR3 0x4000u
#define SYSTEM_SIZE (HL_BOOT + HL_PAGE - HL_WINDOW) /* bytes of the template */

enum {
    PORT_GATE = GATE_PORT, /* open to user mode; one-byte out only */
    PORT_REPORT = 0x81     /* closed to user mode: the vectors' report */
};

/* What the vectors leave on their stack, from SYSTEM_REPORT up. */
struct system_report {
    uint64_t cr2, rax, vector, error, rip, cs, rflags, rsp, ss;
};
#define SYSTEM_REPORT (0x4000u - sizeof(struct system_report)) /* guest-physical */

/* Where an entry with new registers begins. */
static inline uint64_t system_scrub_entry(void)
{
    return HL_GATE + (uint64_t)(gate_scrub - gate_begin);
}

/* Writes everything but page tables and boot block to the zeroed template. */
void system_init(uint8_t *system);
/* Writes the gate's page of a guest that runs in a process; it is zeroed. */
void system_gate_process(uint8_t *page);

struct system_tables {
    uint8_t *system; /* the template */
    uint32_t used;   /* pages of tables */
};
void system_tables_init(struct system_tables *tables, uint8_t *system);
/* Maps whole pages for the guest with HL_READ, HL_WRITE, HL_EXECUTE;
 * 2 MiB pages where both addresses allow. false: no room for tables. */
bool system_map(struct system_tables *tables, uint64_t address, uint64_t gpa, uint64_t size,
                uint32_t access);
bool system_map_supervisor(struct system_tables *tables);
/* Makes the tables for 2 MiB pages of a range; the range stays unmapped. */
bool system_prepare(struct system_tables *tables, uint64_t address, uint64_t size);

/* Guest-physical: `count` pages behind all tables, for system_link; 0: no room. */
uint64_t system_tails(const struct system_tables *tables, uint32_t count);

/* In the tables of a VM, made from `template`: maps a prepared range to the
 * guest-physical addresses less HL_WINDOW with HL_READ, HL_WRITE. It begins at a
 * 2 MiB boundary; nothing is mapped there. `tail`, one of the pages above that
 * nothing else uses, becomes the table of its last, incomplete 2 MiB. */
void system_link(uint8_t *system, const uint8_t *template, uint64_t address, uint64_t size,
                 uint32_t access, uint64_t tail);
void system_unlink(uint8_t *system, const uint8_t *template, uint64_t address, uint64_t size);
#endif
