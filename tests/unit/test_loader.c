/* SPDX-License-Identifier: Apache-2.0 */
/* The ELF loader: what it takes, and by which words it refuses. */
#include <hyperlight/hyperlight.h>

#include "../test.h"
#include "loader_image.h"

#define PH(n) elf_phdr(&b, PH_##n)

/* ---- Good images ---------------------------------------------------------------- */

static void check_segment(const struct image *image, uint32_t number, uint64_t offset,
                          uint64_t size, uint32_t access)
{
    CHECK_INT(image->segments[number].address - image->base, offset);
    CHECK_INT(image->segments[number].size, size);
    CHECK_INT(image->segments[number].access, access);
}

static void check_example(enum elf_kind kind, uint64_t base)
{
    const uint64_t exports = AT_EXPORTS + 0x2000;
    struct loaded loaded;
    uint64_t word;

    elf_build(&b, kind);
    load_built(&loaded, &b);
    CHECK_STR(loaded.err.text, "");
    CHECK_INT(loaded.image.abi, HL_ABI_VERSION);
    CHECK_INT(loaded.image.base, base);
    CHECK_INT(loaded.image.span, 0x6000);
    CHECK_INT(loaded.image.entry, base + 0x1000 + AT_CODE);
    CHECK_INT(loaded.image.segment_count, 4);
    check_segment(&loaded.image, 0, 0, 0x1000, HL_READ);
    check_segment(&loaded.image, 1, 0x1000, 0x1000, HL_READ | HL_EXECUTE);
    check_segment(&loaded.image, 2, 0x2000, 0x1000, HL_READ);
    check_segment(&loaded.image, 3, 0x3000, 0x3000, HL_READ | HL_WRITE);
    memcpy(&word, loaded.memory + exports + 16, sizeof word);
    CHECK_INT(word, base + 0x1000 + AT_CODE); /* relocated */
    CHECK_INT(loaded.memory[0x3000], 0xda);
    CHECK_INT(loaded.memory[0x3100], 0); /* behind the file's bytes */

    CHECK_INT(loaded.image.export_count, 3);
    CHECK_STR(loaded.image.exports[0].name, "Add");
    CHECK_STR(loaded.image.exports[0].signature_text, "i32(i32, i32)");
    CHECK_INT(loaded.image.exports[0].signature.count, 2);
    CHECK_STR(loaded.image.exports[1].name, "Greet");
    CHECK_INT(loaded.image.init, 2);
    CHECK_INT(loaded.image.fallback, HL_INDEX_NAMED);
    CHECK_INT(loaded.image.import_count, 1);
    CHECK_STR(loaded.image.imports[0].name, "Now");
    CHECK_STR(loaded.image.imports[0].signature_text, "u64()");
    load_free(&loaded);
    CHECK(!loaded.image.exports && !loaded.image.text);
}

TEST(fixed_image_loads_where_it_was_linked)
{
    check_example(ELF_FIXED, ELF_BASE);
}

TEST(relocatable_image_is_slid_and_relocated)
{
    check_example(ELF_PIE_RELA, HL_SLIDE);
}

TEST(packed_relocations_are_applied)
{
    check_example(ELF_PIE_RELR, HL_SLIDE);
}

TEST(image_without_functions_loads)
{
    struct loaded loaded;

    elf_build_empty(&b, ELF_PIE_RELA);
    load_built(&loaded, &b);
    CHECK_INT(loaded.status, HL_OK);
    CHECK_INT(loaded.image.export_count + loaded.image.import_count, 0);
    CHECK_INT(loaded.image.init, HL_INDEX_NAMED);
    load_free(&loaded);
}

TEST(relocatable_image_linked_above_zero_keeps_its_distance)
{
    struct loaded loaded;
    uint32_t i;

    elf_build_empty(&b, ELF_PIE_RELA);
    for (i = 0; i < ELF_PHDRS; i++)
        elf_phdr(&b, i)->vaddr += 0x100000;
    elf_head(&b)->entry += 0x100000;
    *elf_dynamic(&b, ELF_DT_RELA) += 0x100000;
    load_built(&loaded, &b);
    CHECK_STR(loaded.err.text, "");
    CHECK_INT(loaded.image.base, HL_SLIDE + 0x100000);
    CHECK_INT(loaded.image.span, 0x6000);
    load_free(&loaded);
}

TEST(error_may_be_null)
{
    struct image image;

    CHECK_INT(elf_plan(&image, (const uint8_t *)"", 0, NULL), HL_E_IMAGE);
}

/* ---- Files of other kinds ------------------------------------------------------------ */

static void check_file(const char *bytes, size_t size, const char *text)
{
    struct loaded loaded;

    load_bytes(&loaded, bytes, size);
    CHECK_STR(loaded.err.text, text);
    CHECK_INT(loaded.status, HL_E_IMAGE);
}

TEST(files_that_are_no_elf_are_named)
{
    check_file("", 0, "an empty file, wanted an ELF64 image");
    check_file("#!/bin/sh\n", 10, "a script (#!), wanted an ELF64 image");
    check_file("MZ\x90", 3, "a PE image, wanted ELF64");
    check_file("hello", 5, "not an ELF file (it begins with the byte 0x68), wanted an ELF64 image");
    check_file("M", 1, "not an ELF file (it begins with the byte 0x4d), wanted an ELF64 image");
    check_file("Mz", 2, "not an ELF file (it begins with the byte 0x4d), wanted an ELF64 image");
    check_file("ZZ", 2, "not an ELF file (it begins with the byte 0x5a), wanted an ELF64 image");
    check_file("#:", 2, "not an ELF file (it begins with the byte 0x23), wanted an ELF64 image");
    check_file("!!", 2, "not an ELF file (it begins with the byte 0x21), wanted an ELF64 image");
    check_file("#", 1, "not an ELF file (it begins with the byte 0x23), wanted an ELF64 image");
    check_file("\x7f"
               "ELG",
               4, "not an ELF file (it begins with the byte 0x7f), wanted an ELF64 image");
    check_file("\x7f", 1, "truncated file: 1 bytes, the ELF header alone has 64");
    check_file("\x7f"
               "ELF\x01",
               5, "a 32-bit ELF file, wanted 64-bit");
}

TEST(elf_of_another_sort_is_named)
{
    REFUSED(ELF_FIXED, b.bytes[4] = 1, "a 32-bit ELF file, wanted 64-bit");
    REFUSED(ELF_FIXED, b.bytes[4] = 3, "an ELF file of class 3, wanted 2 (64-bit)");
    REFUSED(ELF_FIXED, b.bytes[5] = 2, "a big-endian ELF file, wanted little-endian");
    REFUSED(ELF_FIXED, b.bytes[5] = 0, "an ELF file of byte order 0, wanted 1 (little-endian)");
    REFUSED(ELF_FIXED, b.bytes[6] = 0, "ELF version 0 and 1, wanted 1");
    REFUSED(ELF_FIXED, elf_head(&b)->version = 2, "ELF version 1 and 2, wanted 1");
    REFUSED(ELF_FIXED, elf_head(&b)->machine = 183,
            "an ELF file for machine 183, wanted 62 (x86-64)");
    REFUSED(ELF_FIXED, elf_head(&b)->type = 1,
            "ELF type 1 (an object file), wanted 2 or 3 (an executable)");
    REFUSED(ELF_FIXED, elf_head(&b)->type = 4,
            "ELF type 4 (a core dump), wanted 2 or 3 (an executable)");
    REFUSED(ELF_FIXED, elf_head(&b)->type = 0xfe00,
            "ELF type 65024, wanted 2 or 3 (an executable)");
}

TEST(program_header_table_is_checked)
{
    REFUSED(ELF_FIXED, elf_head(&b)->phentsize = 55, "program headers of 55 bytes each, wanted 56");
    REFUSED(ELF_FIXED, elf_head(&b)->phnum = 0, "0 program headers, wanted 1 to 64");
    REFUSED(ELF_FIXED, elf_head(&b)->phnum = 65, "65 program headers, wanted 1 to 64");
    TAKEN(ELF_FIXED, (elf_head(&b)->phnum = 64, memset(b.bytes + AT_END, 0, 0x2000),
                      memcpy(b.bytes + AT_END, b.bytes + AT_PHDRS, ELF_PHDRS * 56),
                      elf_head(&b)->phoff = AT_END, b.size = AT_END + 64 * 56));
    REFUSED(ELF_FIXED, elf_head(&b)->phoff = AT_END - 559,
            "truncated file: 10 program headers at 0xed1 lie beyond its end (0x1100 bytes)");
    REFUSED(ELF_FIXED, elf_head(&b)->phoff = UINT64_MAX,
            "truncated file: 10 program headers at 0xffffffffffffffff lie beyond its end "
            "(0x1100 bytes)");
    REFUSED(ELF_FIXED, b.size = 0x100,
            "truncated file: 10 program headers at 0x40 lie beyond its end (0x100 bytes)");
}

/* ---- The note --------------------------------------------------------------------- */

/* Builds an image, changes its note, wants it refused as of another ABI. */
#define OTHER_ABI(change, text) \
    do { \
        elf_build(&b, ELF_PIE_RELA); \
        change; \
        check_refused(&b, HL_E_ABI, text); \
    } while (0)

TEST(image_without_the_note_is_refused)
{
    const char *text = "no Hyperlight note: not linked with the guest runtime";

    REFUSED(ELF_FIXED, PH(NOTE)->type = ELF_PT_NULL, text);
    REFUSED(ELF_FIXED, b.bytes[AT_NOTE + 8] = 2, text);    /* its type */
    REFUSED(ELF_FIXED, b.bytes[AT_NOTE + 12] = 'h', text); /* its owner */
    REFUSED(ELF_FIXED, b.bytes[AT_NOTE] = 10, text);
    REFUSED(ELF_FIXED, PH(NOTE)->filesz = 11, text); /* less than a note's head */
    REFUSED(ELF_FIXED, PH(NOTE)->filesz = 0, text);
}

TEST(image_of_another_abi_version_is_refused)
{
    OTHER_ABI((elf_desc(&b)->version = 0, elf_desc(&b)->minimum = 0),
              "image of ABI 0, too old for this host (ABI 1, oldest understood 1)");
    OTHER_ABI((elf_desc(&b)->version = 3, elf_desc(&b)->minimum = 2),
              "image of ABI 3 needs a host of ABI 2 or newer, this host has ABI 1");
    OTHER_ABI(elf_desc(&b)->features = 0x10,
              "image of ABI 1 needs the features 0x10, this host (ABI 1) has none of them");
    REFUSED(ELF_PIE_RELA, elf_desc(&b)->minimum = 2,
            "Hyperlight note: minimum ABI 2 is above its own version 1");
    /* It comes first: whatever else is wrong may be right in the other version. */
    OTHER_ABI((elf_desc(&b)->version = 3, elf_desc(&b)->minimum = 2,
               PH(CODE)->flags = ELF_PF_W | ELF_PF_X, PH(SPARE)->type = ELF_PT_INTERP),
              "image of ABI 3 needs a host of ABI 2 or newer, this host has ABI 1");
}

TEST(newer_image_that_runs_here_is_taken)
{
    struct loaded loaded;

    elf_build(&b, ELF_FIXED);
    elf_desc(&b)->version = HL_ABI_VERSION + 6;
    load_built(&loaded, &b);
    CHECK_INT(loaded.status, HL_OK);
    CHECK_INT(loaded.image.abi, HL_ABI_VERSION);
    load_free(&loaded);
}

TEST(damaged_notes_are_refused)
{
    REFUSED(ELF_FIXED, b.bytes[AT_NOTE + 4] = 31,
            "program header 3: Hyperlight note of 31 bytes, wanted 32");
    REFUSED(ELF_FIXED, b.bytes[AT_NOTE + 4] = 33,
            "program header 3: the note at 0x0 reaches beyond its end (0x38 bytes)");
    REFUSED(ELF_FIXED, memset(b.bytes + AT_NOTE, 0xff, 4),
            "program header 3: the note at 0x0 reaches beyond its end (0x38 bytes)");
    REFUSED(ELF_FIXED, memset(b.bytes + AT_NOTE, 0xff, 8),
            "program header 3: the note at 0x0 reaches beyond its end (0x38 bytes)");
    REFUSED(ELF_FIXED, *elf_phdr(&b, PH_SPARE) = *PH(NOTE),
            "program header 7: a second Hyperlight note");
    REFUSED(ELF_FIXED, PH(NOTE)->filesz = AT_END,
            "program header 3: file bytes 0x280..0x1380 lie beyond the end of the file "
            "(0x1100 bytes)");
    REFUSED(ELF_FIXED, (PH(NOTE)->filesz = 0x10001, b.size = 0x20000),
            "program header 3: 0x10001 bytes of notes, at most 0x10000 wanted");
}

/* The first wrong note ends the search. */
TEST(damaged_note_before_a_good_one_is_refused)
{
    elf_build(&b, ELF_FIXED);
    memmove(b.bytes + AT_DESC, b.bytes + AT_NOTE, 56);
    b.bytes[AT_NOTE + 4] = 0;
    PH(NOTE)->filesz += 24;
    check_refused(&b, HL_E_IMAGE, "program header 3: Hyperlight note of 0 bytes, wanted 32");
}

/* Moves our note behind another one, which has an owner of 4 bytes and a
 * description of `size`. */
static void put_note_before(uint32_t size, uint32_t align)
{
    const struct elf_note other = {4, size, 5};
    const uint64_t room = 16 + HL_ALIGN_UP(size, align);
    struct elf_phdr *ph = PH(NOTE);

    memmove(b.bytes + AT_NOTE + room, b.bytes + AT_NOTE, AT_TEXTS - AT_NOTE - room);
    memcpy(b.bytes + AT_NOTE, &other, sizeof other);
    memcpy(b.bytes + AT_NOTE + 12, "GNU", 4);
    ph->filesz += room;
    ph->align = align;
}

TEST(note_behind_other_notes_is_found)
{
    elf_build_empty(&b, ELF_FIXED);
    put_note_before(20, 4);
    check_loads(&b);
    elf_build_empty(&b, ELF_FIXED);
    put_note_before(20, 8);
    check_loads(&b);
    elf_build_empty(&b, ELF_FIXED);
    put_note_before(20, 8);
    PH(NOTE)->align = 4; /* reads the padding as a note */
    check_refused(&b, HL_E_IMAGE,
                  "program header 3: the note at 0x3c reaches beyond its end (0x60 bytes)");
}

TEST(tables_are_found_behind_other_notes)
{
    struct loaded loaded;
    struct hl_note *note;

    elf_build(&b, ELF_FIXED);
    put_note_before(20, 8);
    note = (struct hl_note *)(void *)(b.bytes + AT_DESC + 40); /* it moved by 40 bytes */
    note->exports -= 40;
    note->exports_end -= 40;
    note->imports -= 40;
    note->imports_end -= 40;
    load_built(&loaded, &b);
    CHECK_STR(loaded.err.text, "");
    CHECK_INT(loaded.image.export_count, 3);
    load_free(&loaded);
}

/* ---- Segments --------------------------------------------------------------------- */

TEST(segment_outside_the_file_is_refused)
{
    REFUSED(ELF_FIXED, PH(DATA)->filesz = 0xbc1,
            "program header 2: file bytes 0x540..0x1101 lie beyond the end of the file "
            "(0x1100 bytes)");
    REFUSED(ELF_FIXED, PH(DATA)->offset = 0x541,
            "program header 2: file bytes 0x541..0x1101 lie beyond the end of the file "
            "(0x1100 bytes)");
    REFUSED(ELF_FIXED, PH(DATA)->offset = 0 - PH(DATA)->filesz,
            "program header 2: 0xbc0 file bytes at 0xfffffffffffff440 wrap around");
    REFUSED(ELF_FIXED, PH(DATA)->filesz = UINT64_MAX - 0x53f,
            "program header 2: 0xfffffffffffffac0 file bytes at 0x540 wrap around");
    REFUSED(ELF_FIXED, PH(DATA)->memsz = 0,
            "program header 2: 0xbc0 bytes of the file for 0x0 of memory");
    REFUSED(ELF_FIXED, PH(DATA)->memsz = 0xbbf,
            "program header 2: 0xbc0 bytes of the file for 0xbbf of memory");
    TAKEN(ELF_FIXED, PH(DATA)->memsz = 0xbc0);
}

TEST(segment_without_file_bytes_may_lie_behind_the_file)
{
    elf_build_empty(&b, ELF_FIXED);
    PH(DATA)->filesz = 0;
    PH(DATA)->offset = 0ull - 0x1000;
    check_loads(&b);
}

TEST(filling_checks_the_headers_too)
{
    struct image image;
    hl_error err;

    elf_build(&b, ELF_FIXED);
    CHECK_INT(elf_plan(&image, b.bytes, b.size, &err), HL_OK);
    CHECK_INT(elf_fill(&image, b.bytes, 0, NULL, &err), HL_E_IMAGE);
    CHECK_STR(err.text, "an empty file, wanted an ELF64 image");
}

TEST(segment_addresses_may_not_wrap)
{
    REFUSED(ELF_FIXED, PH(DATA)->vaddr = 0 - PH(DATA)->memsz,
            "program header 2: 0x3ac0 bytes of memory at 0xffffffffffffc540 wrap around");
    REFUSED(ELF_FIXED, PH(DATA)->vaddr = 0ull - 0x4000,
            "program header 2: 0x3ac0 bytes of memory at 0xffffffffffffc000 wrap around");
    REFUSED(ELF_PIE_RELA, PH(DATA)->memsz = UINT64_MAX,
            "program header 2: 0xffffffffffffffff bytes of memory at 0x2540 wrap around");
}

TEST(fixed_image_stays_below_the_window)
{
    REFUSED(ELF_FIXED, PH(TEXTS)->vaddr = 0xffff,
            "program header 0: pages 0xf000..0x11000 are not within 0x10000..0x600000000000, "
            "where fixed images may lie");
    REFUSED(ELF_FIXED, PH(CODE)->vaddr = 0,
            "program header 1: pages 0x0..0x1000 are not within 0x10000..0x600000000000, "
            "where fixed images may lie");
    REFUSED(ELF_FIXED, PH(DATA)->vaddr = HL_GATE,
            "program header 2: pages 0x600000200000..0x600000204000 are not within "
            "0x10000..0x600000000000, where fixed images may lie");
    REFUSED(ELF_FIXED, PH(DATA)->vaddr = HL_WINDOW - 0x3abf,
            "program header 2: pages 0x5fffffffc000..0x600000001000 are not within "
            "0x10000..0x600000000000, where fixed images may lie");
    REFUSED(ELF_FIXED, PH(DATA)->vaddr = 0xffff800000000000,
            "program header 2: pages 0xffff800000000000..0xffff800000004000 are not within "
            "0x10000..0x600000000000, where fixed images may lie");
}

/* Moves a fixed image without functions to another address. */
static void move_fixed(uint64_t to)
{
    uint32_t i;

    elf_build_empty(&b, ELF_FIXED);
    for (i = 0; i < ELF_PHDRS; i++)
        elf_phdr(&b, i)->vaddr += to - ELF_BASE;
    elf_head(&b)->entry += to - ELF_BASE;
}

TEST(fixed_image_may_use_all_of_its_range)
{
    move_fixed(HL_LOW_END);
    check_loads(&b);
    move_fixed(HL_WINDOW - 0x6000);
    check_loads(&b);
}

TEST(tiny_file_cannot_ask_for_terabytes)
{
    REFUSED(ELF_FIXED, PH(DATA)->memsz = 1ull << 42,
            "segments span 0x40000003000 bytes from 0x400000 on, at most 0x10000000 wanted");
    REFUSED(ELF_FIXED, PH(DATA)->memsz = IMAGE_SPAN_MAX - 0x2540 + 1,
            "segments span 0x10001000 bytes from 0x400000 on, at most 0x10000000 wanted");
    TAKEN(ELF_FIXED, PH(DATA)->memsz = IMAGE_SPAN_MAX - 0x2540);
    REFUSED(ELF_PIE_RELA, PH(DATA)->memsz = 1ull << 46,
            "program header 2: pages 0x2000..0x400000003000 are not within 0x0..0x10000000, "
            "where relocatable images may lie");
    TAKEN(ELF_PIE_RELA, PH(DATA)->memsz = IMAGE_SPAN_MAX - 0x2540);
    REFUSED(ELF_PIE_RELA, PH(DATA)->vaddr = IMAGE_SPAN_MAX,
            "program header 2: pages 0x10000000..0x10004000 are not within 0x0..0x10000000, "
            "where relocatable images may lie");
}

TEST(segments_may_not_share_a_page)
{
    REFUSED(ELF_FIXED, PH(CODE)->vaddr = 0x400fff,
            "program headers 0 and 1 share the page 0x400000");
    REFUSED(ELF_FIXED, PH(CODE)->vaddr = 0x400900,
            "program headers 0 and 1 share the page 0x400000");
    REFUSED(ELF_FIXED, PH(CODE)->vaddr = 0x401fc1,
            "program headers 1 and 2 share the page 0x402000");
    REFUSED(ELF_FIXED, PH(DATA)->vaddr = PH(CODE)->vaddr,
            "program headers 1 and 2 share the page 0x401000");
    REFUSED(ELF_FIXED, PH(TEXTS)->memsz = 0x100000,
            "program headers 0 and 1 share the page 0x401000");
    TAKEN(ELF_FIXED, PH(CODE)->memsz = 0xb00); /* to the last byte of its page */
    REFUSED(ELF_FIXED, PH(CODE)->memsz = 0xb01, "program headers 1 and 2 share the page 0x402000");
}

TEST(segments_in_any_order_are_sorted)
{
    struct loaded loaded, swapped;
    struct elf_phdr ph;

    elf_build(&b, ELF_PIE_RELA);
    load_built(&loaded, &b);
    ph = *PH(TEXTS);
    *PH(TEXTS) = *PH(DATA);
    *PH(DATA) = *PH(CODE);
    *PH(CODE) = ph;
    load_built(&swapped, &b);
    CHECK_INT(swapped.status, HL_OK);
    CHECK(!memcmp(loaded.image.segments, swapped.image.segments, sizeof swapped.image.segments));
    load_free(&loaded);
    load_free(&swapped);
}

TEST(segment_access_is_checked)
{
    struct loaded loaded;

    REFUSED(ELF_FIXED, PH(CODE)->flags = ELF_PF_R | ELF_PF_W | ELF_PF_X,
            "program header 1: writable and executable");
    REFUSED(ELF_FIXED, PH(CODE)->flags = ELF_PF_W | ELF_PF_X,
            "program header 1: writable and executable");
    REFUSED(ELF_FIXED, PH(TEXTS)->flags = 0,
            "program header 0: neither readable, writable nor executable");
    REFUSED(ELF_FIXED, PH(CODE)->flags = ELF_PF_R, "no executable segment");
    elf_build(&b, ELF_FIXED);
    PH(CODE)->flags = ELF_PF_X;
    load_built(&loaded, &b);
    CHECK_INT(loaded.image.segments[1].access, HL_READ | HL_EXECUTE);
    load_free(&loaded);
}

TEST(segment_alignment_is_checked)
{
    REFUSED(ELF_PIE_RELA, PH(DATA)->align = 0x20000,
            "program header 2: alignment 0x20000, wanted a power of two of at most 0x10000");
    REFUSED(ELF_PIE_RELA, PH(DATA)->align = 3,
            "program header 2: alignment 0x3, wanted a power of two of at most 0x10000");
    TAKEN(ELF_PIE_RELA, PH(DATA)->align = 0x10000);
    TAKEN(ELF_PIE_RELA, PH(DATA)->align = 0);
}

TEST(entry_point_is_in_code)
{
    REFUSED(ELF_FIXED, elf_head(&b)->entry = ELF_BASE,
            "entry point 0x400000 is not in an executable segment");
    REFUSED(ELF_FIXED, elf_head(&b)->entry = 0x402000,
            "entry point 0x402000 is not in an executable segment");
    REFUSED(ELF_PIE_RELA, elf_head(&b)->entry = HL_SLIDE + 0x1500,
            "entry point 0x600000211500 is not in an executable segment");
    REFUSED(ELF_PIE_RELA, elf_head(&b)->entry = UINT64_MAX,
            "entry point 0xffffffffffffffff is not in an executable segment");
    TAKEN(ELF_FIXED, elf_head(&b)->entry = 0x401fff);
}

/* An image with `count` further one-page segments, each of one zero byte. */
static void add_segments(uint32_t count)
{
    struct elf_phdr ph = {.type = ELF_PT_LOAD, .flags = ELF_PF_R, .memsz = 1, .align = 0x1000};
    uint32_t i;

    elf_build(&b, ELF_FIXED);
    memmove(b.bytes + AT_END, b.bytes + AT_PHDRS, ELF_PHDRS * sizeof ph);
    elf_head(&b)->phoff = AT_END;
    elf_head(&b)->phnum = (uint16_t)(ELF_PHDRS + count);
    for (i = 0; i < count; i++) {
        ph.vaddr = 0x500000 + i * 0x2000;
        memcpy(b.bytes + AT_END + (ELF_PHDRS + i) * sizeof ph, &ph, sizeof ph);
    }
    b.size = AT_END + (ELF_PHDRS + count) * sizeof ph;
}

TEST(number_of_segments_is_limited)
{
    add_segments(12); /* 3 + 12 loads, one split in two */
    check_loads(&b);
    add_segments(13);
    check_refused(&b, HL_E_IMAGE, "program header 22: more than 16 segments, RELRO counted");
    add_segments(14);
    check_refused(&b, HL_E_IMAGE, "program header 23: more than 16 loadable segments");
}

TEST(empty_segments_do_not_count)
{
    REFUSED(ELF_FIXED, (PH(TEXTS)->type = PH(CODE)->type = PH(DATA)->type = ELF_PT_NULL),
            "no loadable segment");
    TAKEN(ELF_FIXED, *elf_phdr(&b, PH_SPARE) = ((struct elf_phdr){.type = ELF_PT_LOAD}));
}

/* ---- Other program headers ---------------------------------------------------------- */

TEST(dynamic_linking_and_executable_stacks_are_refused)
{
    REFUSED(ELF_PIE_RELA, elf_phdr(&b, PH_SPARE)->type = ELF_PT_INTERP,
            "program header 7: wants a dynamic linker (PT_INTERP), wanted a static executable");
    REFUSED(ELF_PIE_RELA, PH(STACK)->flags |= ELF_PF_X,
            "program header 5: wants an executable stack (PT_GNU_STACK)");
    REFUSED(ELF_PIE_RELA, elf_phdr(&b, PH_SPARE)->type = ELF_PT_DYNAMIC,
            "program headers 4 and 7 are both PT_DYNAMIC");
    REFUSED(ELF_PIE_RELA, elf_phdr(&b, PH_SPARE)->type = ELF_PT_GNU_RELRO,
            "program headers 6 and 7 are both PT_GNU_RELRO");
    TAKEN(ELF_PIE_RELA, elf_phdr(&b, PH_SPARE)->type = 7); /* PT_TLS: the runtime's */
}

static void check_relro(uint64_t start, uint64_t size, uint32_t segments)
{
    struct loaded loaded;

    elf_build(&b, ELF_FIXED);
    PH(RELRO)->vaddr = ELF_BASE + start;
    PH(RELRO)->memsz = size;
    load_built(&loaded, &b);
    CHECK_STR(loaded.err.text, "");
    CHECK_INT(loaded.image.segment_count, segments);
    load_free(&loaded);
}

TEST(relro_is_cut_out_in_whole_pages)
{
    check_relro(0x2540, 0xac0, 4);  /* one page of four */
    check_relro(0x2540, 0xabf, 3);  /* not to the end of its page */
    check_relro(0x2000, 0x4000, 3); /* all of the segment */
    check_relro(0x3000, 0x1000, 5); /* the middle */
    check_relro(0x3800, 0x100, 3);
    check_relro(0x0, 0x1000, 3); /* read-only anyway */
    check_relro(0x2540, 0, 3);
}

TEST(relro_outside_of_a_segment_is_refused)
{
    REFUSED(ELF_FIXED, PH(RELRO)->memsz = 0x3ac1,
            "program header 6: 0x3ac1 bytes of RELRO at 0x402540 lie in no segment");
    REFUSED(ELF_FIXED, PH(RELRO)->memsz = UINT64_MAX,
            "program header 6: 0xffffffffffffffff bytes of RELRO at 0x402540 lie in no segment");
    REFUSED(ELF_FIXED, PH(RELRO)->vaddr = 0x3ff000,
            "program header 6: 0xac0 bytes of RELRO at 0x3ff000 lie in no segment");
}

/* ---- All of it at once --------------------------------------------------------------- */

static void check_prefixes(enum elf_kind kind)
{
    struct loaded whole, cut;
    size_t size;

    elf_build(&b, kind);
    b.size += 0x80; /* nothing that a segment needs */
    load_built(&whole, &b);
    CHECK_INT(whole.status, HL_OK);
    for (size = 0; size < b.size; size++) {
        load_bytes(&cut, b.bytes, size);
        if (size < AT_END)
            CHECK(cut.status);
        else
            CHECK(!cut.status && load_same(&whole, &cut));
        if (size && size < 64)
            CHECK_HAS(cut.err.text, "truncated file: ");
        else if (size && size < AT_END)
            CHECK_HAS(cut.err.text, " beyond ");
        load_free(&cut);
    }
    load_free(&whole);
}

TEST(image_cut_anywhere_is_refused)
{
    check_prefixes(ELF_FIXED);
    check_prefixes(ELF_PIE_RELA);
    check_prefixes(ELF_PIE_RELR);
}

/* Puts every interesting number into a field of `width` bytes; load_bytes
 * checks what comes of it. */
static unsigned sweep_field(size_t offset, unsigned width)
{
    const uint64_t values[] = {
        0,
        1,
        2,
        3,
        0x7f,
        0x80,
        0xfff,
        0x1000,
        b.size - 1,
        b.size,
        b.size + 1,
        0x7fffffff,
        0x80000000,
        HL_LOW_END,
        ELF_BASE,
        ELF_BASE + 0x5fff,
        ELF_BASE + 0x6000,
        0x5fff,
        0x6000,
        IMAGE_SPAN_MAX,
        HL_WINDOW - 1,
        HL_WINDOW,
        HL_GATE,
        HL_SLIDE,
        HL_SLIDE + 0x5ff9,
        0x7fffffffffff,
        0x800000000000,
        1ull << 62,
        INT64_MAX,
        1ull << 63,
        0 - HL_SLIDE,
        0ull - ELF_BASE,
        0ull - 0x540,
        0ull - 0xbc0,
        0ull - 0x1000,
        0ull - 24,
        UINT64_MAX - 1,
        UINT64_MAX,
    };
    uint8_t saved[8];
    struct loaded loaded;
    unsigned i, taken = 0;

    memcpy(saved, b.bytes + offset, width);
    for (i = 0; i < sizeof values / sizeof values[0]; i++) {
        memcpy(b.bytes + offset, &values[i], width);
        load_built(&loaded, &b);
        taken += !loaded.status;
        load_free(&loaded);
    }
    memcpy(b.bytes + offset, saved, width);
    return taken;
}

static void sweep(enum elf_kind kind)
{
    size_t at;
    uint32_t i;

    elf_build(&b, kind);
    for (at = 0; at < sizeof(struct elf_head); at += 2)
        sweep_field(at, 2);
    for (at = 24; at < 48; at += 8) /* entry, phoff, shoff */
        sweep_field(at, 8);
    for (i = 0; i < ELF_PHDRS; i++) {
        at = AT_PHDRS + i * sizeof(struct elf_phdr);
        sweep_field(at, 4);
        sweep_field(at + 4, 4);
        for (at += 8; at < AT_PHDRS + (i + 1) * sizeof(struct elf_phdr); at += 8)
            sweep_field(at, 8);
    }
    for (at = AT_NOTE; at < AT_DESC + sizeof(struct hl_note); at += 4)
        sweep_field(at, 4);
    for (at = AT_DYNAMIC; at < AT_DYNAMIC + 0x60; at += 8)
        sweep_field(at, 8);
    for (at = AT_RELA; at < AT_RELA + 4 * sizeof(struct elf_rela); at += 4) {
        sweep_field(at, 4);
        sweep_field(at, 8);
    }
    for (at = AT_RELR; at < AT_RELR + 0x40; at += 8)
        sweep_field(at, 8);
    for (at = AT_EXPORTS; at < AT_EXPORTS + 4 * sizeof(struct hl_table_entry); at += 8)
        sweep_field(at, 8);
    check_loads(&b); /* every field was put back */
}

TEST(every_field_at_its_limits)
{
    sweep(ELF_FIXED);
    sweep(ELF_PIE_RELA);
    sweep(ELF_PIE_RELR);
}

TEST(sweep_reaches_both_outcomes)
{
    elf_build(&b, ELF_FIXED);
    CHECK_INT(sweep_field(40, 8), 38); /* shoff: nobody reads it */
    CHECK_INT(sweep_field(24, 8), 0);  /* entry: none of them is in the code */
}
