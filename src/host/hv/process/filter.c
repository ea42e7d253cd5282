/* SPDX-License-Identifier: Apache-2.0 */
/* The system call filter: by address, architecture, number and every argument. */
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/futex.h>
#include <linux/mman.h>
#include <linux/seccomp.h>

#include "template_calls.h"
#include "tracer_inside.h"

/* One allowed call. Only constants are compared: nothing that a guest can change. */
struct allowed {
    uint64_t ip; /* behind its syscall instruction */
    uint32_t number;
    uint32_t compared; /* one bit for each argument that is fixed */
    uint64_t args[6];
};

enum { CODE_MAX = 512, COMPARES_MAX = 16 };
static struct sock_filter code[CODE_MAX];
static uint16_t length;

static void put(uint16_t op, uint32_t k)
{
    code[length++] = (struct sock_filter){op, 0, 0, k};
}

/* Goes on if the 32 bits at this offset are `wanted`; else to the next block. */
static void compare(uint16_t jumps[], uint32_t *count, size_t offset, uint32_t wanted)
{
    put(BPF_LD | BPF_W | BPF_ABS, (uint32_t)offset);
    jumps[(*count)++] = length;
    put(BPF_JMP | BPF_JEQ | BPF_K, wanted);
}

static void allow(const struct allowed *call)
{
    uint16_t jumps[COMPARES_MAX + 2];
    const size_t ip = offsetof(struct seccomp_data, instruction_pointer);
    size_t arg;
    uint32_t count = 0, i;

    compare(jumps, &count, ip, (uint32_t)call->ip);
    compare(jumps, &count, ip + 4, (uint32_t)(call->ip >> 32));
    compare(jumps, &count, offsetof(struct seccomp_data, arch), AUDIT_ARCH_X86_64);
    compare(jumps, &count, offsetof(struct seccomp_data, nr), call->number);
    for (i = 0; i < 6; i++) {
        if (!(call->compared >> i & 1))
            continue;
        arg = offsetof(struct seccomp_data, args) + 8 * i;
        compare(jumps, &count, arg, (uint32_t)call->args[i]);
        compare(jumps, &count, arg + 4, (uint32_t)(call->args[i] >> 32));
    }
    put(BPF_RET | BPF_K, SECCOMP_RET_ALLOW);
    for (i = 0; i < count; i++)
        code[jumps[i]].jf = (uint8_t)(length - jumps[i] - 1);
}

static void allow_move(const char *ip, uint64_t size, uint64_t to)
{
    allow(&(struct allowed){
        (uint64_t)ip, __NR_mremap, 0x1e, {0, 0, size, MREMAP_MAYMOVE | MREMAP_FIXED, to}});
}

static void allow_fork(const char *ip, uint64_t at, uint64_t size)
{
    allow(&(struct allowed){(uint64_t)ip, __NR_madvise, 7, {at, size, MADVISE_DOFORK}});
}

/* TRAP and not TRACE: a filter of a container that answers with an error wins
 * over TRACE, and the guest would run on unseen. */
long filter_install(void)
{
    const uint64_t request = TRACER_WORDS + offsetof(struct tracer_words, request);
    const uint64_t answer = TRACER_WORDS + offsetof(struct tracer_words, answer);
    struct sock_fprog program = {0, code};

    /* What a child has: all six arguments are fixed. */
    allow(&(struct allowed){HEAD->gate_wait, __NR_futex, 63, {request, FUTEX_WAIT, 0}});
    allow(&(struct allowed){HEAD->gate_wake, __NR_futex, 63, {answer, FUTEX_WAKE, 1}});
    /* What the template has: at addresses that no child has or can have. */
    allow(&(struct allowed){
        (uint64_t)template_futex_ip, __NR_futex, 63, {(uint64_t)&HEAD->order, FUTEX_WAIT, 0}});
    allow_move(template_words_ip, TRACER_PAGE, TRACER_WORDS);
    allow_move(template_requests_ip, HEAD->requests_size, HEAD->requests);
    allow_move(template_replies_ip, HEAD->replies_size, HEAD->replies);
    allow_fork(template_fork_words_ip, TRACER_WORDS, TRACER_PAGE);
    allow_fork(template_fork_requests_ip, HEAD->requests, HEAD->requests_size);
    allow_fork(template_fork_replies_ip, HEAD->replies, HEAD->replies_size);
    allow(&(struct allowed){(uint64_t)template_clone_ip, __NR_clone, 63, {CLONE_CHILD}});
    put(BPF_RET | BPF_K, SECCOMP_RET_TRAP);
    program.len = length;
    return SYS(seccomp, SECCOMP_SET_MODE_FILTER, 0, &program);
}
