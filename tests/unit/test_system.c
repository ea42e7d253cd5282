/* SPDX-License-Identifier: Apache-2.0 */
/* The system area: what a processor would see in it, read by software. */
#include <cpuid.h>
#include <stdio.h>
#include <stdlib.h>

#include "../../src/host/arch/x86_64/state.h"
#include "../../src/host/arch/x86_64/system.h"
#include "../../src/host/guest.h"
#include "../test.h"

#define KIB 1024ull
#define MIB (1024 * KIB)
#define GIB (1024 * MIB)
#define ADDRESS_END (1ull << 47)

/* ---- Shapes to look at ------------------------------------------------------------- */

struct subject {
    struct image image;
    struct sizes sizes;
    os_share contents;
    const uint8_t *bytes;
    struct shape *shape;
    uint8_t *system; /* a view of the template */
};

static void add_segment(struct image *image, uint64_t address, uint64_t size, uint32_t access)
{
    image->segments[image->segment_count++] = (struct image_segment){address, size, access};
    image->span = address + size - image->base;
}

static struct image image_at(uint64_t base)
{
    struct image image = {.abi = 1, .base = base, .entry = base};

    add_segment(&image, base, 3 * HL_PAGE, HL_READ | HL_EXECUTE);
    add_segment(&image, base + 3 * HL_PAGE, HL_PAGE, HL_READ);
    add_segment(&image, base + 7 * HL_PAGE, 5 * HL_PAGE, HL_READ | HL_WRITE);
    return image;
}

static void build(struct subject *subject, const struct image *image, const struct sizes *sizes)
{
    hl_error err;
    uint8_t *bytes;

    subject->image = *image;
    subject->sizes = *sizes;
    CHECK_INT(os_share_create(&subject->contents, &bytes, image->span, &err), HL_OK);
    CHECK_INT(os_share_seal(&subject->contents, bytes, &err), HL_OK);
    CHECK_INT(os_share_map(&subject->bytes, &subject->contents, &err), HL_OK);
    if (shape_create(&subject->shape, image, &subject->contents, subject->bytes, sizes, &err))
        FAIL("%s", err.text);
    CHECK_INT(subject->shape->system.size, SYSTEM_SIZE);
    CHECK_INT(os_reserve(&subject->system, SYSTEM_SIZE, &err), HL_OK);
    CHECK_INT(os_view(subject->system, &subject->shape->system, 0, SYSTEM_SIZE, &err), HL_OK);
}

static void drop(struct subject *subject)
{
    os_release(subject->system, SYSTEM_SIZE);
    shape_free(subject->shape);
    os_unmap(subject->bytes, subject->contents.size);
    os_share_close(&subject->contents);
}

/* ---- What should be mapped --------------------------------------------------------- */

struct region {
    uint64_t address, size, gpa;
    uint32_t access;
    bool user;
    uint64_t found; /* bytes of it that are mapped */
};

enum { REGIONS = AREA_COUNT + IMAGE_SEGMENTS_MAX + 4 };

static uint32_t list_regions(struct region out[REGIONS], const struct subject *subject)
{
    static const uint32_t system[] = {HL_READ | HL_WRITE, HL_READ | HL_WRITE, HL_READ | HL_EXECUTE,
                                      HL_READ | HL_WRITE};
    const struct layout *layout = &subject->shape->layout;
    const struct image *image = &subject->image;
    uint32_t i, n = 0;

    for (i = 0; i < 4; i++)
        out[n++] = (struct region){
            HL_WINDOW + i * HL_PAGE, HL_PAGE, i * HL_PAGE, system[i], false, 0};
    for (i = 0; i < AREA_COUNT; i++)
        if (layout->areas[i].size)
            out[n++] = (struct region){layout->areas[i].address,
                                       layout->areas[i].size,
                                       layout->areas[i].address - HL_WINDOW,
                                       layout->areas[i].access,
                                       true,
                                       0};
    for (i = 0; i < image->segment_count; i++)
        out[n++] = (struct region){image->segments[i].address,
                                   image->segments[i].size,
                                   layout->image_gpa + image->segments[i].address - image->base,
                                   image->segments[i].access,
                                   true,
                                   0};
    return n;
}

/* ---- Walking the tables (SDM 3A 4.5) ----------------------------------------------- */

enum { PRESENT = 0, WRITE = 1, USER = 2, ACCESSED = 5, DIRTY = 6, LARGE = 7 };
#define BIT(n) (1ull << (n))
#define NX BIT(63)
#define FRAME 0x000ffffffffff000ull

struct walk {
    const struct subject *subject;
    struct region regions[REGIONS];
    uint32_t count;
    uint64_t leaves;
};

static void check_leaf(struct walk *walk, uint64_t address, uint64_t size, uint64_t entry,
                       uint64_t rights)
{
    const uint64_t gpa = entry & FRAME;
    struct region *region = walk->regions;
    uint32_t access = HL_READ, i;

    for (i = 0; i < walk->count && address - region->address >= region->size; i++)
        region++;
    if (i == walk->count)
        FAIL("%#llx is mapped", (unsigned long long)address);
    CHECK(size <= region->size - (address - region->address));
    region->found += size;

    access |= (rights & BIT(WRITE) ? HL_WRITE : 0) | (rights & NX ? 0 : HL_EXECUTE);
    if (access != region->access || !!(rights & BIT(USER)) != region->user)
        FAIL("%#llx has access %u, user %d; wanted %u, %d", (unsigned long long)address, access,
             !!(rights & BIT(USER)), region->access, region->user);
    CHECK((access & (HL_WRITE | HL_EXECUTE)) != (HL_WRITE | HL_EXECUTE));
    CHECK_INT(gpa, region->gpa + (address - region->address));
    CHECK_INT(gpa % size, 0);
    CHECK(gpa + size <= walk->subject->shape->layout.memory_size);
    /* nobody reaches the page tables */
    CHECK(gpa + size <= SYSTEM_CR3 || gpa >= HL_GATE - HL_WINDOW);
    CHECK(!!(entry & BIT(DIRTY)) == !!(access & HL_WRITE));
    CHECK(!(entry & ~(NX | FRAME | BIT(PRESENT) | BIT(WRITE) | BIT(USER) | BIT(ACCESSED) |
                      BIT(DIRTY) | BIT(LARGE))));
    walk->leaves++;
}

/* rights: WRITE and USER, which every level must grant, and NX, which any may set. */
static void walk_table(struct walk *walk, uint64_t gpa, int shift, uint64_t base, uint64_t rights)
{
    const uint64_t *table = (const uint64_t *)(void *)(walk->subject->system + gpa);
    uint64_t entry, address, all;
    uint32_t i;

    CHECK(gpa >= SYSTEM_CR3 && gpa + HL_PAGE <= HL_GATE - HL_WINDOW && gpa % HL_PAGE == 0);
    for (i = 0; i < 512; i++) {
        entry = table[i];
        address = base + ((uint64_t)i << shift);
        if (!(entry & BIT(PRESENT))) {
            CHECK_INT(entry, 0);
            continue;
        }
        CHECK(entry & BIT(ACCESSED));
        CHECK(address < ADDRESS_END);
        all = (rights & entry & (BIT(WRITE) | BIT(USER))) | ((rights | entry) & NX);
        if (shift == 12 || entry & BIT(LARGE)) {
            CHECK(shift == 12 ? !(entry & BIT(LARGE)) : shift == 21);
            check_leaf(walk, address, BIT(shift), entry, all);
        } else {
            CHECK(!(entry & BIT(DIRTY)));
            walk_table(walk, entry & FRAME, shift - 9, address, all);
        }
    }
}

static uint64_t walk_all(const struct subject *subject)
{
    struct walk walk = {.subject = subject};
    uint32_t i;

    walk.count = list_regions(walk.regions, subject);
    walk_table(&walk, SYSTEM_CR3, 39, 0, BIT(WRITE) | BIT(USER));
    for (i = 0; i < walk.count; i++)
        if (walk.regions[i].found != walk.regions[i].size)
            FAIL("of the %llu bytes at %#llx, %llu are mapped",
                 (unsigned long long)walk.regions[i].size,
                 (unsigned long long)walk.regions[i].address,
                 (unsigned long long)walk.regions[i].found);
    return walk.leaves;
}

/* No two regions share guest-physical memory, and each has a guard page on
 * both sides that is part of no other (16 below the stack). */
static void check_guards(const struct subject *subject)
{
    struct region regions[REGIONS], *a, *b;
    uint32_t count = list_regions(regions, subject), i, k;
    const uint64_t stack = subject->shape->layout.areas[AREA_STACK].address;

    for (i = 0; i < count; i++) {
        for (k = 0; k < count; k++) {
            a = &regions[i];
            b = &regions[k];
            if (i == k)
                continue;
            CHECK(a->gpa + a->size <= b->gpa || b->gpa + b->size <= a->gpa);
            CHECK(a->address + a->size <= b->address || b->address + b->size <= a->address);
            if (i >= 4 && i < count - subject->image.segment_count && a->address < b->address)
                CHECK(a->address + a->size + HL_PAGE <= b->address);
            if (b->address == stack && a->address < stack)
                CHECK(a->address + a->size + 16 * HL_PAGE <= stack);
        }
    }
}

static void look(const struct image *image, const struct sizes *sizes)
{
    struct subject subject;

    build(&subject, image, sizes);
    walk_all(&subject);
    check_guards(&subject);
    drop(&subject);
}

/* ---- Sizes from the smallest to the largest ---------------------------------------- */

TEST(tables_map_exactly_the_layout)
{
    static const struct sizes sizes[] = {
        {64 * KIB, 16 * KIB, 64 * KIB, 0, 1, 2 * MIB},
        {16 * MIB, 256 * KIB, 16 * MIB, 0, 8, 1 * GIB},
        {2 * MIB, 2 * MIB, 2 * MIB, 1, 8, 4 * MIB},
        {2 * MIB - 4096, 64 * KIB, 3 * MIB + 4096, 4096, 8, 64 * GIB},
        {2 * MIB + 4096, 64 * KIB, 4 * MIB, 4097, 8, 1 * GIB},
        {1 * GIB, 64 * MIB, 64 * MIB, 1 * GIB, 64, 2 * GIB},
        {64 * GIB, 256 * KIB, 64 * KIB, 0, 8, 64 * GIB},
        {64 * KIB, 16 * KIB, 4 * GIB, 0, 8, 6 * MIB},
    };
    static const uint64_t bases[] = {HL_SLIDE, HL_LOW_END, 0x400000, HL_WINDOW - 16 * HL_PAGE};
    struct image image;
    size_t i, k;

    for (i = 0; i < sizeof bases / sizeof *bases; i++) {
        image = image_at(bases[i]);
        for (k = 0; k < sizeof sizes / sizeof *sizes; k++)
            look(&image, &sizes[k]);
    }
}

/* Everything at its largest, the image too: still fits in the tables' room. */
TEST(largest_shape_fits)
{
    static const struct sizes largest = {64 * GIB, 64 * MIB, 4 * GIB, 1 * GIB, 64, 64 * GIB};
    struct image image = {.abi = 1, .base = 0x1ff000, .entry = 0x1ff000};

    add_segment(&image, image.base, HL_PAGE, HL_READ | HL_EXECUTE);
    add_segment(&image, image.base + HL_PAGE, IMAGE_SPAN_MAX - HL_PAGE, HL_READ | HL_WRITE);
    look(&image, &largest);
    image = (struct image){.abi = 1, .base = HL_SLIDE, .entry = HL_SLIDE};
    add_segment(&image, HL_SLIDE, IMAGE_SPAN_MAX, HL_READ | HL_EXECUTE);
    look(&image, &largest);
}

/* Large heaps cost few entries: that makes their sandboxes cheap. */
TEST(large_areas_use_large_pages)
{
    static const struct sizes sizes = {64 * GIB, 64 * KIB, 64 * KIB, 0, 8, 64 * GIB};
    const struct image image = image_at(HL_SLIDE);
    struct subject subject;

    build(&subject, &image, &sizes);
    CHECK(walk_all(&subject) < 64 * GIB / (2 * MIB) + 100);
    drop(&subject);
}

TEST(tables_that_do_not_fit_are_refused)
{
    uint8_t *system = calloc(1, SYSTEM_SIZE);
    struct system_tables tables;
    hl_error err;
    struct shape *shape;
    struct image image = image_at(0x400000);
    const struct sizes sizes = {64 * KIB, 16 * KIB, 64 * KIB, 0, 1, 2 * MIB};
    size_t i;

    system_tables_init(&tables, system);
    CHECK(system_map(&tables, 0x400000, 0x201000, GIB / 2, HL_READ)); /* by 4 KiB pages */
    CHECK(!system_map(&tables, 0x4000000000, 0x201000, 1 * GIB, HL_READ));
    for (i = HL_GATE - HL_WINDOW; i < SYSTEM_SIZE; i++)
        CHECK(!system[i]); /* nothing spilled */
    free(system);

    image.segments[2].size = 2 * GIB; /* no loader would let it pass */
    CHECK_INT(shape_create(&shape, &image, NULL, NULL, &sizes, &err), HL_E_INVALID);
    CHECK_STR(err.text, "image and sizes need more than 2 MiB of page tables");
    CHECK(!shape);
}

/* ---- Descriptors ------------------------------------------------------------------- */

static struct subject usual(void)
{
    const struct image image = image_at(HL_SLIDE);
    const struct sizes sizes = {16 * MIB, 256 * KIB, 16 * MIB, 5000, 8, 1 * GIB};
    struct subject subject;

    build(&subject, &image, &sizes);
    return subject;
}

static uint64_t load(const struct subject *subject, uint64_t address, size_t size)
{
    uint64_t value = 0;

    memcpy(&value, subject->system + (address - HL_WINDOW), size);
    return value;
}

/* SDM 3A 3.4.5, figure 3-8: type and S, DPL, P, L, D/B of an 8-byte entry. */
static void expect_descriptor(const struct subject *subject, uint32_t selector, uint32_t access,
                              uint32_t flags)
{
    const uint64_t entry = load(subject, SYSTEM_GDT + (selector & ~7u), 8);

    CHECK_INT(entry >> 40 & 0xff, access);
    CHECK_INT(entry >> 52 & 0xf, flags);
    CHECK_INT((entry >> 16 & 0xffffff) | entry >> 56 << 24, 0);       /* base */
    CHECK_INT((entry & 0xffff) | (entry >> 48 & 0xf) << 16, 0xfffff); /* limit */
}

TEST(gdt)
{
    struct subject subject = usual();
    uint64_t low = load(&subject, SYSTEM_GDT + X86_SEL_TSS, 8);
    uint32_t at;

    expect_descriptor(&subject, X86_SEL_KERNEL_CS, 0x9b, 0xa); /* DPL 0 code, 64-bit */
    expect_descriptor(&subject, X86_SEL_KERNEL_SS, 0x93, 0xc);
    expect_descriptor(&subject, X86_SEL_USER_SS, 0xf3, 0xc); /* DPL 3 data */
    expect_descriptor(&subject, X86_SEL_USER_CS, 0xfb, 0xa); /* DPL 3 code, 64-bit */
    CHECK_INT(low >> 40 & 0xff, 0x89);                       /* 64-bit TSS */
    CHECK_INT((low & 0xffff) | (low >> 48 & 0xf) << 16, SYSTEM_TSS_LIMIT);
    CHECK_INT((low >> 16 & 0xffffff) | low >> 56 << 24 |
                  load(&subject, SYSTEM_GDT + X86_SEL_TSS + 8, 4) << 32,
              SYSTEM_TSS);
    CHECK_INT(load(&subject, SYSTEM_GDT + X86_SEL_TSS + 12, 4), 0);
    for (at = 0; at <= SYSTEM_GDT_LIMIT; at += 8) /* all others are null */
        if (at != 0x10 && at != 0x18 && at != 0x28 && at != 0x30 && at != 0x40 && at != 0x48)
            CHECK_INT(load(&subject, SYSTEM_GDT + at, 8), 0);
    drop(&subject);
}

/* SDM 3A 7.7 (TSS), 1 19.5.2 (I/O bitmap): a port is open where its bit is 0. */
TEST(tss_opens_the_gate_port_alone)
{
    struct subject subject = usual();
    const uint64_t bitmap = SYSTEM_TSS + load(&subject, SYSTEM_TSS + 0x66, 2);
    uint32_t port, i;

    CHECK_INT(load(&subject, SYSTEM_TSS + 4, 8), SYSTEM_STACK + HL_PAGE);    /* RSP0 */
    CHECK_INT(load(&subject, SYSTEM_TSS + 0x24, 8), SYSTEM_STACK + HL_PAGE); /* IST1 */
    CHECK_INT(load(&subject, SYSTEM_TSS + 0x24, 8) % 16, 0);
    for (i = 2; i <= 7; i++)
        CHECK_INT(load(&subject, SYSTEM_TSS + 0x1c + 8 * i, 8), 0);
    CHECK_INT(bitmap, SYSTEM_TSS + 0x68);
    for (port = 0; port < 256; port++)
        CHECK_INT(load(&subject, bitmap + port / 8, 1) >> port % 8 & 1, port != PORT_GATE);
    /* the processor reads two bytes: the one behind the last must be ones, and
     * what lies beyond the limit is closed */
    CHECK_INT(load(&subject, bitmap + 32, 1), 0xff);
    CHECK_INT(bitmap + 32, SYSTEM_TSS + SYSTEM_TSS_LIMIT);
    drop(&subject);
}

/* SDM 3A 6.14.1: all vectors on IST 1, interrupts off; `int n` reaches #BP alone. */
TEST(idt)
{
    struct subject subject = usual();
    uint64_t low, target;
    uint32_t i;

    for (i = 0; i < 32; i++) {
        low = load(&subject, SYSTEM_IDT + i * 16, 8);
        target = (low & 0xffff) | (low >> 48) << 16 |
                 load(&subject, SYSTEM_IDT + i * 16 + 8, 4) << 32;
        CHECK_INT(target, SYSTEM_VECTORS + i * 16);
        CHECK_INT(low >> 16 & 0xffff, X86_SEL_KERNEL_CS);
        CHECK_INT(low >> 32 & 0xff, 1);
        CHECK_INT(low >> 40 & 0xff, i == 3 ? 0xee : 0x8e);
        CHECK_INT(load(&subject, SYSTEM_IDT + i * 16 + 12, 4), 0);
    }
    for (i = 32 * 16; i < HL_PAGE; i++)
        CHECK_INT(load(&subject, SYSTEM_IDT + i, 1), 0);
    drop(&subject);
}

/* ---- Code -------------------------------------------------------------------------- */

/* SDM 3A table 6-1; #CP, #VC and #SX, too. */
static bool pushes_error(uint32_t vector)
{
    return vector == 8 || (vector >= 10 && vector <= 14) || vector == 17 || vector == 21 ||
           vector == 29 || vector == 30;
}

TEST(vectors_report_their_number)
{
    static const uint8_t common[] = {0x50, 0x0f, 0x20, 0xd0, 0x50, 0xe6, PORT_REPORT};
    struct subject subject = usual();
    const uint8_t *code = subject.system + (SYSTEM_VECTORS - HL_WINDOW), *at;
    int32_t jump;
    uint32_t i;

    for (i = 0; i < 32; i++) {
        at = code + i * 16;
        if (!pushes_error(i)) {
            CHECK_INT(at[0], 0x6a); /* push $0 */
            CHECK_INT(at[1], 0);
            at += 2;
        }
        CHECK_INT(at[0], 0x6a); /* push $vector */
        CHECK_INT(at[1], i);
        CHECK_INT(at[2], 0xe9); /* jmp */
        memcpy(&jump, at + 3, sizeof jump);
        CHECK(at + 7 <= code + i * 16 + 16);
        CHECK(at + 7 + jump < code + HL_PAGE && !memcmp(at + 7 + jump, common, sizeof common));
    }
    /* rip, cs, rflags, rsp, ss by the processor; error, vector, rax, cr2 by us */
    CHECK_INT(SYSTEM_REPORT + 9 * 8, SYSTEM_STACK + HL_PAGE - HL_WINDOW);
    drop(&subject);
}

/* Of an area in standard format with all that this processor has enabled. */
static uint32_t xsave_size(void)
{
    unsigned eax = 0, ebx = 0, ecx = 0, edx = 0;

    CHECK(__get_cpuid_count(0xd, 0, &eax, &ebx, &ecx, &edx));
    return ebx;
}

TEST(gate)
{
    struct subject subject = usual();
    const uint8_t *at = subject.system + (HL_GATE - HL_WINDOW);
    const size_t size = (size_t)(gate_end - gate_begin);
    uint32_t i, outs = 0, mxcsr;
    uint64_t compaction;

    CHECK(size < GATE_XSAVE && GATE_XSAVE % 64 == 0);
    CHECK(!memcmp(at, gate_begin, size));
    for (i = 0; i + 1 < size; i++)
        outs += at[i] == 0xe6 && at[i + 1] == PORT_GATE;
    CHECK_INT(outs, 1);
    /* SDM 1 13.4: a header of zeros stands for the initial state of everything */
    memcpy(&mxcsr, at + GATE_XSAVE_MXCSR, sizeof mxcsr);
    CHECK_INT(mxcsr, 0x1f80);
    memcpy(&compaction, at + GATE_XSAVE_COMPACTION, sizeof compaction);
    CHECK_INT(compaction, x86_xsave_compacts() ? 1ull << 63 : 0);
    CHECK(GATE_XSAVE + (compaction ? 512 + 64 : xsave_size()) <= HL_PAGE);
    for (i = (uint32_t)size; i < HL_PAGE; i++)
        if (i / 4 != GATE_XSAVE_MXCSR / 4 && i / 8 != GATE_XSAVE_COMPACTION / 8)
            CHECK_INT(at[i], 0);
    drop(&subject);
}

TEST(boot_block)
{
    struct subject subject = usual();
    const struct hl_area *areas = subject.shape->layout.areas;
    struct hl_boot boot;

    memcpy(&boot, subject.system + (HL_BOOT - HL_WINDOW), sizeof boot);
    CHECK_INT(boot.abi, 1);
    CHECK_INT(boot.call_depth, 8);
    CHECK_INT(boot.requests, areas[AREA_REQUESTS].address);
    CHECK_INT(boot.requests_size, 16 * MIB);
    CHECK_INT(boot.replies, areas[AREA_REPLIES].address);
    CHECK_INT(boot.replies_size, 16 * MIB);
    CHECK_INT(boot.stack, areas[AREA_STACK].address);
    CHECK_INT(boot.stack_size, 256 * KIB);
    CHECK_INT(boot.heap, areas[AREA_HEAP].address);
    CHECK_INT(boot.heap_size, 16 * MIB);
    CHECK_INT(boot.init_data, areas[AREA_INIT].address);
    CHECK_INT(boot.init_size, 5000); /* in bytes, not pages */
    CHECK_INT(areas[AREA_INIT].size, 2 * HL_PAGE);
    drop(&subject);
}

/* One shape for all sandboxes of the same sizes. */
TEST(template_is_sealed)
{
    struct subject subject = usual();
    uint8_t *view;
    hl_error err;

    CHECK_INT(os_reserve(&view, SYSTEM_SIZE, &err), HL_OK);
    CHECK_INT(os_view(view, &subject.shape->system, 0, SYSTEM_SIZE, &err), HL_OK);
    memset(view, 0xff, SYSTEM_SIZE); /* a guest's private copy */
    CHECK_INT(subject.system[HL_GATE - HL_WINDOW], gate_begin[0]);
    os_release(view, SYSTEM_SIZE);
    drop(&subject);
}
