/* SPDX-License-Identifier: Apache-2.0 */
/* Loads ELF64 guest images. */
#include "loader_elf.h"

#include <hyperlight/hyperlight.h>
#include <string.h>

#include "checked.h"
#include "error.h"
#include "image_tables.h"

#define ALIGN_MAX (64u << 10) /* what HL_SLIDE can promise */

/* A loadable segment and the program header that it comes from. */
struct load {
    uint64_t start, end; /* whole pages */
    uint32_t access, number;
};

/* ---- Segments ------------------------------------------------------------------- */

static hl_status check_access(const struct elf *elf, struct load *load)
{
    uint32_t flags = elf->phdrs[load->number].flags;

    if ((flags & ELF_PF_W) && (flags & ELF_PF_X))
        return error_set(elf->err, HL_E_IMAGE, "program header %u: writable and executable",
                         load->number);
    if (!(flags & (ELF_PF_R | ELF_PF_W | ELF_PF_X)))
        return error_set(elf->err, HL_E_IMAGE,
                         "program header %u: neither readable, writable nor executable",
                         load->number);
    /* The processor lets user code read whatever it may write or execute. */
    load->access = HL_READ;
    if (flags & ELF_PF_W)
        load->access |= HL_WRITE;
    if (flags & ELF_PF_X)
        load->access |= HL_EXECUTE;
    return HL_OK;
}

/* A fixed image lies below the window, a relocatable one near address 0. */
static hl_status check_place(const struct elf *elf, const struct load *load)
{
    const uint64_t low = elf->slide ? 0 : HL_LOW_END;
    const uint64_t high = elf->slide ? IMAGE_SPAN_MAX : HL_WINDOW;

    if (load->start < low || load->end > high)
        return error_set(elf->err, HL_E_IMAGE,
                         "program header %u: pages " HEX ".." HEX " are not within " HEX ".." HEX
                         ", where %s images may lie",
                         load->number, load->start, load->end, low, high,
                         elf->slide ? "relocatable" : "fixed");
    return HL_OK;
}

static hl_status check_load(const struct elf *elf, uint32_t number, struct load *out)
{
    const struct elf_phdr *ph = &elf->phdrs[number];
    hl_status status = elf_check_file_bytes(elf, number);

    if (status)
        return status;
    if (ph->filesz > ph->memsz)
        return error_set(elf->err, HL_E_IMAGE,
                         "program header %u: " HEX " bytes of the file for " HEX " of memory",
                         number, ph->filesz, ph->memsz);
    if (ph->align & (ph->align - 1) || ph->align > ALIGN_MAX)
        return error_set(elf->err, HL_E_IMAGE,
                         "program header %u: alignment " HEX
                         ", wanted a power of two of at most " HEX,
                         number, ph->align, (uint64_t)ALIGN_MAX);
    *out = (struct load){.start = ph->vaddr & ~(uint64_t)(HL_PAGE - 1), .number = number};
    if (!checked_add(&out->end, ph->vaddr, ph->memsz) ||
        !checked_round_up(&out->end, out->end, HL_PAGE))
        return error_set(elf->err, HL_E_IMAGE,
                         "program header %u: " HEX " bytes of memory at " HEX " wrap around",
                         number, ph->memsz, ph->vaddr);
    status = check_place(elf, out);
    return status ? status : check_access(elf, out);
}

/* Keeps the loads in order of their addresses. */
static hl_status insert_load(const struct elf *elf, struct load loads[], uint32_t count,
                             const struct load *load)
{
    uint32_t at = count;

    for (; at && loads[at - 1].start > load->start; at--)
        loads[at] = loads[at - 1];
    loads[at] = *load;
    if (at && loads[at - 1].end > load->start)
        at--;
    else if (at == count || load->end <= loads[at + 1].start)
        return HL_OK;
    return error_set(elf->err, HL_E_IMAGE, "program headers %u and %u share the page " HEX,
                     loads[at].number, loads[at + 1].number, loads[at + 1].start);
}

/* Linkers leave empty ones. */
static bool is_load(const struct elf_phdr *ph)
{
    return ph->type == ELF_PT_LOAD && (ph->memsz || ph->filesz);
}

static hl_status read_loads(const struct elf *elf, struct load loads[], uint32_t *count)
{
    hl_status status = HL_OK;
    struct load load;
    uint32_t i;

    *count = 0;
    for (i = 0; i < elf->head.phnum && !status; i++) {
        if (!is_load(&elf->phdrs[i]))
            continue;
        if (*count == IMAGE_SEGMENTS_MAX)
            return error_set(elf->err, HL_E_IMAGE,
                             "program header %u: more than %u loadable segments", i,
                             IMAGE_SEGMENTS_MAX);
        status = check_load(elf, i, &load);
        if (!status)
            status = insert_load(elf, loads, (*count)++, &load);
    }
    if (!status && !*count)
        return error_set(elf->err, HL_E_IMAGE, "no loadable segment");
    return status;
}

/* The pages that are read-only once relocated: those that RELRO covers whole,
 * and its first (linkers pad only the end). Empty: start == end. */
static hl_status read_relro(const struct elf *elf, const struct load loads[], uint32_t count,
                            struct load *out)
{
    const struct elf_phdr *ph;
    uint32_t i;

    *out = (struct load){0};
    if (elf->relro == ELF_NO_PHDR)
        return HL_OK;
    ph = &elf->phdrs[elf->relro];
    for (i = 0; i < count; i++)
        if (ph->vaddr >= loads[i].start && checked_within(ph->vaddr, ph->memsz, loads[i].end))
            break;
    if (i == count)
        return error_set(elf->err, HL_E_IMAGE,
                         "program header %u: " HEX " bytes of RELRO at " HEX " lie in no segment",
                         elf->relro, ph->memsz, ph->vaddr);
    out->start = ph->vaddr & ~(uint64_t)(HL_PAGE - 1);
    out->end = (ph->vaddr + ph->memsz) & ~(uint64_t)(HL_PAGE - 1);
    return HL_OK;
}

static hl_status add_segment(const struct elf *elf, struct image *image, const struct load *load)
{
    if (load->start >= load->end)
        return HL_OK;
    if (image->segment_count == IMAGE_SEGMENTS_MAX)
        return error_set(elf->err, HL_E_IMAGE,
                         "program header %u: more than %u segments, RELRO counted", load->number,
                         IMAGE_SEGMENTS_MAX);
    image->segments[image->segment_count++] = (struct image_segment){
        load->start + elf->slide, load->end - load->start, load->access};
    return HL_OK;
}

/* Adds a load in up to three parts: before RELRO, inside, behind. */
static hl_status add_load(const struct elf *elf, struct image *image, const struct load *load,
                          const struct load *relro)
{
    struct load parts[3] = {*load, *load, *load};
    hl_status status;

    if (relro->start == relro->end || relro->start < load->start || relro->end > load->end)
        return add_segment(elf, image, load);
    parts[0].end = parts[1].start = relro->start;
    parts[1].end = parts[2].start = relro->end;
    parts[1].access &= ~(uint32_t)HL_WRITE;
    status = add_segment(elf, image, &parts[0]);
    if (!status)
        status = add_segment(elf, image, &parts[1]);
    return status ? status : add_segment(elf, image, &parts[2]);
}

static hl_status check_entry(const struct elf *elf, struct image *image)
{
    uint32_t i;

    for (i = 0; i < image->segment_count && !(image->segments[i].access & HL_EXECUTE); i++)
        ;
    if (i == image->segment_count)
        return error_set(elf->err, HL_E_IMAGE, "no executable segment");
    image->entry = elf->head.entry + elf->slide;
    if (!image_holds(image, image->entry, 1, HL_EXECUTE))
        return error_set(elf->err, HL_E_IMAGE,
                         "entry point " HEX " is not in an executable segment", elf->head.entry);
    return HL_OK;
}

static hl_status plan_segments(const struct elf *elf, struct image *image)
{
    struct load loads[IMAGE_SEGMENTS_MAX], relro;
    uint32_t count, i;
    hl_status status = read_loads(elf, loads, &count);

    if (!status)
        status = read_relro(elf, loads, count, &relro);
    if (status)
        return status;
    image->base = loads[0].start + elf->slide;
    image->span = loads[count - 1].end - loads[0].start;
    if (image->span > IMAGE_SPAN_MAX)
        return error_set(elf->err, HL_E_IMAGE,
                         "segments span " HEX " bytes from " HEX " on, at most " HEX " wanted",
                         image->span, image->base, (uint64_t)IMAGE_SPAN_MAX);
    for (i = 0; i < count && !status; i++)
        status = add_load(elf, image, &loads[i], &relro);
    return status ? status : check_entry(elf, image);
}

hl_status elf_plan(struct image *out, const uint8_t *file, size_t size, hl_error *err)
{
    struct elf elf = {.file = file, .size = size, .err = err};
    struct image image = {.init = HL_INDEX_NAMED, .fallback = HL_INDEX_NAMED};
    hl_status status = elf_read_headers(&elf);

    if (!status)
        status = plan_segments(&elf, &image);
    if (status)
        return status;
    image.abi = elf.note.version < HL_ABI_VERSION ? elf.note.version : HL_ABI_VERSION;
    *out = image;
    return HL_OK;
}

/* ---- Contents ------------------------------------------------------------------- */

static void copy_segments(const struct elf *elf, const struct image *image, uint8_t *memory)
{
    const struct elf_phdr *ph;
    uint32_t i;

    for (i = 0; i < elf->head.phnum; i++) {
        ph = &elf->phdrs[i];
        if (is_load(ph) && ph->filesz)
            memcpy(memory + (ph->vaddr + elf->slide - image->base), elf->file + ph->offset,
                   (size_t)ph->filesz);
    }
}

/* An address that one of the note's fields holds relative to itself. */
static uint64_t note_target(const struct elf *elf, size_t field, int32_t distance)
{
    return elf->note_address + field + elf->slide + (uint64_t)(int64_t)distance;
}

static hl_status read_tables(const struct elf *elf, struct image *image, const uint8_t *memory)
{
    const struct hl_note *note = &elf->note;
    struct image_table exports, imports;

    exports.start = note_target(elf, offsetof(struct hl_note, exports), note->exports);
    exports.end = note_target(elf, offsetof(struct hl_note, exports_end), note->exports_end);
    imports.start = note_target(elf, offsetof(struct hl_note, imports), note->imports);
    imports.end = note_target(elf, offsetof(struct hl_note, imports_end), note->imports_end);
    return image_read_tables(image, memory, &exports, &imports, elf->err);
}

hl_status elf_fill(struct image *image, const uint8_t *file, size_t size, uint8_t *memory,
                   hl_error *err)
{
    struct elf elf = {.file = file, .size = size, .err = err};
    hl_status status = elf_read_headers(&elf);

    if (status)
        return status;
    copy_segments(&elf, image, memory);
    status = elf_relocate(&elf, image, memory);
    if (!status)
        status = read_tables(&elf, image, memory);
    if (status)
        image_free(image);
    return status;
}
