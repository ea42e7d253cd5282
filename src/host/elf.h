/* SPDX-License-Identifier: Apache-2.0 */
/* The parts of ELF64 that a guest image uses (System V gABI, chapters 4 and 5;
 * x86-64 psABI, section 4.4). */
#ifndef HL_HOST_ELF_H
#define HL_HOST_ELF_H

#include <stdint.h>

enum { ELF_IDENT_CLASS = 4, ELF_IDENT_DATA = 5, ELF_IDENT_VERSION = 6, ELF_IDENT_SIZE = 16 };
enum { ELF_CLASS_32 = 1, ELF_CLASS_64 = 2 };
enum { ELF_DATA_LITTLE = 1, ELF_DATA_BIG = 2 };
enum { ELF_VERSION = 1 };
enum { ELF_TYPE_OBJECT = 1, ELF_TYPE_FIXED = 2, ELF_TYPE_RELOCATABLE = 3, ELF_TYPE_CORE = 4 };
enum { ELF_MACHINE_X86_64 = 62 };

struct elf_head {
    uint8_t ident[ELF_IDENT_SIZE];
    uint16_t type, machine;
    uint32_t version;
    uint64_t entry, phoff, shoff;
    uint32_t flags;
    uint16_t ehsize, phentsize, phnum, shentsize, shnum, shstrndx;
};

enum {
    ELF_PT_NULL = 0,
    ELF_PT_LOAD = 1,
    ELF_PT_DYNAMIC = 2,
    ELF_PT_INTERP = 3,
    ELF_PT_NOTE = 4,
    ELF_PT_GNU_STACK = 0x6474e551,
    ELF_PT_GNU_RELRO = 0x6474e552
};
enum { ELF_PF_X = 1, ELF_PF_W = 2, ELF_PF_R = 4 };

struct elf_phdr {
    uint32_t type, flags;
    uint64_t offset, vaddr, paddr, filesz, memsz, align;
};

struct elf_note { /* then the owner's name and the description, both padded */
    uint32_t namesz, descsz, type;
};

enum {
    ELF_DT_NULL = 0,
    ELF_DT_NEEDED = 1,
    ELF_DT_PLTRELSZ = 2,
    ELF_DT_RELA = 7,
    ELF_DT_RELASZ = 8,
    ELF_DT_RELAENT = 9,
    ELF_DT_REL = 17,
    ELF_DT_PLTREL = 20,
    ELF_DT_JMPREL = 23,
    ELF_DT_RELRSZ = 35,
    ELF_DT_RELR = 36,
    ELF_DT_RELRENT = 37
};

struct elf_dyn {
    uint64_t tag, value;
};

struct elf_rela {
    uint64_t offset;
    uint32_t type, symbol; /* r_info, as a little-endian pair */
    uint64_t addend;
};

enum { ELF_R_NONE = 0, ELF_R_RELATIVE = 8 };

_Static_assert(sizeof(struct elf_head) == 64, "ELF header");
_Static_assert(sizeof(struct elf_phdr) == 56, "program header");
_Static_assert(sizeof(struct elf_note) == 12, "note header");
_Static_assert(sizeof(struct elf_rela) == 24, "relocation");
#endif
