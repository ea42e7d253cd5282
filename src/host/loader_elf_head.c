/* SPDX-License-Identifier: Apache-2.0 */
/* Checks an ELF guest image's headers and its Hyperlight note. */
#include <string.h>

#include "checked.h"
#include "error.h"
#include "loader_elf.h"

#define NOTES_MAX (64u << 10) /* bytes of one PT_NOTE */

/* ---- The header ----------------------------------------------------------------- */

/* What is this, if not an ELF file? */
static hl_status check_magic(const struct elf *elf)
{
    static const uint8_t magic[4] = {0x7f, 'E', 'L', 'F'};
    const uint8_t *file = elf->file;

    if (!elf->size)
        return error_set(elf->err, HL_E_IMAGE, "an empty file, wanted an ELF64 image");
    if (elf->size >= 2 && file[0] == '#' && file[1] == '!')
        return error_set(elf->err, HL_E_IMAGE, "a script (#!), wanted an ELF64 image");
    if (elf->size >= 2 && file[0] == 'M' && file[1] == 'Z')
        return error_set(elf->err, HL_E_IMAGE, "a PE image, wanted ELF64");
    if (memcmp(file, magic, elf->size < sizeof magic ? (size_t)elf->size : sizeof magic))
        return error_set(elf->err, HL_E_IMAGE,
                         "not an ELF file (it begins with the byte 0x%02x), wanted an ELF64 image",
                         file[0]);
    return HL_OK;
}

/* Class and byte order say how to read the rest. */
static hl_status check_ident(const struct elf *elf)
{
    const uint8_t *file = elf->file;

    if (elf->size > ELF_IDENT_CLASS && file[ELF_IDENT_CLASS] == ELF_CLASS_32)
        return error_set(elf->err, HL_E_IMAGE, "a 32-bit ELF file, wanted 64-bit");
    if (elf->size > ELF_IDENT_CLASS && file[ELF_IDENT_CLASS] != ELF_CLASS_64)
        return error_set(elf->err, HL_E_IMAGE, "an ELF file of class %u, wanted %u (64-bit)",
                         file[ELF_IDENT_CLASS], ELF_CLASS_64);
    if (elf->size > ELF_IDENT_DATA && file[ELF_IDENT_DATA] == ELF_DATA_BIG)
        return error_set(elf->err, HL_E_IMAGE, "a big-endian ELF file, wanted little-endian");
    if (elf->size > ELF_IDENT_DATA && file[ELF_IDENT_DATA] != ELF_DATA_LITTLE)
        return error_set(elf->err, HL_E_IMAGE,
                         "an ELF file of byte order %u, wanted %u (little-endian)",
                         file[ELF_IDENT_DATA], ELF_DATA_LITTLE);
    if (elf->size < sizeof elf->head)
        return error_set(elf->err, HL_E_IMAGE,
                         "truncated file: %" PRIu64 " bytes, the ELF header alone has %u",
                         elf->size, (unsigned)sizeof elf->head);
    return HL_OK;
}

static const char *type_name(uint16_t type)
{
    if (type == ELF_TYPE_OBJECT)
        return " (an object file)";
    return type == ELF_TYPE_CORE ? " (a core dump)" : "";
}

static hl_status read_head(struct elf *elf)
{
    struct elf_head *head = &elf->head;
    hl_status status = check_magic(elf);

    if (!status)
        status = check_ident(elf);
    if (status)
        return status;
    memcpy(head, elf->file, sizeof *head);
    if (head->ident[ELF_IDENT_VERSION] != ELF_VERSION || head->version != ELF_VERSION)
        return error_set(elf->err, HL_E_IMAGE, "ELF version %u and %u, wanted %u",
                         head->ident[ELF_IDENT_VERSION], head->version, ELF_VERSION);
    if (head->machine != ELF_MACHINE_X86_64)
        return error_set(elf->err, HL_E_IMAGE, "an ELF file for machine %u, wanted %u (x86-64)",
                         head->machine, ELF_MACHINE_X86_64);
    if (head->type != ELF_TYPE_FIXED && head->type != ELF_TYPE_RELOCATABLE)
        return error_set(elf->err, HL_E_IMAGE, "ELF type %u%s, wanted %u or %u (an executable)",
                         head->type, type_name(head->type), ELF_TYPE_FIXED, ELF_TYPE_RELOCATABLE);
    elf->slide = head->type == ELF_TYPE_RELOCATABLE ? HL_SLIDE : 0;
    return HL_OK;
}

static hl_status read_phdrs(struct elf *elf)
{
    const struct elf_head *head = &elf->head;
    uint64_t size = (uint64_t)head->phnum * sizeof elf->phdrs[0];

    if (head->phentsize != sizeof elf->phdrs[0])
        return error_set(elf->err, HL_E_IMAGE, "program headers of %u bytes each, wanted %u",
                         head->phentsize, (unsigned)sizeof elf->phdrs[0]);
    if (!head->phnum || head->phnum > ELF_PHDRS_MAX)
        return error_set(elf->err, HL_E_IMAGE, "%u program headers, wanted 1 to %u", head->phnum,
                         ELF_PHDRS_MAX);
    if (!checked_within(head->phoff, size, elf->size))
        return error_set(elf->err, HL_E_IMAGE,
                         "truncated file: %u program headers at " HEX " lie beyond its end (" HEX
                         " bytes)",
                         head->phnum, head->phoff, elf->size);
    memcpy(elf->phdrs, elf->file + head->phoff, (size_t)size);
    return HL_OK;
}

/* ---- The note ------------------------------------------------------------------- */

hl_status elf_check_file_bytes(const struct elf *elf, uint32_t number)
{
    const struct elf_phdr *ph = &elf->phdrs[number];
    uint64_t end;

    if (!ph->filesz || checked_within(ph->offset, ph->filesz, elf->size))
        return HL_OK;
    if (!checked_add(&end, ph->offset, ph->filesz))
        return error_set(elf->err, HL_E_IMAGE,
                         "program header %u: " HEX " file bytes at " HEX " wrap around", number,
                         ph->filesz, ph->offset);
    return error_set(elf->err, HL_E_IMAGE,
                     "program header %u: file bytes " HEX ".." HEX
                     " lie beyond the end of the file (" HEX " bytes)",
                     number, ph->offset, end, elf->size);
}

/* `at` is where the description begins in the PT_NOTE. */
static hl_status take_note(struct elf *elf, uint32_t number, uint64_t at, uint32_t size)
{
    const struct elf_phdr *ph = &elf->phdrs[number];

    if (elf->note_found)
        return error_set(elf->err, HL_E_IMAGE, "program header %u: a second Hyperlight note",
                         number);
    if (size < sizeof elf->note)
        return error_set(elf->err, HL_E_IMAGE,
                         "program header %u: Hyperlight note of %u bytes, wanted %u", number, size,
                         (unsigned)sizeof elf->note);
    memcpy(&elf->note, elf->file + ph->offset + at, sizeof elf->note);
    elf->note_address = ph->vaddr + at;
    elf->note_found = true;
    return HL_OK;
}

static bool is_ours(const uint8_t *note, const struct elf_note *head)
{
    return head->type == HL_NOTE_TYPE && head->namesz == sizeof HL_NOTE_NAME &&
           !memcmp(note + sizeof *head, HL_NOTE_NAME, sizeof HL_NOTE_NAME);
}

static hl_status scan_notes(struct elf *elf, uint32_t number)
{
    const struct elf_phdr *ph = &elf->phdrs[number];
    const uint64_t align = ph->align == 8 ? 8 : 4;
    hl_status status = elf_check_file_bytes(elf, number);
    const uint8_t *notes;
    struct elf_note head;
    uint64_t at = 0, text;

    if (status || !ph->filesz)
        return status;
    if (ph->filesz > NOTES_MAX)
        return error_set(elf->err, HL_E_IMAGE,
                         "program header %u: " HEX " bytes of notes, at most " HEX " wanted",
                         number, ph->filesz, (uint64_t)NOTES_MAX);
    notes = elf->file + ph->offset;
    while (!status && checked_within(at, sizeof head, ph->filesz)) {
        memcpy(&head, notes + at, sizeof head);
        text = HL_ALIGN_UP(at + sizeof head + head.namesz, align);
        if (!checked_within(text, head.descsz, ph->filesz))
            return error_set(elf->err, HL_E_IMAGE,
                             "program header %u: the note at " HEX " reaches beyond its end (" HEX
                             " bytes)",
                             number, at, ph->filesz);
        if (is_ours(notes + at, &head))
            status = take_note(elf, number, text, head.descsz);
        at = HL_ALIGN_UP(text + head.descsz, align);
    }
    return status;
}

static hl_status check_abi(const struct elf *elf)
{
    const struct hl_note *note = &elf->note;

    if (note->minimum > note->version)
        return error_set(elf->err, HL_E_IMAGE,
                         "Hyperlight note: minimum ABI %u is above its own version %u",
                         note->minimum, note->version);
    if (note->version < HL_ABI_MINIMUM)
        return error_set(elf->err, HL_E_ABI,
                         "image of ABI %u, too old for this host (ABI %u, oldest understood %u)",
                         note->version, HL_ABI_VERSION, HL_ABI_MINIMUM);
    if (note->minimum > HL_ABI_VERSION)
        return error_set(elf->err, HL_E_ABI,
                         "image of ABI %u needs a host of ABI %u or newer, this host has ABI %u",
                         note->version, note->minimum, HL_ABI_VERSION);
    if (note->features)
        return error_set(elf->err, HL_E_ABI,
                         "image of ABI %u needs the features " HEX
                         ", this host (ABI %u) has none of them",
                         note->version, note->features, HL_ABI_VERSION);
    return HL_OK;
}

static hl_status find_note(struct elf *elf)
{
    hl_status status = HL_OK;
    uint32_t i;

    for (i = 0; i < elf->head.phnum && !status; i++)
        if (elf->phdrs[i].type == ELF_PT_NOTE)
            status = scan_notes(elf, i);
    if (status)
        return status;
    if (!elf->note_found)
        return error_set(elf->err, HL_E_IMAGE,
                         "no Hyperlight note: not linked with the guest runtime");
    return check_abi(elf);
}

/* ---- The other program headers ---------------------------------------------------- */

static hl_status set_once(const struct elf *elf, uint32_t *position, uint32_t number,
                          const char *name)
{
    if (*position != ELF_NO_PHDR)
        return error_set(elf->err, HL_E_IMAGE, "program headers %u and %u are both %s", *position,
                         number, name);
    *position = number;
    return HL_OK;
}

static hl_status check_phdr(struct elf *elf, uint32_t number)
{
    switch (elf->phdrs[number].type) {
    case ELF_PT_INTERP:
        return error_set(elf->err, HL_E_IMAGE,
                         "program header %u: wants a dynamic linker (PT_INTERP), wanted a static"
                         " executable",
                         number);
    case ELF_PT_GNU_STACK:
        if (elf->phdrs[number].flags & ELF_PF_X)
            return error_set(elf->err, HL_E_IMAGE,
                             "program header %u: wants an executable stack (PT_GNU_STACK)", number);
        return HL_OK;
    case ELF_PT_DYNAMIC:
        return set_once(elf, &elf->dynamic, number, "PT_DYNAMIC");
    case ELF_PT_GNU_RELRO:
        return set_once(elf, &elf->relro, number, "PT_GNU_RELRO");
    default:
        return HL_OK;
    }
}

hl_status elf_read_headers(struct elf *elf)
{
    hl_status status = read_head(elf);
    uint32_t i;

    elf->dynamic = elf->relro = ELF_NO_PHDR;
    if (!status)
        status = read_phdrs(elf);
    if (!status)
        status = find_note(elf);
    for (i = 0; i < elf->head.phnum && !status; i++)
        status = check_phdr(elf, i);
    return status;
}
