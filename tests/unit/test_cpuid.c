/* SPDX-License-Identifier: Apache-2.0 */
/* What a guest on KVM learns from cpuid (SDM 2A, APM 3 appendix E). */
#include <stdlib.h>

#include "../../src/host/hv/kvm_cpuid.h"
#include "../test.h"

#define BIT(n) (1u << (n))

/* A host that has everything: each leaf and subleaf with all bits set. */
static struct kvm_cpuid_list *everything(void)
{
    static const uint32_t bases[] = {0, 0x40000000, 0x80000000, 0xc0000000};
    struct kvm_cpuid_list *list = calloc(1, sizeof *list);
    struct kvm_cpuid_entry2 *entry = list->entries;
    uint32_t base, leaf, subleaf;

    for (base = 0; base < 4; base++)
        for (leaf = 0; leaf < 0x21; leaf++)
            for (subleaf = 0; subleaf < (leaf == 7 || leaf == 0xd ? 4u : 1u); subleaf++)
                *entry++ = (struct kvm_cpuid_entry2){.function = bases[base] + leaf,
                                                     .index = subleaf,
                                                     .eax = ~0u,
                                                     .ebx = ~0u,
                                                     .ecx = ~0u,
                                                     .edx = ~0u};
    list->nent = (uint32_t)(entry - list->entries);
    CHECK(list->nent <= KVM_CPUID_MAX);
    return list;
}

static struct kvm_cpuid_list *curated(bool avx)
{
    struct kvm_cpuid_list *list = everything();

    kvm_cpuid_curate(list, avx);
    return list;
}

static const struct kvm_cpuid_entry2 *leaf(const struct kvm_cpuid_list *list, uint32_t function,
                                           uint32_t index)
{
    uint32_t i;

    for (i = 0; i < list->nent; i++)
        if (list->entries[i].function == function && list->entries[i].index == index)
            return &list->entries[i];
    return NULL;
}

/* Both ways; `avx` tells the check which. */
static void each(void (*check)(const struct kvm_cpuid_list *list, bool avx))
{
    struct kvm_cpuid_list *list;
    int avx;

    for (avx = 0; avx < 2; avx++) {
        list = curated(avx);
        check(list, avx);
        free(list);
    }
}

static void leaves(const struct kvm_cpuid_list *list, bool avx)
{
    uint32_t function, i;

    for (i = 0; i < list->nent; i++) {
        function = list->entries[i].function;
        CHECK(function == 0 || function == 1 || function == 7 || function == 0xd ||
              function == 0x80000000 || function == 0x80000001 || function == 0x80000008);
    }
    CHECK_INT(leaf(list, 0, 0)->eax, 0xd);
    CHECK_INT(leaf(list, 0x80000000, 0)->eax, 0x80000008);
    CHECK(leaf(list, 0xd, 0) && leaf(list, 0xd, 1) && !!leaf(list, 0xd, 2) == avx);
    CHECK_INT(leaf(list, 0xd, 0)->eax, avx ? 7 : 3); /* what XCR0 can hold */
    CHECK(!leaf(list, 0xd, 3) && !leaf(list, 7, 1));
}

/* No paravirtual, topology, cache, power or tracing leaves. */
TEST(only_known_leaves)
{
    each(leaves);
}

static void virtualization(const struct kvm_cpuid_list *list, bool avx)
{
    const struct kvm_cpuid_entry2 *one = leaf(list, 1, 0), *extended = leaf(list, 0x80000001, 0);

    (void)avx;
    CHECK(!(one->ecx & BIT(5)));                       /* VMX */
    CHECK(!(one->ecx & BIT(6)));                       /* SMX */
    CHECK(!(one->ecx & BIT(21)));                      /* x2APIC */
    CHECK(!(one->ecx & BIT(24)));                      /* TSC deadline */
    CHECK(!(one->ecx & BIT(31)));                      /* hypervisor */
    CHECK(!(one->ecx & BIT(3)));                       /* MONITOR */
    CHECK(!(one->edx & BIT(9)));                       /* APIC */
    CHECK(!(one->edx & (BIT(7) | BIT(12) | BIT(14)))); /* MCE, MTRR, MCA: MSRs */
    CHECK_INT(one->ebx >> 24, 0);                      /* the APIC id of whoever asked KVM */
    CHECK(!(extended->ecx & BIT(2)));                  /* SVM */
    CHECK(!(extended->ecx & (BIT(3) | BIT(10) | BIT(12) | BIT(29))));
    CHECK(!(extended->edx & BIT(11))); /* SYSCALL: EFER.SCE is off */
}

TEST(no_virtualization_no_apic)
{
    each(virtualization);
}

static void features(const struct kvm_cpuid_list *list, bool avx)
{
    const struct kvm_cpuid_entry2 *seven = leaf(list, 7, 0);

    (void)avx;
    CHECK(!(seven->ebx & BIT(2)));                        /* SGX */
    CHECK(!(seven->ebx & (BIT(4) | BIT(11))));            /* HLE, RTM */
    CHECK(!(seven->ebx & BIT(14)));                       /* MPX: needs XCR0 */
    CHECK(!(seven->ebx & BIT(25)));                       /* PT */
    CHECK(!(seven->ecx & (BIT(3) | BIT(4))));             /* PKU, OSPKE: CR4.PKE is off */
    CHECK(!(seven->ecx & BIT(5)));                        /* WAITPKG */
    CHECK(!(seven->ecx & BIT(7)));                        /* CET_SS */
    CHECK(!(seven->ecx & BIT(16)));                       /* LA57 */
    CHECK(!(seven->ecx & BIT(29)));                       /* ENQCMD */
    CHECK(!(seven->edx & (BIT(22) | BIT(24) | BIT(25)))); /* AMX */
    CHECK(!(seven->edx & (BIT(26) | BIT(27) | BIT(29)))); /* IBRS, STIBP, capabilities */
    CHECK(seven->ebx & BIT(0));                           /* FSGSBASE stays: CR4 allows it */
    CHECK(seven->ebx & BIT(18));                          /* RDSEED stays */
}

TEST(no_feature_that_our_state_lacks)
{
    each(features);
}

static void avx_bits(const struct kvm_cpuid_list *list, bool avx)
{
    const struct kvm_cpuid_entry2 *one = leaf(list, 1, 0), *seven = leaf(list, 7, 0);
    const struct kvm_cpuid_entry2 *extended = leaf(list, 0x80000001, 0);

    CHECK_INT(!!(one->ecx & BIT(28)), avx);          /* AVX */
    CHECK_INT(!!(one->ecx & BIT(12)), avx);          /* FMA */
    CHECK_INT(!!(one->ecx & BIT(29)), avx);          /* F16C */
    CHECK(one->ecx & BIT(26));                       /* XSAVE stays: the gate needs it */
    CHECK_INT(!!(seven->ebx & BIT(5)), avx);         /* AVX2 */
    CHECK_INT(!!(extended->ecx & BIT(11)), avx);     /* XOP */
    CHECK_INT(!!(extended->ecx & BIT(16)), avx);     /* FMA4 */
    CHECK(one->edx & BIT(25) && one->edx & BIT(26)); /* SSE, SSE2 stay */
    CHECK(one->ecx & BIT(20) && one->ecx & BIT(1));  /* SSE4.2, PCLMULQDQ too */
}

TEST(avx_only_if_wanted)
{
    each(avx_bits);
}

/* XCR0 gives x87, SSE and AVX at most: AVX-512 is not to be offered. */
static void wide_state(const struct kvm_cpuid_list *list, bool avx)
{
    const struct kvm_cpuid_entry2 *seven = leaf(list, 7, 0);

    CHECK(!(seven->ebx &
            (BIT(16) | BIT(17) | BIT(21) | BIT(26) | BIT(27) | BIT(28) | BIT(30) | BIT(31))));
    CHECK(!(seven->ecx & (BIT(1) | BIT(6) | BIT(11) | BIT(12) | BIT(14))));
    if (avx) {
        CHECK_INT(leaf(list, 0xd, 0)->eax, 7);
        CHECK_INT(leaf(list, 0xd, 0)->edx, 0);
        CHECK(!(leaf(list, 0xd, 1)->eax & (BIT(3) | BIT(4)))); /* XSAVES, XFD: MSRs */
    }
}

TEST(no_avx512_nor_amx)
{
    each(wide_state);
}

TEST(empty_list_stays_empty)
{
    struct kvm_cpuid_list *list = calloc(1, sizeof *list);

    kvm_cpuid_curate(list, true);
    CHECK_INT(list->nent, 0);
    free(list);
}
