/* SPDX-License-Identifier: Apache-2.0 */
/* Guests in processes that look for a way out: every path, number and argument. */
#include <errno.h>
#include <linux/futex.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "../../src/host/arch/x86_64/system.h"
#include "process.h"

enum { NUMBERS = 600, URETPROBE = 335, UPROBE = 336 };

static hl_sandbox *box;
static hl_snapshot *clean;
static uint64_t patience = 20000000; /* us, with an attack; some have the guest wait for ever */
static int counter, control;         /* of what no child may do; of what all do */

static void begin(void)
{
    hl_config config = {.struct_size = sizeof config, .message_size = 65536, .heap_size = 1 << 20};

    box = process_box("escape", &config);
    clean = process_take(box);
    counter = process_count_start(box, "id != 202");
    control = process_count_start(box, "id == 202");
    vm_expect(HL_E_FAULT, "page fault", box, "ReadByte", ARGS(hl_u64(0)), NULL);
    process_restore(box, clean); /* a new child, which is counted */
    vm_call(box, "Nothing", NONE);
}

/* The tracepoint has seen nothing but the gate's calls, and what the kernel lets
 * through every filter. */
static void end(uint64_t allowed)
{
    hl_sandbox_destroy(box); /* a child's count is added to its parent's at its end */
    if (counter >= 0) {
        CHECK_INT(process_count(counter), allowed);
        CHECK(process_count(control) > 0);
    }
    hl_snapshot_release(clean);
    if (counter < 0)
        test_skip("held, but without a second count: no tracepoints here");
}

static hl_error attack(const char *function, const hl_value args[], uint32_t count)
{
    hl_error err;

    hl_sandbox_set_deadline(box, patience, NULL);
    hl_sandbox_call(NULL, box, function, args, count, &err);
    hl_sandbox_set_deadline(box, 0, NULL);
    process_restore(box, clean);
    CHECK_INT(vm_call(box, "Count", NONE).as.u32, 1); /* it still works, from the beginning */
    process_restore(box, clean);
    return err;
}

/* A system call that must not come to anything: a fault that names it. */
static void refused(uint64_t target, const uint64_t regs[7])
{
    const hl_error err = attack("Call", ARGS(hl_u64(target), hl_bytes(regs, 7 * sizeof *regs)));
    char text[64];

    snprintf(text, sizeof text, "system call %u", (uint32_t)regs[0]);
    if (err.status != HL_E_FAULT || !strstr(err.text, text))
        FAIL("call %#llx by %#llx: %d, %s", (unsigned long long)regs[0], (unsigned long long)target,
             err.status, err.text);
}

/* ---- By an instruction of its own ---------------------------------------- */

static void every_number(uint64_t high)
{
    static const uint64_t args[3][6] = {
        {0, 0, 0, 0, 0, 0},
        {1, HL_BOOT, 64, 0, 0, 0},
        {TRACER_WORDS, FUTEX_WAIT, 0, 0, 0, 0},
    };
    uint64_t regs[7], number;
    size_t i;

    for (number = 0; number < NUMBERS; number++)
        for (i = 0; i < 3; i++) {
            regs[0] = high | number;
            memcpy(regs + 1, args[i], sizeof args[i]);
            refused(0, regs);
        }
}

TEST_SLOW(escape_by_its_own_instruction)
{
    begin();
    every_number(0);
    end(0);
}

TEST_SLOW(escape_by_x32_numbers)
{
    begin();
    every_number(0x40000000);
    end(0);
}

/* Numbers that are none, or are only if somebody looks at half of them. */
TEST_SLOW(escape_by_numbers_with_other_bits)
{
    int bit;

    begin();
    for (bit = 9; bit < 64; bit++)
        if (bit != 30)
            refused(0, (const uint64_t[7]){1ull << bit | SYS_getpid, 1, HL_BOOT, 64});
    for (bit = 0; bit < 64; bit++)
        refused(0, (const uint64_t[7]){~0ull << bit, 1, HL_BOOT, 64});
    end(0);
}

/* ---- By the gate's instructions ---------------------------------------- */

struct site {
    uint64_t at; /* of the syscall instruction */
    uint64_t regs[7];
};

static void sites(struct site out[2])
{
    const uint64_t wake = HL_GATE + (uint64_t)(gate_process_wake - gate_process_begin) - 2;
    const uint64_t wait = HL_GATE + (uint64_t)(gate_process_wait - gate_process_begin) - 2;

    out[0] = (struct site){wake, {SYS_futex, TRACER_WORDS + 64, FUTEX_WAKE, 1}};
    out[1] = (struct site){wait, {SYS_futex, TRACER_WORDS, FUTEX_WAIT, 0}};
}

TEST_SLOW(escape_by_one_bit_of_the_gates_arguments)
{
    struct site site[2];
    uint64_t regs[7];
    int i, arg, bit;

    begin();
    sites(site);
    for (i = 0; i < 2; i++)
        for (arg = 1; arg < 7; arg++)
            for (bit = 0; bit < 64; bit++) {
                memcpy(regs, site[i].regs, sizeof regs);
                regs[arg] ^= 1ull << bit;
                refused(site[i].at, regs);
            }
    end(0);
}

TEST_SLOW(escape_by_other_numbers_in_the_gate)
{
    struct site site[2];
    uint64_t number;
    int i;

    begin();
    sites(site);
    for (i = 0; i < 2; i++)
        for (number = 0; number < NUMBERS; number++) {
            site[i].regs[0] = number;
            if (number != SYS_futex && number != URETPROBE && number != UPROBE)
                refused(site[i].at, site[i].regs);
        }
    end(0);
}

TEST(escape_by_the_other_sites_arguments)
{
    struct site site[2];

    begin();
    sites(site);
    refused(site[0].at, site[1].regs);
    refused(site[1].at, site[0].regs);
    end(0);
}

/* ---- By what would pay ---------------------------------------- */

#define TEMPLATE_FLAGS (CLONE_PARENT | CLONE_PTRACE | CLONE_FS | CLONE_FILES | SIGCHLD)
#define ALL_RIGHTS (PROT_READ | PROT_WRITE | PROT_EXEC)
#define MOVE (MREMAP_MAYMOVE | MREMAP_FIXED)
#define SHARED_PAGES 0x600100000000ull

/* Each with arguments that the kernel would have something to say to. */
static const struct {
    const char *what;
    uint64_t regs[7];
} paying[] = {
    {"trace me", {SYS_ptrace, 0}},
    {"trace process 1", {SYS_ptrace, 16, 1}},
    {"seize process 2", {SYS_ptrace, 0x4206, 2}},
    {"let go of my tracer", {SYS_ptrace, 17, 0}},
    {"read another's memory", {SYS_process_vm_readv, 1, HL_BOOT, 1, HL_BOOT, 1, 0}},
    {"write another's memory", {SYS_process_vm_writev, 1, HL_BOOT, 1, HL_BOOT, 1, 0}},
    {"compare with another", {SYS_kcmp, 1, 2, 0, 0, 0}},
    {"kill all", {SYS_kill, -1, SIGKILL}},
    {"kill my group", {SYS_kill, 0, SIGKILL}},
    {"kill process 1", {SYS_tgkill, 1, 1, SIGKILL}},
    {"stop a thread", {SYS_tkill, 2, SIGSTOP}},
    {"stop myself", {SYS_kill, 2, SIGSTOP}},
    {"queue a forged fault", {SYS_rt_sigqueueinfo, 2, SIGSEGV, HL_BOOT}},
    {"handle a signal", {SYS_rt_sigaction, SIGSEGV, HL_BOOT, 0, 8}},
    {"return from none", {SYS_rt_sigreturn}},
    {"block signals", {SYS_rt_sigprocmask, SIG_SETMASK, HL_BOOT, 0, 8}},
    {"a stack for signals", {SYS_sigaltstack, HL_BOOT, 0}},
    {"rseq", {SYS_rseq, HL_BOOT, 32, 0, 0x53053053}},
    {"no rseq", {SYS_rseq, HL_BOOT, 32, 1, 0x53053053}},
    {"a ring", {425 /* io_uring_setup */, 8, HL_BOOT}},
    {"enter a ring", {426 /* io_uring_enter */, 0, 1, 0, 0, 0, 0}},
    {"register with a ring", {427 /* io_uring_register */, 0, 0, HL_BOOT, 1}},
    {"a page to write and run", {SYS_mmap, 0, 4096, ALL_RIGHTS, 0x22, -1, 0}},
    {"a page over the gate", {SYS_mmap, HL_GATE, 4096, ALL_RIGHTS, 0x32, -1, 0}},
    {"a page at the template's code", {SYS_mmap, TRACER_TEXT, 4096, ALL_RIGHTS, 0x32, -1, 0}},
    {"write the gate", {SYS_mprotect, HL_GATE, 4096, ALL_RIGHTS}},
    {"write the gate, by key", {SYS_pkey_mprotect, HL_GATE, 4096, ALL_RIGHTS, -1}},
    {"no gate", {SYS_munmap, HL_GATE, 4096}},
    {"move the gate", {SYS_mremap, HL_GATE, 4096, 4096, MOVE, SHARED_PAGES}},
    {"another's slot", {SYS_mremap, TRACER_WORDS, 0, 8192, MOVE, SHARED_PAGES}},
    {"more of the slot", {SYS_mremap, TRACER_WORDS, 4096, 65536, MREMAP_MAYMOVE}},
    {"pages in another order", {SYS_remap_file_pages, TRACER_WORDS, 4096, 0, 1, 0}},
    {"zeros for what is there", {SYS_madvise, HL_BOOT, 4096, 4 /* MADV_DONTNEED */}},
    {"a hole in shared memory", {SYS_madvise, TRACER_WORDS, 4096, 9 /* MADV_REMOVE */}},
    {"faults of my own", {SYS_userfaultfd, 1}},
    {"SysV memory", {SYS_shmat, 0, 0, 0}},
    {"lock all memory", {SYS_mlockall, 3}},
    {"more data", {SYS_brk, 1ull << 40}},
    {"seal the gate", {462 /* mseal */, HL_GATE, 4096, 0}},
    {"fork", {SYS_fork}},
    {"vfork", {SYS_vfork}},
    {"clone", {SYS_clone, SIGCHLD, 0, 0, 0, 0}},
    {"clone as the template does", {SYS_clone, TEMPLATE_FLAGS, 0, 0, 0, 0, 0}},
    {"a thread", {SYS_clone, 0x50f00, HL_BOOT, 0, 0, 0}},
    {"clone untraced", {SYS_clone, CLONE_UNTRACED | SIGCHLD, 0, 0, 0, 0}},
    {"clone3", {SYS_clone3, HL_BOOT, 88}},
    {"another program", {SYS_execve, HL_BOOT, 0, 0}},
    {"another program by descriptor", {SYS_execveat, 0, HL_BOOT, 0, 0, 0x1000}},
    {"strict mode", {SYS_seccomp, 0, 0, 0}},
    {"a filter", {SYS_seccomp, 1, 0, HL_BOOT}},
    {"a filter, the old way", {SYS_prctl, 22, 2, HL_BOOT}},
    {"no user dispatch", {SYS_prctl, 59, 0, 0, 0, 0}},
    {"other limits", {SYS_prlimit64, 0, 7 /* RLIMIT_NOFILE */, HL_BOOT, 0}},
    {"namespaces", {SYS_unshare, CLONE_NEWUSER}},
    {"another namespace", {SYS_setns, 0, 0}},
    {"open", {SYS_openat, -100, HL_BOOT, 0}},
    {"a file in memory", {SYS_memfd_create, HL_BOOT, 0}},
    {"a socket", {SYS_socket, 1, 1, 0}},
    {"write to a terminal", {SYS_write, 1, HL_BOOT, 64}},
    {"wake the tracer", {SYS_futex, TRACER_CONTROL, FUTEX_WAKE, 1}},
    {"wait for ever elsewhere", {SYS_futex, TRACER_WORDS + 4, FUTEX_WAIT, 0}},
    {"other bases", {SYS_arch_prctl, 0x1002 /* ARCH_SET_FS */, 0}},
    {"the tracer's processor", {SYS_sched_setaffinity, 0, 8, HL_BOOT}},
    {"before all others", {SYS_sched_setscheduler, 0, SCHED_FIFO, HL_BOOT}},
    {"end, with a status", {SYS_exit_group, 0}},
    {"end of a thread", {SYS_exit, 0}},
    {"restart what was interrupted", {SYS_restart_syscall}},
    {"the time, by the kernel", {SYS_clock_gettime, 0, HL_BOOT}},
};

/* By an instruction of its own, and by both of the gate's. */
TEST_SLOW(escape_by_calls_that_would_pay)
{
    struct site site[2];
    size_t i;

    begin();
    sites(site);
    CHECK(sizeof paying / sizeof paying[0] >= 60);
    for (i = 0; i < sizeof paying / sizeof paying[0]; i++) {
        refused(0, paying[i].regs);
        refused(site[0].at, paying[i].regs);
        refused(site[1].at, paying[i].regs);
    }
    end(0);
}

/* A container's filter answers with an error, which a guest must not get. */
TEST(escape_behind_a_containers_filter)
{
    struct site site[2];
    int i;

    vm_refuse(SYS_kill, 0, 0xc0de, EPERM);
    begin();
    sites(site);
    for (i = 0; i < 3; i++)
        refused(i < 2 ? site[i].at : 0, (const uint64_t[7]){SYS_kill, 0xc0de, SIGKILL});
    end(0);
}

/* Behind its calls the gate goes on with nothing that was there before: whoever
 * jumps there waits in it. */
TEST(escape_by_the_middle_of_the_gate)
{
    struct site site[2];
    hl_error err;
    int i;

    begin();
    patience = 100000;
    sites(site);
    for (i = 0; i < 2; i++) {
        err = attack("Call", ARGS(hl_u64(site[i].at + 2), hl_bytes(site[i].regs, 56)));
        CHECK(err.status == HL_E_DEADLINE || err.status == HL_E_FAULT);
    }
    end(0);
}

/* The kernel lets these two through every filter; they do nothing outside of
 * code that it has made itself. In the gate the second fence lets them through. */
TEST(escape_by_uprobe_calls)
{
    struct site site[2];
    hl_error err;
    uint64_t seen = 0;
    int i, number;

    begin();
    patience = 300000;
    sites(site);
    for (number = URETPROBE; number <= UPROBE; number++) {
        site[0].regs[0] = (uint64_t)number;
        for (i = 0; i < 2; i++) {
            err = attack("Call",
                         ARGS(hl_u64(site[i].at), hl_bytes(site[0].regs, sizeof site[0].regs)));
            CHECK(err.status == HL_E_FAULT || err.status == HL_E_DEADLINE ||
                  err.status == HL_E_PROTOCOL);
        }
        err = attack("Call", ARGS(hl_u64(0), hl_bytes(site[0].regs, sizeof site[0].regs)));
        CHECK_INT(err.status, HL_E_FAULT);
    }
    if (counter >= 0) {
        seen = process_count(counter);
        CHECK(seen <= 6);
    }
    end(seen);
}

/* ---- By 32-bit code and old doors ---------------------------------------- */

TEST_SLOW(escape_by_int_80)
{
    uint64_t regs[7] = {0};
    hl_error err;

    begin();
    for (regs[0] = 0; regs[0] < 512; regs[0]++) {
        err = attack("Int80", ARGS(hl_bytes(regs, sizeof regs)));
        CHECK_INT(err.status, HL_E_FAULT);
    }
    end(0);
}

TEST_SLOW(escape_by_32_bit_code)
{
    uint32_t which, number;
    hl_error err;

    begin();
    for (which = 0; which < 3; which++)
        for (number = 0; number < 64; number++) {
            err = attack("Compat", ARGS(hl_u32(which), hl_u32(number)));
            CHECK_INT(err.status, HL_E_FAULT);
        }
    end(0);
}

TEST(escape_by_vsyscall)
{
    uint64_t at;
    hl_error err;

    begin();
    for (at = 0xffffffffff600000; at < 0xffffffffff600c00; at += 0x400) {
        err = attack("JumpTo", ARGS(hl_u64(at)));
        CHECK_INT(err.status, HL_E_FAULT);
    }
    end(0);
}

/* ---- To what it should not see ---------------------------------------- */

/* What tracer and template have, a child has not. */
TEST(escape_to_memory_of_the_tracer)
{
    static const uint64_t places[] = {TRACER_ARENA,     TRACER_CONTROL, TRACER_WORDS + TRACER_PAGE,
                                      TRACER_STACK,     TRACER_TEXT,    TRACER_TEXT + 0x1000,
                                      0x7ffff7ff0000ull};
    hl_error err;
    size_t i;

    begin();
    for (i = 0; i < sizeof places / sizeof places[0]; i++) {
        err = attack("ReadByte", ARGS(hl_u64(places[i])));
        CHECK_INT(err.status, HL_E_FAULT);
        CHECK_INT(err.vector, 14);
        err = attack("JumpTo", ARGS(hl_u64(places[i])));
        CHECK_INT(err.status, HL_E_FAULT);
    }
    end(0);
}

/* All memory that it has: no more than that is taken. */
TEST(escape_by_exhausting_memory)
{
    const struct hv_vm *machine;
    char found[64];
    uint64_t most = 0;
    uint32_t i;

    begin();
    machine = box->vm->machine;
    for (i = 0; i < machine->region_count; i++)
        most += machine->regions[i].size;
    vm_call(box, "Fill", NONE);
    CHECK(process_field(found, sizeof found, process_child(box), "status", "VmRSS"));
    CHECK(strtoull(found, NULL, 10) * 1024 <= most + TRACER_PAGE);
    end(0);
}

static void expect_map(const char *line)
{
    static const char *const kinds[] = {" r-xp", " r--p", " rw-p", " r--s",
                                        " rw-s", " ---p", " --xp"};
    bool known = false;
    size_t i;

    for (i = 0; i < sizeof kinds / sizeof kinds[0]; i++)
        known |= strstr(line, kinds[i]) != NULL;
    if (!known)
        FAIL("a child has %s", line); /* above all: nothing that is w and x */
    if (strtoull(line, NULL, 16) >= HL_WINDOW + (1ull << 38) && !strstr(line, "[vsyscall]") &&
        strtoull(line, NULL, 16) != TRACER_WORDS)
        FAIL("a child has %s", line);
}

TEST(escape_finds_nothing_inherited)
{
    char path[64], line[512];
    FILE *file;

    begin();
    vm_call(box, "Nothing", NONE);
    snprintf(path, sizeof path, "/proc/%d/maps", process_child(box));
    file = fopen(path, "r");
    CHECK(file);
    while (fgets(line, sizeof line, file))
        expect_map(line);
    fclose(file);
    snprintf(path, sizeof path, "/proc/%d/limits", process_child(box));
    file = fopen(path, "r");
    CHECK(file);
    while (fgets(line, sizeof line, file))
        if (!strncmp(line, "Max open files", 14))
            CHECK_HAS(line, "0                    0 ");
    fclose(file);
    snprintf(path, sizeof path, "ls /proc/%d/fd | wc -l", process_child(box));
    file = popen(path, "r");
    CHECK(file && fgets(line, sizeof line, file));
    CHECK_STR(line, "0\n");
    pclose(file);
    end(0);
}

/* ---- Running on ---------------------------------------- */

/* It says that it has answered, and runs on: what the host takes from it is
 * checked as ever, and take and restore stop it first. */
TEST(escape_by_running_on)
{
    hl_snapshot *late;
    hl_error err;
    int i;

    begin();
    for (i = 0; i < 50; i++) {
        hl_sandbox_set_deadline(box, 50000, NULL); /* it wakes nobody */
        hl_sandbox_call(NULL, box, i % 2 ? "RunOn" : "Rewrite", NONE, &err);
        hl_sandbox_set_deadline(box, 0, NULL);
        if (hl_sandbox_state(box) == HL_READY && i % 3 == 0) {
            late = process_take(box);
            hl_snapshot_release(late);
        }
        process_restore(box, clean);
        CHECK_INT(vm_call(box, "Count", NONE).as.u32, 1);
        process_restore(box, clean);
    }
    end(0);
}

/* With one processor for host, tracer and guest, a guest that does not give it
 * up is stopped all the same. */
TEST(escape_by_spinning_on_the_tracers_processor)
{
    cpu_set_t one;
    int i;

    CPU_ZERO(&one);
    CPU_SET(0, &one);
    if (sched_setaffinity(0, sizeof one, &one))
        test_skip("processor 0: %s", strerror(errno));
    begin();
    for (i = 0; i < 10; i++) {
        hl_sandbox_set_deadline(box, 20000, NULL);
        vm_expect(HL_E_DEADLINE, NULL, box, "Spin", NONE, NULL);
        hl_sandbox_set_deadline(box, 0, NULL);
        process_restore(box, clean);
        CHECK_INT(vm_call(box, "Count", NONE).as.u32, 1);
    }
    end(0);
}

/* Nor does one run on whose call has come to a bad end, by whatever door. */
TEST(escape_by_running_on_after_the_end)
{
    static const char *const functions[] = {"Spin", "RunOn", "Rewrite", "Rewrite"};
    uint64_t before;
    size_t i;

    begin();
    hl_sandbox_set_deadline(box, 20000, NULL);
    for (i = 0; i < sizeof functions / sizeof functions[0]; i++) {
        while (hl_sandbox_state(box) == HL_READY)
            hl_sandbox_call(NULL, box, functions[i], NONE, NULL);
        before = process_time(process_child(box));
        usleep(100000);
        CHECK_INT(process_time(process_child(box)), before);
        process_restore(box, clean);
    }
    end(0);
}

TEST(escape_by_forged_words)
{
    hl_error err;
    uint32_t i;

    begin();
    patience = 300000;
    for (i = 0; i < 8; i++) {
        err = attack("Words", ARGS(hl_u32(i & 1 ? 1 : 0), hl_u32(i & 2 ? 1 : 0xffffffff)));
        CHECK(err.status == HL_OK || err.status == HL_E_PROTOCOL || err.status == HL_E_DEADLINE);
    }
    end(0);
}

/* ---- Signals from outside ---------------------------------------- */

/* What another process sends is none of the guest's doing. */
TEST(escape_is_not_blamed_for_signals_of_others)
{
    static const int signals[] = {SIGSEGV, SIGILL,  SIGSYS,  SIGTRAP, SIGFPE, SIGBUS,
                                  SIGTERM, SIGUSR1, SIGSTOP, SIGCONT, SIGALRM};
    size_t i;

    begin();
    for (i = 0; i < sizeof signals / sizeof signals[0]; i++) {
        CHECK_INT(vm_call(box, "Count", NONE).as.u32, i + 1);
        CHECK_INT(kill(process_child(box), signals[i]), 0);
    }
    CHECK_INT(vm_call(box, "Count", NONE).as.u32, i + 1);
    end(0);
}
