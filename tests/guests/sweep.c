/* SPDX-License-Identifier: Apache-2.0 */
/* A guest that runs any instruction of one, two or three bytes, and accesses any port. */
#include <hyperlight/easy.h>

#include "../../src/shared/abi.h"

/* Code cannot be written at run time, so each instruction stands in a table: 32
 * bytes of prefix, opcode, ModRM, then nops, which operands of any length may
 * eat, and the way back. ModRM is [rbx] and then rbx with each middle field. */
__asm__(".text\n"
        ".macro modrms middle:vararg\n"
        "    .irp prefix, 0x3e, 0x66, 0xf2, 0xf3, 0x48\n"
        "    .set opcode, 0\n"
        "    .rept 256\n"
        "        .set modrm, 0x03\n"
        "        .rept 16\n"
        "            .byte \\prefix, \\middle opcode, modrm\n"
        "            .balign 16, 0x90\n"
        "            .fill 11, 1, 0x90\n"
        "            jmp.d32 sweep_back\n"
        "            .if modrm == 0x3b\n"
        "                .set modrm, 0xc3\n"
        "            .else\n"
        "                .set modrm, modrm + 8\n"
        "            .endif\n"
        "        .endr\n"
        "        .set opcode, opcode + 1\n"
        "    .endr\n"
        "    .endr\n"
        ".endm\n"
        ".balign 32\n"
        "sweep_one: modrms\n"
        "sweep_two: modrms 0x0f,\n"
        "sweep_38: modrms 0x0f, 0x38,\n"
        "sweep_3a: modrms 0x0f, 0x3a,\n"
        /* Groups whose whole ModRM byte says what they are. */
        ".macro whole opcode\n"
        "    .irp prefix, 0x3e, 0x66, 0xf2, 0xf3, 0x48\n"
        "    .set modrm, 0xc0\n"
        "    .rept 64\n"
        "        .byte \\prefix, 0x0f, \\opcode, modrm\n"
        "        .balign 16, 0x90\n"
        "        .fill 11, 1, 0x90\n"
        "        jmp.d32 sweep_back\n"
        "        .set modrm, modrm + 1\n"
        "    .endr\n"
        "    .endr\n"
        ".endm\n"
        "sweep_groups: whole 0x01\n"
        "    whole 0xae\n"
        "    whole 0xc7\n"
        "    whole 0x1e\n"
        "sweep_end:\n"
        /* Every general register points to scratch memory, but rsp. */
        "sweep_run:\n"
        "    push %rbx; push %rbp; push %r12; push %r13; push %r14; push %r15\n"
        "    mov %rsp, sweep_rsp(%rip)\n"
        "    mov %rdi, %r11\n"
        "    mov %rsi, %rax\n"
        "    mov %rax, %rbx; mov %rax, %rcx; mov %rax, %rdx; mov %rax, %rsi; mov %rax, %rdi\n"
        "    mov %rax, %rbp; mov %rax, %r8; mov %rax, %r9; mov %rax, %r10; mov %rax, %r12\n"
        "    mov %rax, %r13; mov %rax, %r14; mov %rax, %r15\n"
        "    jmp *%r11\n"
        "sweep_back:\n"
        "    mov sweep_rsp(%rip), %rsp\n"
        "    cld\n"
        "    pop %r15; pop %r14; pop %r13; pop %r12; pop %rbp; pop %rbx\n"
        "    ret\n"
        ".local sweep_rsp\n"
        ".comm sweep_rsp, 8, 8\n");
extern const uint8_t sweep_one[], sweep_two[], sweep_38[], sweep_3a[], sweep_groups[], sweep_end[];
void sweep_run(const uint8_t *code, uint8_t *scratch);

static uint8_t scratch[2 * HL_PAGE] __attribute__((aligned(HL_PAGE)));

static uint32_t count_of(const uint8_t *from, const uint8_t *to)
{
    return (uint32_t)((uintptr_t)to - (uintptr_t)from) / 32;
}

HL_FUNCTION(u32, Instructions, (u32, map))
{
    const uint8_t *const maps[] = {sweep_one, sweep_two,    sweep_38,
                                   sweep_3a,  sweep_groups, sweep_end};

    return count_of(maps[map], maps[map + 1]);
}

/* Of all maps together. */
HL_FUNCTION(void, Instruction, (u32, number))
{
    if (number >= count_of(sweep_one, sweep_end)) {
        hl_fail(call, 1, "no such instruction");
        return;
    }
    sweep_run(sweep_one + 32 * (uint64_t)number, scratch + HL_PAGE);
}

/* ---- Ports ----------------------------------------------------------------- */

/* clang-format off */
#define PORT(number, code) \
    case number: \
        __asm__ volatile(code \
                         : "+a"(a), "+D"(to), "+S"(from), "+c"(times) : "d"(port) : "memory"); \
        break;
/* clang-format on */

HL_FUNCTION(void, Port, (u32, port, u32, access))
{
    uint8_t *to = scratch, *from = scratch;
    uint64_t times = 3;
    uint32_t a = 0;

    switch (access) {
        PORT(0, "outb %%al, %%dx")
        PORT(1, "inb %%dx, %%al")
        PORT(2, "outw %%ax, %%dx")
        PORT(3, "inw %%dx, %%ax")
        PORT(4, "outl %%eax, %%dx")
        PORT(5, "inl %%dx, %%eax")
        PORT(6, "outsb")
        PORT(7, "insb")
        PORT(8, "rep outsw")
        PORT(9, "rep insw")
        PORT(10, "rep outsl")
        PORT(11, "rep insl")
        PORT(12, "rep outsb")
        PORT(13, "rep insb")
    default:
        hl_fail(call, 1, "no such access");
    }
}

HL_FUNCTION(i32, Count, ())
{
    static int32_t count;

    return ++count;
}
