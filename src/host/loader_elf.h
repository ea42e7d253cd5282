/* SPDX-License-Identifier: Apache-2.0 */
/* What the parts of the ELF loader share. */
#ifndef HL_HOST_LOADER_ELF_H
#define HL_HOST_LOADER_ELF_H

#include <inttypes.h>

#include "elf.h"
#include "image.h"

#define HEX "0x%" PRIx64
#define ELF_PHDRS_MAX 64u
#define ELF_NO_PHDR UINT32_MAX

/* A file whose headers and note have been checked; addresses as linked. */
struct elf {
    const uint8_t *file;
    uint64_t size;
    struct elf_head head;
    struct elf_phdr phdrs[ELF_PHDRS_MAX];
    uint32_t dynamic, relro; /* positions in phdrs, or ELF_NO_PHDR */
    struct hl_note note;
    uint64_t note_address; /* of the description */
    bool note_found;
    uint64_t slide; /* guest address = address as linked + slide */
    hl_error *err;
};

/* Reads and checks everything but segments and their contents; `elf` comes with
 * file, size and err, the rest zero. */
hl_status elf_read_headers(struct elf *elf);

/* Do the file bytes of a program header, if it has any, lie in the file? */
hl_status elf_check_file_bytes(const struct elf *elf, uint32_t number);

/* Applies the relocations of a copied image to its memory. */
hl_status elf_relocate(const struct elf *elf, const struct image *image, uint8_t *memory);
#endif
