/* SPDX-License-Identifier: Apache-2.0 */
/* A guest that attacks: each function is one way to misbehave. */
#include <hyperlight/easy.h>
#include <string.h>

#include "../../src/shared/abi.h"

/* clang-format off */
#define ATTACK(name, code) \
    HL_FUNCTION(void, name, ()) { __asm__ volatile(code ::: "memory", "rax", "rbx", "rcx", "rdx", \
                                                   "rsi", "rdi", "r11", "cc"); }

/* ---- Ports -------------------------------------------------------------------- */

ATTACK(InGate, "in $0x80, %%al")
ATTACK(InGate16, "in $0x80, %%ax")
ATTACK(InGate32, "in $0x80, %%eax")
ATTACK(OutGate16, "out %%ax, $0x80")
ATTACK(OutGate32, "out %%eax, $0x80")
ATTACK(InsGate, "lea -64(%%rsp), %%rdi; mov $0x80, %%edx; mov $4, %%ecx; rep insb")
ATTACK(OutsGate, "mov %%rsp, %%rsi; mov $0x80, %%edx; mov $4, %%ecx; rep outsb")
ATTACK(OutsGateOnce, "mov %%rsp, %%rsi; mov $0x80, %%edx; outsb")
ATTACK(OutReport, "mov $1, %%al; out %%al, $0x81")
ATTACK(OutReport16, "out %%ax, $0x81")
HL_FUNCTION(void, InsAt, (u64, address))
{
    uint64_t times = 4;

    __asm__ volatile("rep insb" : "+D"(address), "+c"(times) : "d"(0x80) : "memory");
}
HL_FUNCTION(void, OutPort, (u32, port)) { __asm__ volatile("outb %b0, %w1" : : "a"(0), "d"(port)); }
HL_FUNCTION(void, InPort, (u32, port))
{
    uint8_t byte;

    __asm__ volatile("inb %w1, %0" : "=a"(byte) : "d"(port));
}

/* ---- Privileged and odd instructions --------------------------------------------- */

ATTACK(Cli, "cli")
ATTACK(Sti, "sti")
ATTACK(Wbinvd, "wbinvd")
ATTACK(Invd, "invd")
ATTACK(Invlpg, "invlpg (%%rsp)")
ATTACK(Rdmsr, "mov $0xc0000080, %%ecx; rdmsr")
ATTACK(Wrmsr, "mov $0xc0000080, %%ecx; xor %%eax, %%eax; xor %%edx, %%edx; wrmsr")
ATTACK(Rdpmc, "xor %%ecx, %%ecx; rdpmc")
ATTACK(ReadCr0, "mov %%cr0, %%rax")
ATTACK(WriteCr3, "xor %%eax, %%eax; mov %%rax, %%cr3")
ATTACK(WriteCr4, "xor %%eax, %%eax; mov %%rax, %%cr4")
ATTACK(ReadDr7, "mov %%dr7, %%rax")
ATTACK(WriteDr0, "xor %%eax, %%eax; mov %%rax, %%dr0")
ATTACK(Lgdt, "lgdt (%%rsp)")
ATTACK(Lidt, "lidt (%%rsp)")
ATTACK(Ltr, "mov $0x40, %%eax; ltr %%ax")
ATTACK(Lldt, "xor %%eax, %%eax; lldt %%ax")
ATTACK(Clts, "clts")
ATTACK(Swapgs, "swapgs")
ATTACK(Sysret, "mov $0x10000, %%ecx; xor %%r11d, %%r11d; sysretq")
ATTACK(Syscall, "syscall")
ATTACK(Sysenter, "sysenter")
ATTACK(Vmcall, "vmcall")
ATTACK(Vmmcall, "vmmcall")
ATTACK(Vmrun, "mov $0, %%eax; vmrun")
ATTACK(Vmxon, "vmxon (%%rsp)")
ATTACK(Rsm, "rsm")
ATTACK(Mwait, "xor %%eax, %%eax; xor %%ecx, %%ecx; mwait")
ATTACK(Monitor, "mov %%rsp, %%rax; xor %%ecx, %%ecx; xor %%edx, %%edx; monitor")
ATTACK(Xsetbv, "xor %%ecx, %%ecx; mov $7, %%eax; xor %%edx, %%edx; xsetbv")
ATTACK(Wrpkru, "xor %%ecx, %%ecx; xor %%edx, %%edx; xor %%eax, %%eax; .byte 0x0f, 0x01, 0xef")
ATTACK(Umwait, "xor %%ecx, %%ecx; .byte 0xf2, 0x0f, 0xae, 0xf1")
ATTACK(Monitorx, "mov %%rsp, %%rax; xor %%ecx, %%ecx; xor %%edx, %%edx; .byte 0x0f, 0x01, 0xfa")
/* clang-format on */

/* int n for every n: the number is patched into code copied nowhere, so a table. */
__asm__(".text\n.balign 16\nint_table:\n.set n, 0\n.rept 256\n.byte 0xcd, n\nret\n.byte 0x90\n"
        ".set n, n + 1\n.endr\n");
extern const uint8_t int_table[];
HL_FUNCTION(void, Int, (u32, n))
{
    ((void (*)(void))(uintptr_t)(int_table + 4 * (n & 255)))();
}

/* ---- Flags, segments, stacks --------------------------------------------------------- */

/* clang-format off */
ATTACK(TrapFlag, "pushfq; orq $0x100, (%%rsp); popfq; nop; nop")
ATTACK(NestedTask, "pushfq; orq $0x4000, (%%rsp); popfq; iretq")
ATTACK(AlignmentCheck, "pushfq; orq $0x40000, (%%rsp); popfq; mov 1(%%rsp), %%rax; ud2")
ATTACK(ResumeFlag, "pushfq; orq $0x10000, (%%rsp); popfq; ud2")
ATTACK(VirtualMode, "pushfq; orq $0x20000, (%%rsp); popfq; ud2")
ATTACK(IoPrivilege, "pushfq; orq $0x3000, (%%rsp); popfq; out %%al, $0x10")
ATTACK(KernelStack, "movabs $0x600000003ff0, %%rsp; push %%rax")
ATTACK(WreckStack, "mov $0x1234, %%rsp; ud2")
ATTACK(WreckStackFault, "movabs $0xdead0000000000, %%rsp; push %%rax")
ATTACK(KernelData, "mov $0x18, %%eax; mov %%ax, %%ss")
ATTACK(KernelCode, "pushq $0x10; lea 1f(%%rip), %%rax; push %%rax; lretq; 1: ud2")
ATTACK(CompatMode, "pushq $0x23; lea 1f(%%rip), %%rax; push %%rax; lretq; 1: ud2")
ATTACK(NullSegments, "xor %%eax, %%eax; mov %%ax, %%ds; mov %%ax, %%es; mov %%ax, %%fs; "
                     "mov %%ax, %%gs; ud2")
ATTACK(FsBase, "movabs $0x8000000000000000, %%rax; wrfsbase %%rax")
ATTACK(TssSegment, "mov $0x43, %%eax; mov %%ax, %%fs")
HL_FUNCTION(void, IretFlags, (u64, flags, u64, rsp))
{
    __asm__ volatile("pushq $0x2b; pushq %1; pushq %0; pushq $0x33; lea 1f(%%rip), %%rax; "
                     "pushq %%rax; iretq; 1: syscall; ud2"
                     : : "r"(flags), "r"(rsp) : "rax", "rcx", "r11", "memory");
}

/* ---- Loops ------------------------------------------------------------------------------ */

ATTACK(LoopJump, "1: jmp 1b")
ATTACK(LoopPause, "1: pause; jmp 1b")
ATTACK(LoopMovs, "1: lea -128(%%rsp), %%rdi; mov %%rdi, %%rsi; mov $64, %%ecx; rep movsb; jmp 1b")
ATTACK(LoopCpuid, "1: xor %%eax, %%eax; cpuid; jmp 1b")
ATTACK(LoopRdtsc, "1: rdtsc; jmp 1b")
ATTACK(LoopClflush, "1: clflush -64(%%rsp); jmp 1b")
ATTACK(LoopLock, "1: lock incq -64(%%rsp); jmp 1b")

/* clang-format on */

/* ---- State left behind --------------------------------------------------------------------- */

HL_FUNCTION(void, LeaveMxcsr, ())
{
    uint32_t all = 0xffbf & ~0x1f80u; /* every exception unmasked, flush to zero */

    __asm__ volatile("ldmxcsr %0" : : "m"(all));
}
HL_FUNCTION(f64, Divide, (f64, a, f64, b))
{
    return a / b;
}

/* ---- Frames: the guest talks past its runtime ------------------------------------------------ */

static void send(const struct hl_frame *frame, const void *rest, size_t size)
{
    const struct hl_boot *boot = (const struct hl_boot *)(uintptr_t)HL_BOOT;
    uint8_t *to = (uint8_t *)(uintptr_t)boot->replies;

    memcpy(to, frame, sizeof *frame);
    memcpy(to + sizeof *frame, rest, size);
    ((void (*)(void))(uintptr_t)HL_GATE)();
}

HL_FUNCTION(void, Frame, (u32, kind, u32, depth, u32, index, u32, count, u64, size, bytes, rest))
{
    const struct hl_frame frame = {
        .kind = kind, .depth = depth, .index = index, .count = count, .size = size};

    send(&frame, rest.data, rest.len);
}

/* A gate call without a frame: the request's bytes are still what they were. */
HL_FUNCTION(void, BareGate, ())
{
    ((void (*)(void))(uintptr_t)HL_GATE)();
}
HL_FUNCTION(void, GateMiddle, ())
{
    ((void (*)(void))(uintptr_t)(HL_GATE + 1))();
}
HL_FUNCTION(u32, ReadByte, (u64, address))
{
    return *(volatile uint8_t *)(uintptr_t)address;
}
HL_FUNCTION(void, WriteByte, (u64, address))
{
    *(volatile uint8_t *)(uintptr_t)address = 0;
}
HL_FUNCTION(void, Nothing, ())
{
}
