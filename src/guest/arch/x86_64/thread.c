/* SPDX-License-Identifier: Apache-2.0 */
/* Thread-local storage, variant II of the TLS ABI: FS:0 lies at its end. */
#include "thread.h"

#include "../../runtime.h"

/* The parts of ELF that are needed here (gABI, chapters 4 and 5). */
struct elf_head {
    uint8_t ident[16];
    uint16_t type, machine;
    uint32_t version;
    uint64_t entry, phoff, shoff;
    uint32_t flags;
    uint16_t ehsize, phentsize, phnum, shentsize, shnum, shstrndx;
};

struct elf_phdr {
    uint32_t type, flags;
    uint64_t offset, vaddr, paddr, filesz, memsz, align;
};
enum { PT_LOAD = 1, PT_TLS = 7 };

/* The linker defines it: this image, where it lies. */
extern const struct elf_head __ehdr_start __attribute__((visibility("hidden")));

struct tls {
    const uint8_t *data;      /* initial contents, the rest is zero */
    uint64_t data_size, size; /* size: rounded up to the segment's alignment */
    uint64_t align;
};

HL__NO_CANARY static struct tls find_tls(void)
{
    const uintptr_t image = (uintptr_t)&__ehdr_start;
    const struct elf_phdr *ph = (const struct elf_phdr *)(image + __ehdr_start.phoff);
    struct tls tls = {NULL, 0, 0, 16};
    uintptr_t slide = image;
    uint32_t i;

    for (i = 0; i < __ehdr_start.phnum; i++) {
        if (ph[i].type == PT_LOAD && !ph[i].offset && ph[i].filesz)
            slide = image - ph[i].vaddr;
        if (ph[i].type != PT_TLS || !ph[i].memsz)
            continue;
        tls.data = (const uint8_t *)(slide + ph[i].vaddr); /* PT_LOADs come first */
        tls.data_size = ph[i].filesz;
        tls.size = HL_ALIGN_UP(ph[i].memsz, ph[i].align);
        if (ph[i].align > tls.align)
            tls.align = ph[i].align;
    }
    return tls;
}

HL__NO_CANARY size_t hl__thread_size(void)
{
    const struct tls tls = find_tls();

    return HL_ALIGN_UP(tls.size + tls.align + sizeof(struct hl__thread), 64);
}

HL__NO_CANARY void hl__thread_init(void *room)
{
    const struct tls tls = find_tls();
    uint8_t *end = (uint8_t *)HL_ALIGN_UP((uintptr_t)room + tls.size, tls.align);
    struct hl__thread *thread = (struct hl__thread *)(void *)end;

    thread->self = thread;
    thread->canary = 0;
    __asm__ volatile("wrfsbase %0" : : "r"(thread) : "memory");
    /* From here on functions with a canary may be called. */
    if (tls.size)
        __builtin_memset(end - tls.size, 0, tls.size);
    if (tls.data_size)
        __builtin_memcpy(end - tls.size, tls.data, tls.data_size);
}
