/* SPDX-License-Identifier: Apache-2.0 */
/* The ELF loader: relocations, export and import tables. */
#include <hyperlight/hyperlight.h>
#include <stdio.h>

#include "../test.h"
#include "loader_image.h"

#define DYNAMIC(tag) (*elf_dynamic(&b, ELF_DT_##tag))
#define CODE elf_link(&b, AT_CODE)

static void add_dynamic(uint64_t tag, uint64_t value)
{
    elf_dynamic_add(&b, tag, value);
}

/* ---- PT_DYNAMIC ----------------------------------------------------------------- */

TEST(dynamic_section_lies_in_a_segment)
{
    REFUSED(ELF_PIE_RELA, elf_phdr(&b, PH_DYNAMIC)->vaddr = 0x6000,
            "program header 4: 0x100 bytes of PT_DYNAMIC at 0x6000 lie in no segment");
    REFUSED(ELF_PIE_RELA, elf_phdr(&b, PH_DYNAMIC)->vaddr = 0x5f01,
            "program header 4: 0x100 bytes of PT_DYNAMIC at 0x5f01 lie in no segment");
    REFUSED(ELF_PIE_RELA, elf_phdr(&b, PH_DYNAMIC)->memsz = UINT64_MAX,
            "program header 4: 0xffffffffffffffff bytes of PT_DYNAMIC at 0x2540 lie in no segment");
    REFUSED(ELF_PIE_RELA, elf_phdr(&b, PH_DYNAMIC)->vaddr = 0 - HL_SLIDE,
            "program header 4: 0x100 bytes of PT_DYNAMIC at 0xffff9fffffdf0000 lie in no segment");
}

TEST(dynamic_section_is_limited)
{
    REFUSED(ELF_PIE_RELA,
            (elf_phdr(&b, PH_DYNAMIC)->vaddr = 0x3000, elf_phdr(&b, PH_DYNAMIC)->memsz = 0x1010),
            "program header 4: 257 entries of PT_DYNAMIC, at most 256 wanted");
}

/* Nothing follows a pointer in it; without DT_NULL it ends where it ends. */
TEST(dynamic_section_without_end_is_read_once)
{
    elf_build(&b, ELF_PIE_RELA);
    elf_phdr(&b, PH_DYNAMIC)->memsz = 3 * sizeof(struct elf_dyn);
    add_dynamic(ELF_DT_NEEDED, 1); /* behind it */
    check_loads(&b);
}

TEST(entries_behind_the_end_do_not_count)
{
    elf_build(&b, ELF_PIE_RELA);
    *elf_word(&b, AT_DYNAMIC + 4 * sizeof(struct elf_dyn)) = ELF_DT_NEEDED; /* 3 is DT_NULL */
    check_loads(&b);
}

TEST(shared_libraries_are_refused)
{
    REFUSED(ELF_PIE_RELA, add_dynamic(ELF_DT_NEEDED, 1),
            "needs a shared library (DT_NEEDED), wanted a static executable");
    REFUSED(ELF_PIE_RELA, add_dynamic(ELF_DT_REL, 0x2640),
            "PT_DYNAMIC: DT_REL, wanted DT_RELA or DT_RELR");
    REFUSED(ELF_PIE_RELA, add_dynamic(ELF_DT_RELASZ, 0), "PT_DYNAMIC: DT_RELASZ twice");
    TAKEN(ELF_PIE_RELA, (add_dynamic(0x6ffffff9, 1), add_dynamic(22, 0))); /* RELACOUNT, TEXTREL */
}

TEST(relocation_tables_are_checked)
{
    REFUSED(ELF_PIE_RELA, DYNAMIC(RELAENT) = 16, "DT_RELA: entries of 16 bytes, wanted 24");
    REFUSED(ELF_PIE_RELR, DYNAMIC(RELRENT) = 4, "DT_RELR: entries of 4 bytes, wanted 8");
    REFUSED(ELF_PIE_RELA, DYNAMIC(RELASZ) = 25,
            "DT_RELA: 0x19 bytes do not consist of entries of 24 bytes");
    REFUSED(ELF_PIE_RELA, DYNAMIC(RELASZ) = 24ull << 32,
            "DT_RELA: 0x1800000000 bytes in a file of 0x1100");
    REFUSED(ELF_PIE_RELA, DYNAMIC(RELASZ) = 0x1110, "DT_RELA: 0x1110 bytes in a file of 0x1100");
    REFUSED(ELF_PIE_RELR, DYNAMIC(RELRSZ) = UINT64_MAX - 7,
            "DT_RELR: 0xfffffffffffffff8 bytes in a file of 0x1100");
    REFUSED(ELF_PIE_RELA, DYNAMIC(RELA) = 0x6000,
            "DT_RELA: 0x108 bytes at 0x6000 lie in no segment");
    REFUSED(ELF_PIE_RELA, DYNAMIC(RELA) = 0x5ef9,
            "DT_RELA: 0x108 bytes at 0x5ef9 lie in no segment");
    REFUSED(ELF_PIE_RELA, DYNAMIC(RELA) = UINT64_MAX,
            "DT_RELA: 0x108 bytes at 0xffffffffffffffff lie in no segment");
    REFUSED(ELF_PIE_RELA, (add_dynamic(ELF_DT_JMPREL, 0x2640), add_dynamic(ELF_DT_PLTRELSZ, 24)),
            "PT_DYNAMIC: DT_PLTREL 0, wanted 7");
}

/* ---- Relocations ------------------------------------------------------------------ */

TEST(only_relative_relocations_are_taken)
{
    REFUSED(ELF_PIE_RELA, elf_rela(&b, 2)->type = 37,
            "DT_RELA: relocation 2 is of type 37 (R_X86_64_IRELATIVE), wanted R_X86_64_RELATIVE");
    REFUSED(ELF_PIE_RELA, elf_rela(&b, 0)->type = 6,
            "DT_RELA: relocation 0 is of type 6 (R_X86_64_GLOB_DAT), wanted R_X86_64_RELATIVE");
    REFUSED(ELF_PIE_RELA, elf_rela(&b, 0)->type = 0xffffffff,
            "DT_RELA: relocation 0 is of type 4294967295 (another), wanted R_X86_64_RELATIVE");
    REFUSED(ELF_PIE_RELA, elf_rela(&b, 1)->symbol = 5,
            "DT_RELA: relocation 1 names symbol 5, wanted none");
    TAKEN(ELF_PIE_RELA, *elf_rela(&b, b.relocs) = ((struct elf_rela){0});
          DYNAMIC(RELASZ) += sizeof(struct elf_rela)); /* R_X86_64_NONE */
}

TEST(relocation_targets_lie_in_a_segment)
{
    REFUSED(ELF_PIE_RELA, elf_rela(&b, 3)->offset = 0x6000,
            "DT_RELA: relocation 3 changes 0x6000, which lies in no segment");
    REFUSED(ELF_PIE_RELA, elf_rela(&b, 3)->offset = 0x5ff9,
            "DT_RELA: relocation 3 changes 0x5ff9, which lies in no segment");
    REFUSED(ELF_PIE_RELA, elf_rela(&b, 3)->offset = HL_GATE,
            "DT_RELA: relocation 3 changes 0x600000200000, which lies in no segment");
    REFUSED(ELF_PIE_RELA, elf_rela(&b, 3)->offset = 0ull - 8,
            "DT_RELA: relocation 3 changes 0xfffffffffffffff8, which lies in no segment");
    REFUSED(ELF_PIE_RELR, *elf_word(&b, AT_RELR) = 0x6000,
            "DT_RELR: entry 0 changes 0x6000, which lies in no segment");
    REFUSED(ELF_PIE_RELR, *elf_word(&b, AT_RELR) = 0x5ff0,
            "DT_RELR: entry 1 changes 0x6000, which lies in no segment");
    REFUSED(ELF_PIE_RELR, *elf_word(&b, AT_RELR) = 1ull << 63,
            "DT_RELR: entry 0 changes 0x8000000000000000, which lies in no segment");
}

TEST(procedure_linkage_relocations_are_applied)
{
    struct loaded loaded;
    struct elf_rela rela = {.offset = 0x3800, .type = ELF_R_RELATIVE, .addend = 0x1234};
    uint64_t word;

    elf_build(&b, ELF_PIE_RELR);
    *elf_rela(&b, 0) = rela;
    add_dynamic(ELF_DT_JMPREL, elf_link(&b, AT_RELA));
    add_dynamic(ELF_DT_PLTRELSZ, sizeof rela);
    add_dynamic(ELF_DT_PLTREL, ELF_DT_RELA);
    load_built(&loaded, &b);
    CHECK_STR(loaded.err.text, "");
    memcpy(&word, loaded.memory + 0x3800, sizeof word);
    CHECK_INT(word, HL_SLIDE + 0x1234);
    load_free(&loaded);
}

/* Two bitmaps in a row cover 126 words behind the address. */
TEST(packed_relocations_reach_every_bit)
{
    struct loaded loaded;
    uint64_t *entry, word;
    uint32_t i;

    elf_build_empty(&b, ELF_PIE_RELR);
    entry = elf_word(&b, AT_RELR);
    entry[0] = 0x3200;
    entry[1] = 1ull << 63 | 2 | 1;
    entry[2] = 1ull << 63 | 1;
    DYNAMIC(RELRSZ) = 24;
    load_built(&loaded, &b);
    CHECK_STR(loaded.err.text, "");
    for (i = 0; i < 130; i++) {
        memcpy(&word, loaded.memory + 0x3200 + 8 * i, sizeof word);
        CHECK_INT(word, i == 0 || i == 1 || i == 63 || i == 126 ? HL_SLIDE : 0);
    }
    load_free(&loaded);
}

/* A relocation may change any segment, even the tables of relocations. */
TEST(relocations_of_relocations_are_harmless)
{
    TAKEN(
        ELF_PIE_RELA, *elf_rela(&b, b.relocs) = *elf_rela(&b, 0);
        elf_rela(&b, b.relocs)->offset = elf_link(&b, AT_RELA + b.relocs * sizeof(struct elf_rela));
        DYNAMIC(RELASZ) += sizeof(struct elf_rela));
    TAKEN(ELF_PIE_RELA, *elf_rela(&b, b.relocs) = *elf_rela(&b, 0);
          elf_rela(&b, b.relocs)->offset = elf_link(&b, AT_CODE);
          DYNAMIC(RELASZ) += sizeof(struct elf_rela));
}

TEST(fixed_image_may_have_a_dynamic_section)
{
    struct loaded loaded;
    uint64_t word;

    elf_build(&b, ELF_FIXED);
    *elf_phdr(&b, PH_DYNAMIC) = *elf_phdr(&b, PH_DATA);
    elf_phdr(&b, PH_DYNAMIC)->type = ELF_PT_DYNAMIC;
    elf_phdr(&b, PH_DYNAMIC)->memsz = 0x100;
    *elf_rela(&b, 0) = (struct elf_rela){.offset = ELF_BASE + 0x3800, .type = 8, .addend = 77};
    add_dynamic(ELF_DT_RELA, elf_link(&b, AT_RELA));
    add_dynamic(ELF_DT_RELASZ, 24);
    add_dynamic(ELF_DT_RELAENT, 24);
    load_built(&loaded, &b);
    CHECK_STR(loaded.err.text, "");
    memcpy(&word, loaded.memory + 0x3800, sizeof word);
    CHECK_INT(word, 77);
    load_free(&loaded);
}

/* ---- Where the tables lie ----------------------------------------------------------- */

TEST(tables_consist_of_rows_in_a_segment)
{
    REFUSED(ELF_FIXED, elf_desc(&b)->exports_end++,
            "export table 0x4029c0..0x402a09 does not consist of rows of 24 bytes");
    REFUSED(ELF_FIXED, elf_desc(&b)->exports_end -= 96,
            "export table 0x4029c0..0x4029a8 does not consist of rows of 24 bytes");
    REFUSED(ELF_FIXED, elf_desc(&b)->exports_end -= 112, /* -40 is a multiple of 24 too */
            "export table 0x4029c0..0x402998 does not consist of rows of 24 bytes");
    REFUSED(ELF_FIXED, elf_desc(&b)->imports_end = INT32_MAX,
            "import table 0x402b40..0x804002b3 does not consist of rows of 24 bytes");
    REFUSED(ELF_FIXED, (elf_desc(&b)->exports += 0x4000, elf_desc(&b)->exports_end += 0x4000),
            "export table 0x4069c0..0x406a08 lies in no segment");
    REFUSED(ELF_FIXED, (elf_desc(&b)->imports += 0x34a9, elf_desc(&b)->imports_end += 0x34a9),
            "import table 0x405fe9..0x406001 lies in no segment");
    REFUSED(ELF_FIXED,
            (elf_desc(&b)->exports = INT32_MIN, elf_desc(&b)->exports_end = INT32_MIN + 20),
            "export table 0xffffffff804002a8..0xffffffff804002c0 lies in no segment");
    REFUSED(ELF_FIXED, elf_phdr(&b, PH_NOTE)->vaddr = 0,
            "export table 0x2740..0x2788 lies in no segment");
}

TEST(empty_tables_may_point_anywhere)
{
    elf_build_empty(&b, ELF_FIXED);
    elf_desc(&b)->exports = -4096;
    elf_desc(&b)->exports_end = -4100;
    elf_desc(&b)->imports = 4;
    elf_desc(&b)->imports_end = 0;
    check_loads(&b);
}

/* A fourth segment, for large tables: offset x of the file is linked at
 * ELF_BASE + 0x2000 + x. */
enum { AT_LARGE = 0x10000 };
static void add_large(void)
{
    struct elf_phdr *ph = elf_phdr(&b, PH_SPARE);

    elf_build_empty(&b, ELF_FIXED);
    b.size = sizeof b.bytes;
    *ph = *elf_phdr(&b, PH_TEXTS);
    ph->offset = AT_LARGE;
    ph->vaddr = elf_link(&b, AT_LARGE);
    ph->filesz = ph->memsz = b.size - AT_LARGE;
}

/* Rows named f0, f1, ... in the large segment. */
static void add_many(uint32_t count)
{
    size_t row = AT_LARGE, text = AT_LARGE + (HL_FUNCTIONS_MAX + 2) * 24;
    struct hl_note *note = elf_desc(&b);
    uint64_t signature;
    uint32_t i;

    add_large();
    signature = elf_text(&b, "void()");
    for (i = 0; i < count; i++, row += 24) {
        *elf_word(&b, row) = elf_link(&b, text);
        *elf_word(&b, row + 8) = signature;
        *elf_word(&b, row + 16) = CODE;
        text += 1 + (size_t)sprintf((char *)b.bytes + text, "f%u", i);
    }
    note->exports = (int32_t)(elf_link(&b, AT_LARGE) - elf_link(&b, AT_DESC + 16));
    note->exports_end = (int32_t)(elf_link(&b, row) - elf_link(&b, AT_DESC + 20));
}

TEST(number_of_functions_is_limited)
{
    struct loaded loaded;

    add_many(HL_FUNCTIONS_MAX);
    load_built(&loaded, &b);
    CHECK_STR(loaded.err.text, "");
    CHECK_INT(loaded.image.export_count, HL_FUNCTIONS_MAX);
    CHECK_STR(loaded.image.exports[HL_FUNCTIONS_MAX - 1].name, "f4095");
    load_free(&loaded);
    add_many(HL_FUNCTIONS_MAX + 1);
    check_refused(&b, HL_E_IMAGE, "4097 exports, at most 4096 wanted");
}

TEST(equal_names_far_apart_are_found)
{
    add_many(HL_FUNCTIONS_MAX);
    *elf_word(&b, AT_LARGE + 4095 * 24) = *elf_word(&b, AT_LARGE + 7 * 24);
    check_refused(&b, HL_E_IMAGE, "exports 7 and 4095 are both named \"f7\"");
}

/* ---- Rows ------------------------------------------------------------------------- */

TEST(names_are_checked)
{
    char longest[258];

    memset(longest, 'n', sizeof longest);
    longest[255] = '\0';
    TAKEN(ELF_FIXED, (b.texts = 0x80, elf_export(&b, longest, "void()", CODE)));
    longest[255] = 'n';
    longest[256] = '\0';
    REFUSED(ELF_FIXED, (b.texts = 0x80, elf_export(&b, longest, "void()", CODE)),
            "export 3: name at 0x400380 is longer than 255 bytes");
    REFUSED(ELF_FIXED, elf_export(&b, "a\xff\x1b", "void()", CODE),
            "export 3: its name \"a\\xff\\x1b\" is not UTF-8");
    REFUSED(ELF_FIXED, elf_export(&b, "Add", "void()", CODE),
            "exports 0 and 3 are both named \"Add\"");
    REFUSED(ELF_FIXED, elf_import(&b, "Now", "i32()"), "imports 0 and 1 are both named \"Now\"");
    TAKEN(ELF_FIXED, elf_import(&b, "Add", "i32()")); /* an export of that name is no matter */
    TAKEN(ELF_FIXED, elf_export(&b, "\xc3\xa4%n", "void()", CODE));
    TAKEN(ELF_FIXED, elf_export(&b, "Ad", "void()", CODE));
    REFUSED(ELF_FIXED, elf_import(&b, "", "fallback"),
            "import 1: its name is empty, its signature \"fallback\"");
    REFUSED(ELF_FIXED, elf_import(&b, "", "init"),
            "import 1: its name is empty, its signature \"init\"");
}

TEST(texts_lie_in_one_segment)
{
    REFUSED(ELF_FIXED, *elf_word(&b, AT_EXPORTS + 24) = 0,
            "export 1: name at 0x0 lies outside the image");
    REFUSED(ELF_FIXED, *elf_word(&b, AT_EXPORTS + 8) = ELF_BASE + 0x6000,
            "export 0: signature at 0x406000 lies outside the image");
    REFUSED(ELF_FIXED, *elf_word(&b, AT_IMPORTS) = HL_GATE,
            "import 0: name at 0x600000200000 lies outside the image");
    REFUSED(ELF_FIXED, *elf_word(&b, AT_IMPORTS + 8) = UINT64_MAX,
            "import 0: signature at 0xffffffffffffffff lies outside the image");
}

TEST(texts_end_in_their_segment)
{
    add_large();
    memset(b.bytes + b.size - 8, 'x', 8);
    elf_export(&b, "", "void()", CODE);
    *elf_word(&b, AT_EXPORTS) = elf_link(&b, b.size - 8);
    check_refused(&b, HL_E_IMAGE,
                  "export 0: name at 0x501ff8 has no NUL before the end of its segment");
    b.bytes[b.size - 1] = '\0';
    check_loads(&b);
}

TEST(signatures_are_checked)
{
    REFUSED(ELF_FIXED, elf_export(&b, "F", "i33()", CODE),
            "export 3 (F): signature \"i33()\": unknown result type");
    REFUSED(ELF_FIXED, elf_import(&b, "F", "i32(void)"),
            "import 1 (F): signature \"i32(void)\": void is no parameter type");
    REFUSED(ELF_FIXED, elf_export(&b, "F", "", CODE),
            "export 3 (F): signature \"\": unknown result type");
    REFUSED(ELF_FIXED, elf_export(&b, "F", "init", CODE),
            "export 3 (F): signature \"init\": unknown result type");
}

TEST(signature_text_is_limited)
{
    char spaced[1025];

    memset(spaced, ' ', sizeof spaced);
    memcpy(spaced, "void(", 5);
    strcpy(spaced + 1022, ")");
    add_large();
    memcpy(b.bytes + AT_LARGE, spaced, 1024);
    elf_export(&b, "F", "", CODE);
    *elf_word(&b, AT_EXPORTS + 8) = elf_link(&b, AT_LARGE);
    check_loads(&b);
    b.bytes[AT_LARGE + 1023] = ' ';
    check_refused(&b, HL_E_IMAGE, "export 0: signature at 0x412000 is longer than 1023 bytes");
}

TEST(exported_functions_lie_in_code)
{
    REFUSED(ELF_FIXED, elf_export(&b, "F", "void()", 0),
            "export 3 (F): its function at 0x0 is not in an executable segment");
    REFUSED(ELF_FIXED, elf_export(&b, "F", "void()", ELF_BASE + 0x3000),
            "export 3 (F): its function at 0x403000 is not in an executable segment");
    REFUSED(ELF_FIXED, elf_export(&b, "F", "void()", HL_GATE),
            "export 3 (F): its function at 0x600000200000 is not in an executable segment");
    REFUSED(ELF_FIXED, elf_export(&b, "", "fallback", 0),
            "export 3 (): its function at 0x0 is not in an executable segment");
    REFUSED(ELF_FIXED, *elf_word(&b, AT_IMPORTS + 16) = 5,
            "import 0 (Now): third field is 0x5, wanted 0");
}

TEST(init_and_fallback_stand_once)
{
    struct loaded loaded;

    elf_build(&b, ELF_PIE_RELA);
    elf_export(&b, "", "fallback", CODE);
    elf_export(&b, "Last", "void()", CODE);
    load_built(&loaded, &b);
    CHECK_STR(loaded.err.text, "");
    CHECK_INT(loaded.image.export_count, 5);
    CHECK_INT(loaded.image.init, 2);
    CHECK_INT(loaded.image.fallback, 3);
    CHECK_STR(loaded.image.exports[2].name, "");
    CHECK_STR(loaded.image.exports[3].name, "");
    CHECK_STR(loaded.image.exports[4].name, "Last");
    load_free(&loaded);
    REFUSED(ELF_FIXED, elf_export(&b, "", "init", CODE),
            "exports 2 and 3 are both the init function");
    REFUSED(ELF_FIXED, (elf_export(&b, "", "fallback", CODE), elf_export(&b, "", "fallback", CODE)),
            "exports 3 and 4 are both the fallback function");
    REFUSED(ELF_FIXED, elf_export(&b, "", "void()", CODE),
            "export 3: its name is empty, its signature \"void()\"");
}
