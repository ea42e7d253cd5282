/* SPDX-License-Identifier: Apache-2.0 */
/* Curates CPUID: an allow list of leaves, a deny list of bits (SDM 2A CPUID). */
#include "kvm_cpuid.h"

#include <stddef.h>
#include <stdint.h>

/* Bits to clear in a leaf that is passed on. */
struct rule {
    uint32_t leaf, subleaf;
    uint32_t eax, ebx, ecx, edx;
};

#define BIT(n) (1u << (n))
static const struct rule rules[] = {
    {0x0, 0, 0, 0, 0, 0},
    /* ecx: DTES64 MONITOR DS-CPL VMX SMX EIST TM2 PDCM x2APIC TSC-deadline
     * hypervisor; edx: MCE APIC MTRR MCA ACPI HTT TM. */
    {0x1, 0, 0, 0xff000000,
     BIT(2) | BIT(3) | BIT(4) | BIT(5) | BIT(6) | BIT(7) | BIT(8) | BIT(15) | BIT(21) | BIT(24) |
         BIT(31),
     BIT(7) | BIT(9) | BIT(12) | BIT(14) | BIT(22) | BIT(28) | BIT(29)},
    /* ebx: SGX HLE RTM PQM MPX PQE PT and AVX-512, which XCR0 never has; ecx: UMIP stays,
     * PKU OSPKE WAITPKG CET LA57 ENQCMD off; edx: everything but fast short rep mov. */
    {0x7, 0, 0,
     BIT(2) | BIT(4) | BIT(11) | BIT(12) | BIT(14) | BIT(15) | BIT(16) | BIT(17) | BIT(21) |
         BIT(25) | BIT(26) | BIT(27) | BIT(28) | BIT(30) | BIT(31),
     BIT(1) | BIT(6) | BIT(11) | BIT(12) | BIT(14) | BIT(3) | BIT(4) | BIT(5) | BIT(7) | BIT(16) |
         BIT(22) | BIT(29) | BIT(30),
     ~BIT(4)},
    /* eax: XCR0 can hold x87, SSE and AVX; then no XSAVES, no XFD. */
    {0xd, 0, ~7u, 0, 0, ~0u},
    {0xd, 1, BIT(3) | BIT(4), 0, ~0u, ~0u},
    {0xd, 2, 0, 0, 0, 0},
    {0x80000000, 0, 0, 0, 0, 0},
    /* ecx: SVM, extended APIC, IBS, SKINIT, WDT, LWP, MWAITX; edx: SYSCALL. */
    {0x80000001, 0, 0, 0, BIT(2) | BIT(3) | BIT(10) | BIT(12) | BIT(13) | BIT(15) | BIT(29),
     BIT(11)},
    {0x80000008, 0, 0, ~0u, ~0u, ~0u},
};
enum { RULE_COUNT = sizeof rules / sizeof rules[0], LAST_BASIC = 0xd, LAST_EXTENDED = 8 };

static const struct rule *rule_for(const struct kvm_cpuid_entry2 *entry)
{
    uint32_t i;

    for (i = 0; i < RULE_COUNT; i++)
        if (rules[i].leaf == entry->function && rules[i].subleaf == entry->index)
            return &rules[i];
    return NULL;
}

static void hide_avx(struct kvm_cpuid_entry2 *entry)
{
    if (entry->function == 1)
        entry->ecx &= ~(BIT(12) | BIT(28) | BIT(29)); /* FMA AVX F16C */
    if (entry->function == 7) {
        entry->ebx &= ~BIT(5);             /* AVX2 */
        entry->ecx &= ~(BIT(9) | BIT(10)); /* VAES VPCLMULQDQ */
    }
    if (entry->function == 0xd && entry->index == 0)
        entry->eax &= ~BIT(2);
    if (entry->function == 0x80000001)
        entry->ecx &= ~(BIT(11) | BIT(16)); /* XOP FMA4 */
}

void kvm_cpuid_curate(struct kvm_cpuid_list *list, bool avx)
{
    struct kvm_cpuid_entry2 *out = list->entries;
    const struct rule *rule;
    uint32_t i;

    for (i = 0; i < list->nent; i++) {
        struct kvm_cpuid_entry2 entry = list->entries[i];

        rule = rule_for(&entry);
        if (!rule || (entry.function == 0xd && entry.index == 2 && !avx))
            continue;
        entry.eax &= ~rule->eax;
        entry.ebx &= ~rule->ebx;
        entry.ecx &= ~rule->ecx;
        entry.edx &= ~rule->edx;
        if (entry.function == 0 && entry.eax > LAST_BASIC)
            entry.eax = LAST_BASIC;
        if (entry.function == 0x80000000)
            entry.eax = 0x80000000 + LAST_EXTENDED;
        if (!avx)
            hide_avx(&entry);
        *out++ = entry;
    }
    list->nent = (uint32_t)(out - list->entries);
}
