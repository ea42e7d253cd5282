/* SPDX-License-Identifier: Apache-2.0 */
/* The system call filter of guest processes: what it allows, to the bit. */
#include <errno.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/futex.h>
#include <linux/seccomp.h>
#include <sched.h>
#include <signal.h>
#include <stddef.h>
#include <sys/mman.h>
#include <sys/syscall.h>

#include "../../src/host/hv/process/tracer.h"
#include "test.h"

long filter_install(void); /* the tracer's */
long filter_given(long call, long operation, long flags, const void *program);

/* Where the template's calls return to, here no code; entry.S. */
#define CALL(name) \
    extern const char name##_ip[]; \
    const char name##_ip[16] = {0}
CALL(template_futex);
CALL(template_words);
CALL(template_requests);
CALL(template_replies);
CALL(template_fork_words);
CALL(template_fork_requests);
CALL(template_fork_replies);
CALL(template_clone);

#define HEAD ((struct tracer_head *)TRACER_CONTROL)
enum { REQUESTS_SIZE = 0x300000, REPLIES_SIZE = 0x500000 };
#define REQUESTS 0x600030000000ull
#define REPLIES 0x600040000000ull
#define ORDER (TRACER_CONTROL + offsetof(struct tracer_head, order))
#define GATE_WAKE 0x600000200077ull
#define GATE_WAIT 0x6000002000aaull

static struct sock_fprog given;

long filter_given(long call, long operation, long flags, const void *program)
{
    CHECK_INT(call, SYS_seccomp);
    CHECK_INT(operation, SECCOMP_SET_MODE_FILTER);
    CHECK_INT(flags, 0);
    given = *(const struct sock_fprog *)program;
    return 0;
}

static void make_filter(void)
{
    if (mmap(HEAD, TRACER_HEAD_SIZE, PROT_READ | PROT_WRITE,
             MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0) != HEAD)
        test_skip("memory where the tracer has it: %s", strerror(errno));
    HEAD->gate_wake = GATE_WAKE;
    HEAD->gate_wait = GATE_WAIT;
    HEAD->requests = REQUESTS;
    HEAD->replies = REPLIES;
    HEAD->requests_size = REQUESTS_SIZE;
    HEAD->replies_size = REPLIES_SIZE;
    CHECK_INT(filter_install(), 0);
}

/* What the kernel would do with this call. */
static uint32_t answer(const struct seccomp_data *data)
{
    const struct sock_filter *code = given.filter, *at;
    uint32_t value = 0;

    for (at = code; at < code + given.len; at++) {
        switch (at->code) {
        case BPF_LD | BPF_W | BPF_ABS:
            CHECK(at->k % 4 == 0 && at->k <= sizeof *data - 4);
            memcpy(&value, (const uint8_t *)data + at->k, 4);
            break;
        case BPF_JMP | BPF_JEQ | BPF_K:
            at += value == at->k ? at->jt : at->jf;
            break;
        case BPF_RET | BPF_K:
            return at->k;
        default:
            FAIL("operation %#x", at->code);
        }
    }
    FAIL("no answer");
}

/* What it is to allow; arguments that may be anything are ANY. */
#define ANY (~0ull)
enum { MOVE = MREMAP_MAYMOVE | MREMAP_FIXED, CALLS = 10 };
static const struct call {
    const char *ip; /* NULL: the gate's, below */
    uint64_t gate;
    int number;
    uint64_t args[6];
} calls[CALLS] = {
    {NULL, GATE_WAIT, SYS_futex, {TRACER_WORDS, FUTEX_WAIT, 0, 0, 0, 0}},
    {NULL, GATE_WAKE, SYS_futex, {TRACER_WORDS + 64, FUTEX_WAKE, 1, 0, 0, 0}},
    {template_futex_ip, 0, SYS_futex, {ORDER, FUTEX_WAIT, 0, 0, 0, 0}},
    {template_words_ip, 0, SYS_mremap, {ANY, 0, TRACER_PAGE, MOVE, TRACER_WORDS, ANY}},
    {template_requests_ip, 0, SYS_mremap, {ANY, 0, REQUESTS_SIZE, MOVE, REQUESTS, ANY}},
    {template_replies_ip, 0, SYS_mremap, {ANY, 0, REPLIES_SIZE, MOVE, REPLIES, ANY}},
    {template_fork_words_ip,
     0,
     SYS_madvise,
     {TRACER_WORDS, TRACER_PAGE, MADV_DOFORK, ANY, ANY, ANY}},
    {template_fork_requests_ip,
     0,
     SYS_madvise,
     {REQUESTS, REQUESTS_SIZE, MADV_DOFORK, ANY, ANY, ANY}},
    {template_fork_replies_ip, 0, SYS_madvise, {REPLIES, REPLIES_SIZE, MADV_DOFORK, ANY, ANY, ANY}},
    {template_clone_ip,
     0,
     SYS_clone,
     {CLONE_PARENT | CLONE_PTRACE | CLONE_FS | CLONE_FILES | SIGCHLD, 0, 0, 0, 0, 0}},
};

static struct seccomp_data data_of(const struct call *call)
{
    struct seccomp_data data = {.nr = call->number,
                                .arch = AUDIT_ARCH_X86_64,
                                .instruction_pointer = call->ip ? (uint64_t)(uintptr_t)call->ip
                                                                : call->gate};

    memcpy(data.args, call->args, sizeof data.args);
    return data;
}

/* One bit of the address, architecture, number or an argument. */
static struct seccomp_data changed(const struct call *call, size_t bit)
{
    struct seccomp_data data = data_of(call);

    ((uint8_t *)&data)[bit / 8] ^= (uint8_t)(1u << bit % 8);
    return data;
}

static bool is_free(const struct call *call, size_t bit)
{
    const size_t args = offsetof(struct seccomp_data, args);

    return bit / 8 >= args && call->args[(bit / 8 - args) / 8] == ANY;
}

TEST(filter_allows_ten_calls_to_the_bit)
{
    struct seccomp_data data;
    size_t i, bit;

    make_filter();
    for (i = 0; i < CALLS; i++) {
        data = data_of(&calls[i]);
        CHECK_INT(answer(&data), SECCOMP_RET_ALLOW);
        for (bit = 0; bit < 8 * sizeof data; bit++) {
            data = changed(&calls[i], bit);
            if (answer(&data) != (is_free(&calls[i], bit) ? SECCOMP_RET_ALLOW : SECCOMP_RET_TRAP))
                FAIL("call %zu with bit %zu changed: %#x", i, bit, answer(&data));
        }
    }
}

/* An answer that is an error would win over a trace, and let the guest run on. */
TEST(filter_traps_all_others)
{
    static const uint32_t archs[] = {AUDIT_ARCH_X86_64, AUDIT_ARCH_I386, 0};
    struct seccomp_data data;
    size_t i, k, arch;
    int number;

    make_filter();
    for (i = 0; i < CALLS; i++)
        for (k = 0; k < CALLS; k++)
            for (arch = 0; arch < sizeof archs / sizeof archs[0]; arch++)
                for (number = -1; number < 1024; number++) {
                    data = data_of(&calls[i]);
                    data.instruction_pointer = data_of(&calls[k]).instruction_pointer;
                    data.nr = number;
                    data.arch = archs[arch];
                    if (i == k && !arch && number == calls[i].number)
                        continue;
                    CHECK_INT(answer(&data), SECCOMP_RET_TRAP);
                }
}
