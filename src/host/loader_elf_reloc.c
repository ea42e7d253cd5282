/* SPDX-License-Identifier: Apache-2.0 */
/* Applies the relocations of static position-independent ELF images. */
#include <string.h>

#include "error.h"
#include "image_tables.h"
#include "loader_elf.h"

#define DYNAMIC_MAX 256u /* entries of PT_DYNAMIC */

/* The entries that matter here. */
enum { RELA, RELASZ, RELAENT, JMPREL, PLTRELSZ, PLTREL, RELR, RELRSZ, RELRENT, NEEDED, REL, KNOWN };
static const struct {
    uint64_t tag;
    const char *name;
} known[KNOWN] = {
    [RELA] = {ELF_DT_RELA, "DT_RELA"},
    [RELASZ] = {ELF_DT_RELASZ, "DT_RELASZ"},
    [RELAENT] = {ELF_DT_RELAENT, "DT_RELAENT"},
    [JMPREL] = {ELF_DT_JMPREL, "DT_JMPREL"},
    [PLTRELSZ] = {ELF_DT_PLTRELSZ, "DT_PLTRELSZ"},
    [PLTREL] = {ELF_DT_PLTREL, "DT_PLTREL"},
    [RELR] = {ELF_DT_RELR, "DT_RELR"},
    [RELRSZ] = {ELF_DT_RELRSZ, "DT_RELRSZ"},
    [RELRENT] = {ELF_DT_RELRENT, "DT_RELRENT"},
    [NEEDED] = {ELF_DT_NEEDED, "DT_NEEDED"},
    [REL] = {ELF_DT_REL, "DT_REL"},
};

struct relocator {
    const struct elf *elf;
    const struct image *image;
    uint8_t *memory;
    uint64_t values[KNOWN];
    bool given[KNOWN];
};

/* A table of relocations: which entries of PT_DYNAMIC describe it. */
struct table {
    int address, size, entry; /* entry: KNOWN if its size is not stated */
    uint64_t entry_size;
};

static uint8_t *at(const struct relocator *r, uint64_t address)
{
    return r->memory + (address - r->image->base);
}

/* ---- PT_DYNAMIC ----------------------------------------------------------------- */

static hl_status take_entry(struct relocator *r, const struct elf_dyn *entry)
{
    uint32_t i;

    for (i = 0; i < KNOWN; i++) {
        if (known[i].tag != entry->tag)
            continue;
        if (i == NEEDED)
            return error_set(r->elf->err, HL_E_IMAGE,
                             "needs a shared library (DT_NEEDED), wanted a static executable");
        if (r->given[i])
            return error_set(r->elf->err, HL_E_IMAGE, "PT_DYNAMIC: %s twice", known[i].name);
        r->values[i] = entry->value;
        r->given[i] = true;
    }
    return HL_OK;
}

static hl_status read_dynamic(struct relocator *r)
{
    const struct elf_phdr *ph = &r->elf->phdrs[r->elf->dynamic];
    hl_status status = HL_OK;
    struct elf_dyn entry;
    uint64_t i;

    if (!image_holds(r->image, ph->vaddr + r->elf->slide, ph->memsz, 0))
        return error_set(r->elf->err, HL_E_IMAGE,
                         "program header %u: " HEX " bytes of PT_DYNAMIC at " HEX
                         " lie in no segment",
                         r->elf->dynamic, ph->memsz, ph->vaddr);
    if (ph->memsz / sizeof entry > DYNAMIC_MAX)
        return error_set(r->elf->err, HL_E_IMAGE,
                         "program header %u: %" PRIu64 " entries of PT_DYNAMIC, at most %u wanted",
                         r->elf->dynamic, ph->memsz / sizeof entry, DYNAMIC_MAX);
    for (i = 0; i < ph->memsz / sizeof entry && !status; i++) {
        memcpy(&entry, at(r, ph->vaddr + r->elf->slide) + i * sizeof entry, sizeof entry);
        if (entry.tag == ELF_DT_NULL)
            break;
        status = take_entry(r, &entry);
    }
    return status;
}

/* Sets *out to the table's guest address and *count to its entries. */
static hl_status find_table(const struct relocator *r, const struct table *table, uint64_t *out,
                            uint64_t *count)
{
    const char *name = known[table->address].name;
    uint64_t size = r->values[table->size];

    *out = r->values[table->address] + r->elf->slide;
    *count = size / table->entry_size;
    if (!size)
        return HL_OK;
    if (table->entry != KNOWN && r->values[table->entry] != table->entry_size)
        return error_set(r->elf->err, HL_E_IMAGE, "%s: entries of %" PRIu64 " bytes, wanted %u",
                         name, r->values[table->entry], (unsigned)table->entry_size);
    if (size % table->entry_size)
        return error_set(r->elf->err, HL_E_IMAGE,
                         "%s: " HEX " bytes do not consist of entries of %u bytes", name, size,
                         (unsigned)table->entry_size);
    /* Uninitialised memory is no table: work stays in proportion to the file. */
    if (size > r->elf->size)
        return error_set(r->elf->err, HL_E_IMAGE, "%s: " HEX " bytes in a file of " HEX, name, size,
                         r->elf->size);
    if (!image_holds(r->image, *out, size, 0))
        return error_set(r->elf->err, HL_E_IMAGE, "%s: " HEX " bytes at " HEX " lie in no segment",
                         name, size, r->values[table->address]);
    return HL_OK;
}

/* ---- The tables ----------------------------------------------------------------- */

static const char *type_name(uint32_t type)
{
    static const char *const names[] = {
        [1] = "R_X86_64_64",        [5] = "R_X86_64_COPY",      [6] = "R_X86_64_GLOB_DAT",
        [7] = "R_X86_64_JUMP_SLOT", [16] = "R_X86_64_DTPMOD64", [17] = "R_X86_64_DTPOFF64",
        [18] = "R_X86_64_TPOFF64",  [36] = "R_X86_64_TLSDESC",  [37] = "R_X86_64_IRELATIVE",
    };
    return type < sizeof names / sizeof names[0] && names[type] ? names[type] : "another";
}

static hl_status apply_rela(const struct relocator *r, const char *name, uint64_t number,
                            const struct elf_rela *rela)
{
    const uint64_t target = rela->offset + r->elf->slide;
    const uint64_t word = rela->addend + r->elf->slide;

    if (rela->type == ELF_R_NONE)
        return HL_OK;
    if (rela->type != ELF_R_RELATIVE)
        return error_set(r->elf->err, HL_E_IMAGE,
                         "%s: relocation %" PRIu64 " is of type %u (%s), wanted R_X86_64_RELATIVE",
                         name, number, rela->type, type_name(rela->type));
    if (rela->symbol)
        return error_set(r->elf->err, HL_E_IMAGE,
                         "%s: relocation %" PRIu64 " names symbol %u, wanted none", name, number,
                         rela->symbol);
    if (!image_holds(r->image, target, sizeof word, 0))
        return error_set(r->elf->err, HL_E_IMAGE,
                         "%s: relocation %" PRIu64 " changes " HEX ", which lies in no segment",
                         name, number, rela->offset);
    memcpy(at(r, target), &word, sizeof word);
    return HL_OK;
}

static hl_status apply_rela_table(const struct relocator *r, const struct table *table)
{
    uint64_t address, count, i;
    hl_status status = find_table(r, table, &address, &count);
    struct elf_rela rela;

    for (i = 0; i < count && !status; i++) {
        memcpy(&rela, at(r, address + i * sizeof rela), sizeof rela);
        status = apply_rela(r, known[table->address].name, i, &rela);
    }
    return status;
}

static hl_status slide_word(const struct relocator *r, uint64_t number, uint64_t address)
{
    uint64_t word;

    if (!image_holds(r->image, address + r->elf->slide, sizeof word, 0))
        return error_set(r->elf->err, HL_E_IMAGE,
                         "DT_RELR: entry %" PRIu64 " changes " HEX ", which lies in no segment",
                         number, address);
    memcpy(&word, at(r, address + r->elf->slide), sizeof word);
    word += r->elf->slide;
    memcpy(at(r, address + r->elf->slide), &word, sizeof word);
    return HL_OK;
}

/* An even entry is the address of one word; an odd one has bits for the 63
 * words that follow (gABI, "Relative Relocation Table"). */
static hl_status apply_relr_table(const struct relocator *r, const struct table *table)
{
    uint64_t address, count, i, entry, bits, word, next = 0;
    hl_status status = find_table(r, table, &address, &count);

    for (i = 0; i < count && !status; i++) {
        memcpy(&entry, at(r, address + i * sizeof entry), sizeof entry);
        if (!(entry & 1)) {
            status = slide_word(r, i, entry);
            next = entry + sizeof entry;
            continue;
        }
        for (bits = entry >> 1, word = next; bits && !status; bits >>= 1, word += sizeof entry)
            if (bits & 1)
                status = slide_word(r, i, word);
        next += 63 * sizeof entry;
    }
    return status;
}

hl_status elf_relocate(const struct elf *elf, const struct image *image, uint8_t *memory)
{
    static const struct table rela = {RELA, RELASZ, RELAENT, sizeof(struct elf_rela)};
    static const struct table plt = {JMPREL, PLTRELSZ, KNOWN, sizeof(struct elf_rela)};
    static const struct table relr = {RELR, RELRSZ, RELRENT, sizeof(uint64_t)};
    struct relocator r = {.elf = elf, .image = image, .memory = memory};
    hl_status status;

    if (elf->dynamic == ELF_NO_PHDR)
        return HL_OK;
    status = read_dynamic(&r);
    if (status)
        return status;
    if (r.given[REL])
        return error_set(elf->err, HL_E_IMAGE, "PT_DYNAMIC: DT_REL, wanted DT_RELA or DT_RELR");
    if (r.values[PLTRELSZ] && r.values[PLTREL] != ELF_DT_RELA)
        return error_set(elf->err, HL_E_IMAGE, "PT_DYNAMIC: DT_PLTREL %" PRIu64 ", wanted %d",
                         r.values[PLTREL], ELF_DT_RELA);
    status = apply_rela_table(&r, &rela);
    if (!status)
        status = apply_rela_table(&r, &plt);
    return status ? status : apply_relr_table(&r, &relr);
}
