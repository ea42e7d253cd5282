/* SPDX-License-Identifier: Apache-2.0 */
/* Builds small ELF guest images. */
#include "elf_build.h"

#include <string.h>

struct elf_head *elf_head(struct elf_build *build)
{
    return (struct elf_head *)(void *)build->bytes;
}

struct elf_phdr *elf_phdr(struct elf_build *build, uint32_t number)
{
    return (struct elf_phdr *)(void *)(build->bytes + AT_PHDRS) + number;
}

struct hl_note *elf_desc(struct elf_build *build)
{
    return (struct hl_note *)(void *)(build->bytes + AT_DESC);
}

struct elf_rela *elf_rela(struct elf_build *build, uint32_t number)
{
    return (struct elf_rela *)(void *)(build->bytes + AT_RELA) + number;
}

uint64_t *elf_word(struct elf_build *build, size_t offset)
{
    return (uint64_t *)(void *)(build->bytes + offset);
}

static struct elf_dyn *find_dynamic(struct elf_build *build, uint64_t tag)
{
    struct elf_dyn *entry = (struct elf_dyn *)(void *)(build->bytes + AT_DYNAMIC);

    while (entry->tag && entry->tag != tag)
        entry++;
    return entry;
}

uint64_t *elf_dynamic(struct elf_build *build, uint64_t tag)
{
    struct elf_dyn *entry = find_dynamic(build, tag);

    return entry->tag ? &entry->value : NULL;
}

void elf_dynamic_add(struct elf_build *build, uint64_t tag, uint64_t value)
{
    *find_dynamic(build, ELF_DT_NULL) = (struct elf_dyn){tag, value};
}

uint64_t elf_link(const struct elf_build *build, size_t offset)
{
    uint64_t address = offset + (build->kind == ELF_FIXED ? ELF_BASE : 0);

    return address + (offset < AT_CODE ? 0 : offset < AT_DYNAMIC ? 0x1000 : 0x2000);
}

uint64_t elf_text(struct elf_build *build, const char *text)
{
    size_t offset = AT_TEXTS + build->texts;

    strcpy((char *)build->bytes + offset, text);
    build->texts += (uint32_t)strlen(text) + 1;
    return elf_link(build, offset);
}

static void add_rela(struct elf_build *build, size_t offset, uint64_t value)
{
    struct elf_rela rela = {.type = ELF_R_RELATIVE, .addend = value};

    rela.offset = elf_link(build, offset);
    *elf_rela(build, build->relocs++) = rela;
    *elf_dynamic(build, ELF_DT_RELASZ) += sizeof rela;
}

/* Rows are written in order of their addresses, so one more entry (an address:
 * no bitmap) each is correct; the first row's three words share a bitmap. */
static void add_relr(struct elf_build *build, size_t offset, uint64_t value)
{
    uint64_t *size = elf_dynamic(build, ELF_DT_RELRSZ);
    uint64_t *end = elf_word(build, AT_RELR + *size);

    *elf_word(build, offset) = value;
    if (offset == AT_EXPORTS + 8) {
        *end = 3; /* bit 1: the word behind the last address */
    } else if (offset == AT_EXPORTS + 16) {
        end[-1] |= 4;
        return;
    } else {
        *end = elf_link(build, offset);
    }
    *size += sizeof *end;
}

static void put_address(struct elf_build *build, size_t offset, uint64_t value)
{
    if (!value || build->kind == ELF_FIXED)
        *elf_word(build, offset) = value;
    else if (build->kind == ELF_PIE_RELA)
        add_rela(build, offset, value);
    else
        add_relr(build, offset, value);
}

static void put_row(struct elf_build *build, size_t offset, const char *name, const char *signature,
                    uint64_t extra)
{
    put_address(build, offset, elf_text(build, name));
    put_address(build, offset + 8, elf_text(build, signature));
    put_address(build, offset + 16, extra);
}

/* A distance from one field of the note to a table. */
static int32_t distance(struct elf_build *build, size_t field, size_t offset)
{
    return (int32_t)(elf_link(build, offset) - elf_link(build, AT_DESC + field));
}

static void point_note(struct elf_build *build)
{
    const size_t exports_end = AT_EXPORTS + build->exports * sizeof(struct hl_table_entry);
    const size_t imports_end = AT_IMPORTS + build->imports * sizeof(struct hl_table_entry);
    struct hl_note *note = elf_desc(build);

    note->exports = distance(build, offsetof(struct hl_note, exports), AT_EXPORTS);
    note->exports_end = distance(build, offsetof(struct hl_note, exports_end), exports_end);
    note->imports = distance(build, offsetof(struct hl_note, imports), AT_IMPORTS);
    note->imports_end = distance(build, offsetof(struct hl_note, imports_end), imports_end);
}

size_t elf_export(struct elf_build *build, const char *name, const char *signature, uint64_t extra)
{
    size_t offset = AT_EXPORTS + build->exports++ * sizeof(struct hl_table_entry);

    put_row(build, offset, name, signature, extra);
    point_note(build);
    return offset;
}

size_t elf_import(struct elf_build *build, const char *name, const char *signature)
{
    size_t offset = AT_IMPORTS + build->imports++ * sizeof(struct hl_table_entry);

    put_row(build, offset, name, signature, 0);
    point_note(build);
    return offset;
}

static void put_phdr(struct elf_build *build, uint32_t number, uint32_t type, uint32_t flags,
                     size_t start, size_t end)
{
    struct elf_phdr ph = {.type = type, .flags = flags, .offset = start, .align = 8};

    ph.vaddr = ph.paddr = elf_link(build, start);
    ph.filesz = ph.memsz = end - start;
    if (type == ELF_PT_LOAD)
        ph.align = 0x1000;
    *elf_phdr(build, number) = ph;
}

static void put_phdrs(struct elf_build *build)
{
    put_phdr(build, PH_TEXTS, ELF_PT_LOAD, ELF_PF_R, 0, AT_CODE);
    put_phdr(build, PH_CODE, ELF_PT_LOAD, ELF_PF_R | ELF_PF_X, AT_CODE, AT_DYNAMIC);
    put_phdr(build, PH_DATA, ELF_PT_LOAD, ELF_PF_R | ELF_PF_W, AT_DYNAMIC, AT_END);
    elf_phdr(build, PH_DATA)->memsz = AT_DATA - AT_DYNAMIC + ELF_DATA_PAGES * 0x1000;
    put_phdr(build, PH_NOTE, ELF_PT_NOTE, ELF_PF_R, AT_NOTE, AT_DESC + sizeof(struct hl_note));
    put_phdr(build, PH_STACK, ELF_PT_GNU_STACK, ELF_PF_R | ELF_PF_W, 0, 0);
    put_phdr(build, PH_RELRO, ELF_PT_GNU_RELRO, ELF_PF_R, AT_DYNAMIC, AT_DATA);
    if (build->kind != ELF_FIXED)
        put_phdr(build, PH_DYNAMIC, ELF_PT_DYNAMIC, ELF_PF_R | ELF_PF_W, AT_DYNAMIC, AT_RELA);
}

static void put_dynamic(struct elf_build *build)
{
    if (build->kind == ELF_PIE_RELA) {
        elf_dynamic_add(build, ELF_DT_RELA, elf_link(build, AT_RELA));
        elf_dynamic_add(build, ELF_DT_RELASZ, 0);
        elf_dynamic_add(build, ELF_DT_RELAENT, sizeof(struct elf_rela));
    } else if (build->kind == ELF_PIE_RELR) {
        elf_dynamic_add(build, ELF_DT_RELR, elf_link(build, AT_RELR));
        elf_dynamic_add(build, ELF_DT_RELRSZ, 0);
        elf_dynamic_add(build, ELF_DT_RELRENT, sizeof(uint64_t));
    }
}

static void put_note(struct elf_build *build)
{
    struct elf_note note = {sizeof HL_NOTE_NAME, sizeof(struct hl_note), HL_NOTE_TYPE};

    memcpy(build->bytes + AT_NOTE, &note, sizeof note);
    memcpy(build->bytes + AT_NOTE + sizeof note, HL_NOTE_NAME, sizeof HL_NOTE_NAME);
    *elf_desc(build) = (struct hl_note){.version = HL_ABI_VERSION, .minimum = HL_ABI_MINIMUM};
    point_note(build);
}

void elf_build_empty(struct elf_build *out, enum elf_kind kind)
{
    struct elf_head head = {.ident = {0x7f, 'E', 'L', 'F', 2, 1, 1}};

    memset(out, 0, sizeof *out);
    out->kind = kind;
    out->size = AT_END;
    head.type = kind == ELF_FIXED ? ELF_TYPE_FIXED : ELF_TYPE_RELOCATABLE;
    head.machine = ELF_MACHINE_X86_64;
    head.version = 1;
    head.entry = elf_link(out, AT_CODE);
    head.phoff = AT_PHDRS;
    head.ehsize = sizeof head;
    head.phentsize = sizeof(struct elf_phdr);
    head.phnum = ELF_PHDRS;
    *elf_head(out) = head;
    put_phdrs(out);
    put_note(out);
    put_dynamic(out);
    memset(out->bytes + AT_CODE, 0xf4, AT_DYNAMIC - AT_CODE); /* hlt */
    memset(out->bytes + AT_DATA, 0xda, AT_END - AT_DATA);
}

void elf_build(struct elf_build *out, enum elf_kind kind)
{
    elf_build_empty(out, kind);
    elf_export(out, "Add", "i32(i32,i32)", elf_link(out, AT_CODE));
    elf_export(out, "Greet", "str(str)", elf_link(out, AT_CODE + 4));
    elf_export(out, "", "init", elf_link(out, AT_CODE + 8));
    elf_import(out, "Now", "u64()");
}
