/* SPDX-License-Identifier: Apache-2.0 */
/* Makes and runs bare VMs with plain KVM calls. */
#define _DEFAULT_SOURCE
#include "floor_kvm.h"

#include <cpuid.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <hyperlight/hyperlight.h>
#include <unistd.h>

#include "bench.h"
#include "clock.h"

/* Guest memory, identity mapped: below USER_START only the supervisor may enter. */
enum {
    MEMORY_SIZE = 1 << 20,
    PML4 = 0x1000,
    PDPT = 0x2000,
    PD = 0x3000,
    PT = 0x4000,
    GDT = 0x5000,
    TSS = 0x6000,
    USER_START = 0x20000,
    CODE_OUT = 0x20000,
    CODE_SPIN = 0x20010,
    STACK_TOP = 0x80000
};

enum {
    PAGE_SIZE = 4096,
    PTE_PRESENT_WRITE = 0x3,
    PTE_USER = 0x4,
    PTE_ACCESSED_DIRTY = 0x60,
    PORT = 0x20,
    TSS_SIZE = 0x68,
    TSS_BITMAP_FIELD = 0x66,
    BITMAP_SIZE = 33,
    USER_DS = 0x2b,
    USER_CS = 0x33,
    TSS_SELECTOR = 0x40,
    GDT_LIMIT = 0x40 + 16 - 1,
    MAX_CPUID = 256
};

#define CR0_PE_MP_ET_NE_WP_AM_PG 0x80050033u
#define CR4_PAE_OSFXSR_OSXMMEXCPT 0x620u
#define EFER_LME_LMA_NXE 0xd00u

static uint8_t host_tr_type(void)
{
    const unsigned hygon_ebx = 0x6f677948; /* "Hygo" of HygonGenuine */
    unsigned eax, ebx, ecx, edx;

    if (!__get_cpuid(0, &eax, &ebx, &ecx, &edx))
        return 11;
    return ebx == signature_AMD_ebx || ebx == hygon_ebx ? 9 : 11;
}

static bool read_cpuid(struct floor_kvm *kvm, hl_error *err)
{
    kvm->cpuid = calloc(1, sizeof(*kvm->cpuid) + MAX_CPUID * sizeof(kvm->cpuid->entries[0]));
    if (!kvm->cpuid)
        return bench_fail(err, "out of memory for the CPUID table");
    kvm->cpuid->nent = MAX_CPUID;
    if (ioctl(kvm->fd, KVM_GET_SUPPORTED_CPUID, kvm->cpuid) < 0)
        return bench_fail(err, "KVM_GET_SUPPORTED_CPUID: %s", strerror(errno));
    return true;
}

bool floor_kvm_open(struct floor_kvm *kvm, hl_error *err)
{
    int run_size;

    *kvm = (struct floor_kvm){.fd = open("/dev/kvm", O_RDWR | O_CLOEXEC)};
    if (kvm->fd < 0)
        return bench_fail(err, "/dev/kvm: %s", strerror(errno));
    kvm->tr_type = host_tr_type();
    run_size = ioctl(kvm->fd, KVM_GET_VCPU_MMAP_SIZE, 0);
    if (run_size <= 0) {
        bench_fail(err, "KVM_GET_VCPU_MMAP_SIZE: %s", strerror(errno));
        goto fail;
    }
    kvm->run_size = (size_t)run_size;
    if (!read_cpuid(kvm, err))
        goto fail;
    return true;
fail:
    floor_kvm_close(kvm);
    return false;
}

void floor_kvm_close(struct floor_kvm *kvm)
{
    free(kvm->cpuid);
    if (kvm->fd >= 0)
        close(kvm->fd);
    *kvm = (struct floor_kvm){.fd = -1};
}

static int create_vm(struct floor_vm *vm)
{
    vm->vm = ioctl(vm->kvm->fd, KVM_CREATE_VM, 0);
    return vm->vm;
}

static int map_memory(struct floor_vm *vm)
{
    void *memory = mmap(NULL, MEMORY_SIZE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1,
                        0);

    if (memory == MAP_FAILED)
        return -1;
    vm->memory = memory;
    return 0;
}

static int set_memory(struct floor_vm *vm)
{
    struct kvm_userspace_memory_region region = {
        .memory_size = MEMORY_SIZE,
        .userspace_addr = (uintptr_t)vm->memory,
    };

    return ioctl(vm->vm, KVM_SET_USER_MEMORY_REGION, &region);
}

static int create_vcpu(struct floor_vm *vm)
{
    vm->vcpu = ioctl(vm->vm, KVM_CREATE_VCPU, 0);
    return vm->vcpu;
}

static int map_run(struct floor_vm *vm)
{
    void *run = mmap(NULL, vm->kvm->run_size, PROT_READ | PROT_WRITE, MAP_SHARED, vm->vcpu, 0);

    if (run == MAP_FAILED)
        return -1;
    vm->run = run;
    return 0;
}

static int set_cpuid(struct floor_vm *vm)
{
    return ioctl(vm->vcpu, KVM_SET_CPUID2, vm->kvm->cpuid);
}

static void put64(struct floor_vm *vm, size_t address, uint64_t value)
{
    memcpy(vm->memory + address, &value, sizeof(value));
}

/* Accessed and dirty bits are set beforehand, so that running writes no table. */
static void write_page_tables(struct floor_vm *vm)
{
    const uint64_t flags = PTE_PRESENT_WRITE | PTE_ACCESSED_DIRTY;

    put64(vm, PML4, PDPT | flags | PTE_USER);
    put64(vm, PDPT, PD | flags | PTE_USER);
    put64(vm, PD, PT | flags | PTE_USER);
    for (size_t page = 0; page < MEMORY_SIZE; page += PAGE_SIZE)
        put64(vm, PT + page / PAGE_SIZE * 8, page | flags | (page >= USER_START ? PTE_USER : 0u));
}

/* The I/O bitmap ends in a byte of ones (SDM volume 1, 19.5.2) and opens the ports at PORT. */
static void write_descriptors(struct floor_vm *vm)
{
    put64(vm, GDT + (USER_DS & ~7), 0x00cff3000000ffff);
    put64(vm, GDT + (USER_CS & ~7), 0x00affb000000ffff);
    memset(vm->memory + TSS + TSS_SIZE, 0xff, BITMAP_SIZE);
    vm->memory[TSS + TSS_SIZE + PORT / 8] = 0;
    vm->memory[TSS + TSS_BITMAP_FIELD] = TSS_SIZE;
}

static int write_memory(struct floor_vm *vm)
{
    static const uint8_t code_out[] = {0xe6, PORT, 0xeb, 0xfc}; /* 1: out %al, PORT; jmp 1b */
    static const uint8_t code_spin[] = {0xeb, 0xfe};            /* jmp . */

    write_page_tables(vm);
    write_descriptors(vm);
    memcpy(vm->memory + CODE_OUT, code_out, sizeof(code_out));
    memcpy(vm->memory + CODE_SPIN, code_spin, sizeof(code_spin));
    return 0;
}

static int get_sregs(struct floor_vm *vm)
{
    return ioctl(vm->vcpu, KVM_GET_SREGS, &vm->sregs);
}

static int set_sregs(struct floor_vm *vm)
{
    struct kvm_sregs *s = &vm->sregs;
    struct kvm_segment data = {
        .limit = UINT32_MAX,
        .selector = USER_DS,
        .type = 3,
        .s = 1,
        .dpl = 3,
        .present = 1,
        .db = 1,
        .g = 1,
    };

    s->ds = s->es = s->fs = s->gs = s->ss = data;
    s->cs = data;
    s->cs.selector = USER_CS;
    s->cs.type = 11;
    s->cs.db = 0;
    s->cs.l = 1;
    s->tr = (struct kvm_segment){
        .base = TSS,
        .limit = TSS_SIZE + BITMAP_SIZE - 1,
        .selector = TSS_SELECTOR,
        .type = vm->kvm->tr_type,
        .present = 1,
    };
    s->gdt.base = GDT;
    s->gdt.limit = GDT_LIMIT;
    s->cr0 = CR0_PE_MP_ET_NE_WP_AM_PG;
    s->cr3 = PML4;
    s->cr4 = CR4_PAE_OSFXSR_OSXMMEXCPT;
    s->efer = EFER_LME_LMA_NXE;
    return ioctl(vm->vcpu, KVM_SET_SREGS, s);
}

static int set_rip(struct floor_vm *vm, uint64_t rip)
{
    struct kvm_regs regs = {.rip = rip, .rsp = STACK_TOP, .rflags = 2};

    return ioctl(vm->vcpu, KVM_SET_REGS, &regs);
}

static int set_regs(struct floor_vm *vm)
{
    return set_rip(vm, CODE_OUT);
}

static int run_once(struct floor_vm *vm)
{
    return ioctl(vm->vcpu, KVM_RUN, 0);
}

static const struct step {
    const char *name;
    int (*run)(struct floor_vm *vm);
} steps[FLOOR_STEPS] = {
    {"KVM_CREATE_VM", create_vm},
    {"mmap of the memory", map_memory},
    {"KVM_SET_USER_MEMORY_REGION", set_memory},
    {"KVM_CREATE_VCPU", create_vcpu},
    {"mmap of kvm_run", map_run},
    {"KVM_SET_CPUID2", set_cpuid},
    {"writing tables and code", write_memory},
    {"KVM_GET_SREGS", get_sregs},
    {"KVM_SET_SREGS", set_sregs},
    {"KVM_SET_REGS", set_regs},
    {"KVM_RUN to the first out", run_once},
};

const char *floor_step_name(size_t step)
{
    return steps[step].name;
}

static bool left_by_out(const struct floor_vm *vm, hl_error *err)
{
    if (vm->run->exit_reason == KVM_EXIT_IO && vm->run->io.port == PORT)
        return true;
    return bench_fail(err, "the bare VM left with exit reason %u, not by its out",
                      vm->run->exit_reason);
}

bool floor_vm_make(struct floor_vm *vm, const struct floor_kvm *kvm, hl_error *err)
{
    double before = now_us();

    *vm = (struct floor_vm){.kvm = kvm, .vm = -1, .vcpu = -1};
    for (size_t i = 0; i < FLOOR_STEPS; i++) {
        double after;

        if (steps[i].run(vm) < 0) {
            bench_fail(err, "%s: %s", steps[i].name, strerror(errno));
            goto fail;
        }
        after = now_us();
        vm->step_us[i] = after - before;
        before = after;
    }
    if (left_by_out(vm, err))
        return true;
fail:
    floor_vm_close(vm);
    return false;
}

void floor_vm_close(struct floor_vm *vm)
{
    if (vm->run)
        munmap(vm->run, vm->kvm->run_size);
    if (vm->vcpu >= 0)
        close(vm->vcpu);
    if (vm->vm >= 0)
        close(vm->vm);
    if (vm->memory)
        munmap(vm->memory, MEMORY_SIZE);
    *vm = (struct floor_vm){.vm = -1, .vcpu = -1};
}

bool floor_vm_exit(struct floor_vm *vm, hl_error *err)
{
    if (run_once(vm) < 0)
        return bench_fail(err, "KVM_RUN of the bare VM: %s", strerror(errno));
    return left_by_out(vm, err);
}

bool floor_vm_set_spin(struct floor_vm *vm, hl_error *err)
{
    if (set_rip(vm, CODE_SPIN) < 0)
        return bench_fail(err, "KVM_SET_REGS of the bare VM: %s", strerror(errno));
    return true;
}

bool floor_open(struct floor_kvm *kvm, struct floor_vm *vm, hl_error *err)
{
    *vm = (struct floor_vm){.vm = -1, .vcpu = -1};
    if (!floor_kvm_open(kvm, err))
        return false;
    if (floor_vm_make(vm, kvm, err))
        return true;
    floor_kvm_close(kvm);
    return false;
}

bool floor_take_exits(const struct bench *bench, unsigned burst, const struct sampler *op,
                      struct samples *floor, hl_error *err)
{
    struct floor_kvm kvm;
    struct floor_vm vm;
    const struct sampler exits = {floor_sample_exit, &vm, floor};
    bool ok;

    if (!floor_open(&kvm, &vm, err))
        return false;
    ok = bench_take(bench, burst, op, &exits, err);
    floor_vm_close(&vm);
    floor_kvm_close(&kvm);
    return ok;
}

bool floor_take_vms(const struct bench *bench, unsigned burst, const struct sampler *op,
                    sample_fn fn, struct samples *floor, hl_error *err)
{
    struct floor_kvm kvm;
    const struct sampler vms = {fn, &kvm, floor};
    bool ok;

    if (!floor_kvm_open(&kvm, err))
        return false;
    ok = bench_take(bench, burst, op, &vms, err);
    floor_kvm_close(&kvm);
    return ok;
}

bool floor_sample_exit(void *ctx, double *us, hl_error *err)
{
    struct floor_vm *vm = ctx;
    double start = now_us();
    bool ok = floor_vm_exit(vm, err);

    *us = now_us() - start;
    return ok;
}

bool floor_sample_make(void *ctx, double *us, hl_error *err)
{
    struct floor_vm vm;
    double start;
    bool ok;

    hl_cache_trim(0); /* no other VM beside it: that would make it cheaper */
    start = now_us();
    ok = floor_vm_make(&vm, ctx, err);

    *us = now_us() - start;
    if (ok)
        floor_vm_close(&vm);
    return ok;
}

bool floor_sample_close(void *ctx, double *us, hl_error *err)
{
    struct floor_vm vm;
    double start;

    hl_cache_trim(0);
    if (!floor_vm_make(&vm, ctx, err))
        return false;
    start = now_us();
    floor_vm_close(&vm);
    *us = now_us() - start;
    return true;
}
