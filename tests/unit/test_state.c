/* SPDX-License-Identifier: Apache-2.0 */
/* The initial processor state against the rules of VM entry.
 *
 * Intel: SDM volume 3C, 27.3.1 "Checks on the Guest State Area". AMD: APM
 * volume 2, 15.5.1 "Basic Operation", canonicalization and consistency checks.
 * Software that emulates a processor is more patient than a real one. */
#include "../../src/host/arch/x86_64/state.h"
#include "../../src/host/arch/x86_64/system.h"
#include "../test.h"

#define BIT(n) (1ull << (n))
enum {
    CR0_PE = 0,
    CR0_MP = 1,
    CR0_EM = 2,
    CR0_TS = 3,
    CR0_NE = 5,
    CR0_WP = 16,
    CR0_NW = 29,
    CR0_CD = 30,
    CR0_PG = 31
};
enum {
    CR4_PAE = 5,
    CR4_OSFXSR = 9,
    CR4_OSXMMEXCPT = 10,
    CR4_UMIP = 11,
    CR4_LA57 = 12,
    CR4_VMXE = 13,
    CR4_FSGSBASE = 16,
    CR4_PCIDE = 17,
    CR4_OSXSAVE = 18,
    CR4_PKE = 22,
    CR4_CET = 23,
    CR4_PKS = 24
};
enum { EFER_SCE = 0, EFER_LME = 8, EFER_LMA = 10, EFER_NXE = 11, EFER_SVME = 12 };

/* ---- Attributes (SDM 3C 25.4.1) ---------------------------------------------------- */

static uint32_t type(const struct x86_segment *s)
{
    return s->access & 15;
}

static uint32_t dpl(const struct x86_segment *s)
{
    return s->access >> 5 & 3;
}

static uint32_t rpl(const struct x86_segment *s)
{
    return s->selector & 3;
}

static bool attribute(const struct x86_segment *s, uint32_t bit)
{
    return s->access >> bit & 1;
}
enum { S = 4, P = 7, L = 13, DB = 14, G = 15 };

/* For processors with 4-level paging: bits 63 to 47 all equal. */
static bool canonical(uint64_t address)
{
    return (uint64_t)((int64_t)(address << 16) >> 16) == address;
}

/* 27.3.1.2, the G bit: byte limits end anywhere, page limits in 0xfff. */
static bool limit_fits(const struct x86_segment *s)
{
    if ((s->limit & 0xfff) != 0xfff && attribute(s, G))
        return false;
    return !(s->limit & 0xfff00000) || attribute(s, G);
}

/* Runs the rules over both vendors' states, with and without AVX. */
static void each(void (*rules)(const struct x86_state *state, bool avx, bool busy_tss))
{
    struct x86_state state;
    int i;

    for (i = 0; i < 4; i++) {
        memset(&state, 0xff, sizeof state); /* nothing may be left as it was */
        x86_state_init(&state, i & 1, i >> 1);
        rules(&state, i & 1, i >> 1);
    }
}

/* ---- Intel ------------------------------------------------------------------------- */

/* 27.3.1.1: control registers, debug registers, MSRs. */
static void intel_control(const struct x86_state *s, bool avx, bool busy_tss)
{
    (void)avx;
    (void)busy_tss;
    CHECK(s->cr0 & BIT(CR0_PE)); /* A.7: IA32_VMX_CR0_FIXED0 */
    CHECK(s->cr0 & BIT(CR0_NE));
    CHECK(s->cr0 & BIT(CR0_PG));
    CHECK(!(s->cr0 >> 32));           /* A.7: IA32_VMX_CR0_FIXED1 */
    CHECK(!(s->cr4 & BIT(CR4_VMXE))); /* A.8: the hypervisor's own to add */
    CHECK(!(s->cr4 >> 32));
    /* CR4.CET needs CR0.WP */
    CHECK(!(s->cr4 & BIT(CR4_CET)) || s->cr0 & BIT(CR0_WP));
    /* IA-32e mode guest: CR0.PG and CR4.PAE are 1 */
    CHECK(s->efer & BIT(EFER_LMA));
    CHECK(s->cr4 & BIT(CR4_PAE));
    CHECK(!(s->cr4 & BIT(CR4_PCIDE))); /* CR3 11:0 are no PCID */
    /* CR3: no bit beyond the physical-address width, of 36 bits at least */
    CHECK(!(s->cr3 >> 36));
    /* IA32_EFER: reserved bits are 0, LMA is the IA-32e control, LME equals it */
    CHECK(!(s->efer & ~(BIT(EFER_SCE) | BIT(EFER_LME) | BIT(EFER_LMA) | BIT(EFER_NXE))));
    CHECK(s->efer & BIT(EFER_LME));
}

/* 27.3.1.2: selectors and bases. */
static void intel_segment_bases(const struct x86_state *s, bool avx, bool busy_tss)
{
    (void)avx;
    (void)busy_tss;
    CHECK(!(s->tr.selector & 4)); /* TR: TI is 0 */
    CHECK(!(s->ldt.selector & 4));
    CHECK_INT(rpl(&s->ss), rpl(&s->cs)); /* not an unrestricted guest */
    CHECK(canonical(s->tr.base));
    CHECK(canonical(s->fs.base));
    CHECK(canonical(s->gs.base));
    CHECK(canonical(s->ldt.base));
    CHECK(!(s->cs.base >> 32));
    CHECK(!(s->ss.base >> 32));
    CHECK(!(s->ds.base >> 32));
    CHECK(!(s->es.base >> 32));
}

/* 27.3.1.2: access rights of CS and SS. */
static void intel_code_and_stack(const struct x86_state *s, bool avx, bool busy_tss)
{
    (void)avx;
    (void)busy_tss;
    CHECK(type(&s->cs) == 9 || type(&s->cs) == 11 || type(&s->cs) == 13 || type(&s->cs) == 15);
    CHECK(attribute(&s->cs, S));
    if (type(&s->cs) == 9 || type(&s->cs) == 11)
        CHECK_INT(dpl(&s->cs), dpl(&s->ss));
    else
        CHECK(dpl(&s->cs) <= dpl(&s->ss));
    CHECK(attribute(&s->cs, P));
    CHECK(!(s->cs.access & 0xf00)); /* bits 11:8 reserved */
    CHECK(attribute(&s->cs, L));    /* 64-bit code, so D/B must be 0 */
    CHECK(!attribute(&s->cs, DB));
    CHECK(limit_fits(&s->cs));

    CHECK(type(&s->ss) == 3 || type(&s->ss) == 7);
    CHECK(attribute(&s->ss, S));
    CHECK_INT(dpl(&s->ss), rpl(&s->ss));
    CHECK(attribute(&s->ss, P));
    CHECK(!(s->ss.access & 0xf00));
    CHECK(limit_fits(&s->ss));
    CHECK_INT(dpl(&s->ss), 3); /* the CPL of the guest */
}

/* 27.3.1.2: access rights of DS, ES, FS, GS. */
static void intel_data(const struct x86_state *s, bool avx, bool busy_tss)
{
    const struct x86_segment *const data[] = {&s->ds, &s->es, &s->fs, &s->gs};
    int i;

    (void)avx;
    (void)busy_tss;
    for (i = 0; i < 4; i++) {
        CHECK(type(data[i]) & 1);                         /* accessed */
        CHECK(!(type(data[i]) & 8) || type(data[i]) & 2); /* code must be readable */
        CHECK(attribute(data[i], S));
        CHECK(type(data[i]) > 11 || dpl(data[i]) >= rpl(data[i]));
        CHECK(attribute(data[i], P));
        CHECK(!(data[i]->access & 0xf00));
        CHECK(limit_fits(data[i]));
    }
}

/* 27.3.1.2: access rights of TR and LDTR (which the backend marks unusable;
 * these hold if one cannot). */
static void intel_system_segments(const struct x86_state *s, bool avx, bool busy_tss)
{
    (void)avx;
    if (busy_tss)
        CHECK_INT(type(&s->tr), 11); /* IA-32e mode: a busy 64-bit TSS */
    CHECK(!attribute(&s->tr, S));
    CHECK(attribute(&s->tr, P));
    CHECK(!(s->tr.access & 0xf00));
    CHECK(limit_fits(&s->tr));
    CHECK(s->tr.selector & ~7); /* not the null selector */

    CHECK_INT(type(&s->ldt), 2);
    CHECK(!attribute(&s->ldt, S));
    CHECK(attribute(&s->ldt, P));
    CHECK(!(s->ldt.access & 0xf00));
    CHECK(limit_fits(&s->ldt));
}

/* 27.3.1.3: descriptor-table registers. 27.3.1.4: RIP and RFLAGS. */
static void intel_tables_and_flags(const struct x86_state *s, bool avx, bool busy_tss)
{
    const uint64_t flags = X86_RFLAGS_START;

    (void)avx;
    (void)busy_tss;
    CHECK(canonical(s->gdt.base));
    CHECK(canonical(s->idt.base));         /* limits have 16 bits by their type */
    CHECK(canonical(HL_SLIDE));            /* the first RIP */
    CHECK(!(flags & ~(uint64_t)0x3f7fd7)); /* reserved: 63:22, 15, 5, 3 */
    CHECK(flags & BIT(1));
    CHECK(!(flags & BIT(17))); /* VM is 0 in IA-32e mode */
}

TEST(intel_27_3_1_1_control_registers_and_msrs)
{
    each(intel_control);
}

TEST(intel_27_3_1_2_selectors_and_bases)
{
    each(intel_segment_bases);
}

TEST(intel_27_3_1_2_code_and_stack_segments)
{
    each(intel_code_and_stack);
}

TEST(intel_27_3_1_2_data_segments)
{
    each(intel_data);
}

TEST(intel_27_3_1_2_tr_and_ldtr)
{
    each(intel_system_segments);
}

TEST(intel_27_3_1_3_and_4_tables_and_flags)
{
    each(intel_tables_and_flags);
}

/* ---- AMD --------------------------------------------------------------------------- */

static void amd(const struct x86_state *s, bool avx, bool busy_tss)
{
    (void)avx;
    /* illegal: CR0.CD 0 with CR0.NW 1; CR0 63:32 not 0 */
    CHECK(s->cr0 & BIT(CR0_CD) || !(s->cr0 & BIT(CR0_NW)));
    CHECK(!(s->cr0 >> 32));
    /* CR3: MBZ bits (51:M, of a long-mode root also 11:5 and 2:0 without PCID) */
    CHECK(!(s->cr3 & ~0xffffff018ull));
    /* CR4: MBZ bits; VMXE is no bit here */
    CHECK(!(s->cr4 & ~(BIT(CR4_PAE) | BIT(CR4_OSFXSR) | BIT(CR4_OSXMMEXCPT) | BIT(CR4_FSGSBASE) |
                       BIT(CR4_OSXSAVE))));
    /* EFER: MBZ bits; SVME is the hypervisor's own */
    CHECK(!(s->efer & BIT(EFER_SVME)));
    CHECK(!(s->efer & (BIT(9) | 0xfeull)));
    CHECK(!(s->efer >> 22));
    /* illegal: EFER.LME and CR0.PG with CR4.PAE 0, or with CR0.PE 0 */
    CHECK(s->efer & BIT(EFER_LME) && s->cr0 & BIT(CR0_PG));
    CHECK(s->cr4 & BIT(CR4_PAE));
    CHECK(s->cr0 & BIT(CR0_PE));
    /* illegal: EFER.LME, CR0.PG, CR4.PAE, CS.L and CS.D all not 0 */
    CHECK(!(attribute(&s->cs, L) && attribute(&s->cs, DB)));
    /* 15.5.1: the CPL is the DPL of SS */
    CHECK_INT(dpl(&s->ss), 3);
    /* 14.2.4, 12.2.2: TR is a 64-bit TSS; an available one for those who ask for it */
    CHECK_INT(type(&s->tr), busy_tss ? 11 : 9);
    /* canonicalization would change nothing */
    CHECK(canonical(s->fs.base) && canonical(s->gs.base) && canonical(s->tr.base) &&
          canonical(s->ldt.base) && canonical(s->gdt.base) && canonical(s->idt.base));
}

TEST(amd_15_5_1_consistency_checks)
{
    each(amd);
}

/* ---- Our own wishes ---------------------------------------------------------------- */

/* TSS and tables: where the system area has them, as long as what is in them. */
static void tables(const struct x86_state *s, bool avx, bool busy_tss)
{
    (void)avx;
    (void)busy_tss;
    CHECK_INT(s->tr.base, SYSTEM_TSS);
    CHECK(s->tr.limit >= 0x67);             /* SDM 3A 7.7: 104 bytes */
    CHECK_INT(s->tr.limit, 0x68 + 256 / 8); /* bitmap for 256 ports, closing byte: 20.5.2 */
    CHECK_INT(s->gdt.base, SYSTEM_GDT);
    CHECK((uint32_t)s->gdt.limit >= (s->tr.selector & ~7u) + 15); /* a 16-byte entry */
    CHECK(s->gdt.base + s->gdt.limit < s->tr.base);
    CHECK_INT(s->idt.base, SYSTEM_IDT);
    CHECK_INT(s->idt.limit, 32 * 16 - 1);
    CHECK_INT(s->cr3, SYSTEM_CR3);
    CHECK_INT(s->cs.selector, 0x33); /* Linux's */
    CHECK_INT(s->ss.selector, 0x2b);
}

TEST(tables_are_those_of_the_system_area)
{
    each(tables);
}

/* What a guest is given, and what stays shut. */
static void rights(const struct x86_state *s, bool avx, bool busy_tss)
{
    (void)busy_tss;
    CHECK(s->cr0 & BIT(CR0_WP)); /* read-only holds for the vectors, too */
    CHECK(s->efer & BIT(EFER_NXE));
    CHECK(!(s->efer & BIT(EFER_SCE))); /* no syscall */
    CHECK(!(s->cr0 & (BIT(CR0_EM) | BIT(CR0_TS))) && s->cr0 & BIT(CR0_MP));
    CHECK(s->cr4 & BIT(CR4_OSFXSR) && s->cr4 & BIT(CR4_OSXMMEXCPT));
    CHECK(s->cr4 & BIT(CR4_FSGSBASE));
    CHECK(!(s->cr4 & (BIT(CR4_PKE) | BIT(CR4_PKS) | BIT(CR4_LA57))));
    CHECK(s->cr4 & BIT(CR4_OSXSAVE));         /* the gate's scrub restores all by xrstor */
    CHECK_INT(s->xcr0, avx ? 7 : 3);          /* SDM 1 13.3: x87 always; AVX needs SSE */
    CHECK_INT(X86_RFLAGS_START >> 12 & 3, 0); /* IOPL: the bitmap decides about ports */
}

TEST(guest_gets_no_more_than_it_needs)
{
    each(rights);
}

/* The vendor as `cpuid` tells it. */
TEST(vendor)
{
    uint32_t eax = 0, ebx, ecx, edx;

    __asm__("cpuid" : "+a"(eax), "=b"(ebx), "=c"(ecx), "=d"(edx));
    CHECK_INT(x86_vendor_intel(), ebx == 0x756e6547 && edx == 0x49656e69 && ecx == 0x6c65746e);
}
