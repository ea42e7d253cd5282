/* SPDX-License-Identifier: Apache-2.0 */
/* Builds small, correct ELF guest images in memory, for tests to damage. */
#ifndef HL_TESTS_ELF_BUILD_H
#define HL_TESTS_ELF_BUILD_H

#include <stddef.h>
#include <stdint.h>

#include "../../src/host/elf.h"
#include "../../src/shared/abi.h"

enum elf_kind {
    ELF_FIXED,    /* linked at ELF_BASE, nothing to relocate */
    ELF_PIE_RELA, /* linked at 0, DT_RELA */
    ELF_PIE_RELR, /* linked at 0, DT_RELR */
};
#define ELF_BASE 0x400000u

/* The parts of the file, by offset. What lies at offset x is linked at x,
 * 0x1000 + x, 0x2000 + x (plus ELF_BASE) in the three segments. */
enum {
    AT_PHDRS = 0x40, /* ELF_PHDRS of them */
    AT_NOTE = 0x280,
    AT_DESC = AT_NOTE + 24,
    AT_TEXTS = 0x300,
    AT_CODE = 0x500,    /* readable and executable from here */
    AT_DYNAMIC = 0x540, /* readable and writable from here */
    AT_RELA = 0x640,    /* ELF_RELOCS at most, of either sort */
    AT_RELR = 0x940,
    AT_EXPORTS = 0x9c0, /* ELF_ROWS at most */
    AT_IMPORTS = 0xb40,
    AT_DATA = 0x1000, /* behind RELRO */
    AT_END = 0x1100
};
#define ELF_DATA_PAGES 3u /* of memory, from AT_DATA's page on; mostly zero */

/* Positions of the program headers; the others are PT_NULL. */
enum {
    PH_TEXTS,
    PH_CODE,
    PH_DATA,
    PH_NOTE,
    PH_DYNAMIC,
    PH_STACK,
    PH_RELRO,
    PH_SPARE,
    ELF_PHDRS = 10
};
enum { ELF_ROWS = 16, ELF_RELOCS = 32 };

struct elf_build {
    enum elf_kind kind;
    size_t size;               /* bytes in use */
    uint32_t texts;            /* bytes of texts so far */
    uint32_t exports, imports; /* rows so far */
    uint32_t relocs;           /* DT_RELA entries so far */
    _Alignas(16) uint8_t bytes[1 << 20];
};

/* Three exports (Add, Greet, init) and one import (Now). */
void elf_build(struct elf_build *out, enum elf_kind kind);
/* The same without any row or relocation. */
void elf_build_empty(struct elf_build *out, enum elf_kind kind);

/* Adds a row; returns where in the file. `extra`: a link address or 0. */
size_t elf_export(struct elf_build *build, const char *name, const char *signature, uint64_t extra);
size_t elf_import(struct elf_build *build, const char *name, const char *signature);
uint64_t elf_text(struct elf_build *build, const char *text); /* its link address */

/* Parts of the file. */
struct elf_head *elf_head(struct elf_build *build);
struct elf_phdr *elf_phdr(struct elf_build *build, uint32_t number);
struct hl_note *elf_desc(struct elf_build *build);
struct elf_rela *elf_rela(struct elf_build *build, uint32_t number);
uint64_t *elf_word(struct elf_build *build, size_t offset);
uint64_t *elf_dynamic(struct elf_build *build, uint64_t tag); /* its value; NULL if not there */
void elf_dynamic_add(struct elf_build *build, uint64_t tag, uint64_t value);

uint64_t elf_link(const struct elf_build *build, size_t offset); /* file offset to address */
#endif
