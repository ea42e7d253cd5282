/* SPDX-License-Identifier: Apache-2.0 */
/* A guest that tries every way to the host's kernel. Linked low, for 32-bit code. */
#include <hyperlight/easy.h>

#include "../../../src/shared/abi.h"

/* The slot page of a guest that runs in a process: request, and at 64 answer. */
#define WORDS 0x6e0000000000ull

static uint64_t word(hl_span args, uint32_t i)
{
    uint64_t value = 0;
    uint32_t k;

    for (k = 0; k < 8 && 8 * i + k < args.len; k++)
        value |= (uint64_t)((const uint8_t *)args.data)[8 * i + k] << 8 * k;
    return value;
}

/* A system call with these in RAX and the six argument registers, by the
 * instruction at `target`, or by one of its own. */
HL_FUNCTION(u64, Call, (u64, target, bytes, args))
{
    register uint64_t r10 __asm__("r10") = word(args, 4);
    register uint64_t r8 __asm__("r8") = word(args, 5);
    register uint64_t r9 __asm__("r9") = word(args, 6);
    uint64_t rax = word(args, 0);

    if (target)
        __asm__ volatile("call *%5"
                         : "+a"(rax)
                         : "D"(word(args, 1)), "S"(word(args, 2)), "d"(word(args, 3)), "r"(r10),
                           "r"(target), "r"(r8), "r"(r9)
                         : "rcx", "r11", "memory");
    else
        __asm__ volatile("syscall"
                         : "+a"(rax)
                         : "D"(word(args, 1)), "S"(word(args, 2)), "d"(word(args, 3)), "r"(r10),
                           "r"(r8), "r"(r9)
                         : "rcx", "r11", "memory");
    return rax;
}

HL_FUNCTION(u64, Int80, (bytes, args))
{
    uint64_t rax = word(args, 0);

    __asm__ volatile("int $0x80"
                     : "+a"(rax)
                     : "b"(word(args, 1)), "c"(word(args, 2)), "d"(word(args, 3)),
                       "S"(word(args, 4)), "D"(word(args, 5))
                     : "memory");
    return rax;
}

/* A system call in 32-bit code, by each of its three instructions. */
__asm__(".text\n.code32\n"
        "escape_int80: int $0x80\n ud2\n"
        "escape_sysenter: mov %esp, %ebp\n sysenter\n ud2\n"
        "escape_syscall: syscall\n ud2\n"
        ".code64\n");
extern const uint8_t escape_int80[], escape_sysenter[], escape_syscall[];
HL_FUNCTION(void, Compat, (u32, which, u32, number))
{
    const uint8_t *const code[] = {escape_int80, escape_sysenter, escape_syscall};
    const struct {
        uint32_t offset;
        uint16_t selector;
    } __attribute__((packed)) far = {(uint32_t)(uintptr_t)code[which % 3], 0x23};

    __asm__ volatile("ljmp *%0" ::"m"(far), "a"(number), "b"(0), "c"(0), "d"(0) : "memory");
}

/* Says that it has answered, and runs on. */
HL_FUNCTION(void, RunOn, ())
{
    volatile uint32_t *answer = (volatile uint32_t *)(uintptr_t)(WORDS + 64);

    for (;;)
        *answer = 1;
}

/* The same, while it changes the answer that the host reads. */
HL_FUNCTION(void, Rewrite, ())
{
    const struct hl_boot *boot = (const struct hl_boot *)(uintptr_t)HL_BOOT;
    volatile uint32_t *reply = (volatile uint32_t *)(uintptr_t)boot->replies;
    volatile uint32_t *answer = (volatile uint32_t *)(uintptr_t)(WORDS + 64);
    uint32_t i, k;

    for (i = 0;; i++) {
        for (k = 0; k < 24; k++)
            reply[k] = i * 2654435761u >> (k + i) % 29;
        reply[0] = HL_KIND_RETURN;
        reply[1] = 1;
        *answer = 1;
    }
}

HL_FUNCTION(void, Words, (u32, request, u32, answer))
{
    volatile uint32_t *words = (volatile uint32_t *)(uintptr_t)WORDS;

    words[0] = request;
    words[16] = answer;
}

HL_FUNCTION(u32, ReadByte, (u64, address))
{
    return *(volatile uint8_t *)(uintptr_t)address;
}

HL_FUNCTION(void, JumpTo, (u64, address))
{
    ((void (*)(void))(uintptr_t)address)();
}

/* Touches all of its heap. */
HL_FUNCTION(u64, Fill, ())
{
    const struct hl_boot *boot = (const struct hl_boot *)(uintptr_t)HL_BOOT;
    volatile uint8_t *heap = (volatile uint8_t *)(uintptr_t)boot->heap;
    uint64_t at;

    for (at = boot->heap_size / 2; at < boot->heap_size; at += HL_PAGE)
        heap[at] = 1;
    return boot->heap_size / 2;
}

/* Code for whoever sets RIP: keeps two registers, and faults. */
__asm__(".text\n"
        "escape_keep: movups %xmm15, escape_kept(%rip)\n mov %r15, escape_kept+16(%rip)\n ud2\n");
extern const uint8_t escape_keep[];
uint64_t escape_kept[3];

/* Puts something into the first, and says where that code is. */
HL_FUNCTION(u64, Stain, ())
{
    __asm__ volatile("pcmpeqd %%xmm15, %%xmm15" ::: "xmm15");
    return (uint64_t)(uintptr_t)escape_keep;
}

HL_FUNCTION(u64, Kept, ())
{
    escape_kept[0] = escape_kept[1] = escape_kept[2] = 1;
    return (uint64_t)(uintptr_t)escape_kept;
}

HL_FUNCTION(void, Spin, ())
{
    for (;;)
        __asm__ volatile("" ::: "memory");
}

HL_FUNCTION(void, Nothing, ())
{
}

static uint32_t count;
HL_FUNCTION(u32, Count, ())
{
    return ++count;
}
