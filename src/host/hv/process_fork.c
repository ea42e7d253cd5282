/* SPDX-License-Identifier: Apache-2.0 */
/* Becoming a tracer without exec, where orphans are the application's own. */
#define _GNU_SOURCE
#include "process_fork.h"

#include <elf.h>
#include <sched.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/rseq.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "process/tracer.h"

enum { STACK_SIZE = 65536, PAGE = TRACER_PAGE };

/* The kernel writes there when the thread has lost its processor, and would end
 * the tracer once that memory is gone. */
static void leave_rseq(void)
{
    uintptr_t thread;

    if (!__rseq_size)
        return;
    __asm__("mov %%fs:0, %0" : "=r"(thread));
    thread += (uintptr_t)__rseq_offset;
    if (syscall(SYS_rseq, thread, 32, RSEQ_FLAG_UNREGISTER, RSEQ_SIG))
        syscall(SYS_rseq, thread, __rseq_size, RSEQ_FLAG_UNREGISTER, RSEQ_SIG);
}

static int protection(uint32_t flags)
{
    return (flags & PF_R ? PROT_READ : 0) | (flags & PF_W ? PROT_WRITE : 0) |
           (flags & PF_X ? PROT_EXEC : 0);
}

static bool map_segment(const uint8_t *image, const Elf64_Phdr *segment)
{
    const uint64_t start = segment->p_vaddr & ~(uint64_t)(PAGE - 1);
    uint8_t *at = (uint8_t *)start;
    const size_t size = segment->p_vaddr + segment->p_memsz - start;

    if (mmap(at, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0) ==
        MAP_FAILED)
        return false;
    memcpy(at + (segment->p_vaddr - start), image + segment->p_offset, segment->p_filesz);
    return !mprotect(at, size, protection(segment->p_flags));
}

/* As the kernel leaves a stack at exec: argc, then argv. */
static uint64_t *make_stack(const char *control)
{
    struct {
        uint64_t argc;
        char *argv[4];
        char control[16];
    } * top;
    uint8_t *at = mmap((void *)TRACER_STACK, STACK_SIZE, PROT_READ | PROT_WRITE,
                       MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);

    if (at == MAP_FAILED)
        return NULL;
    top = (void *)(at + STACK_SIZE - 256);
    memcpy(top->control, control, strlen(control) + 1);
    top->argc = 3; /* the third argument says that there is memory to give up */
    top->argv[0] = top->argv[1] = top->argv[2] = top->control;
    return &top->argc;
}

static void run(const uint8_t *image, const char *control)
{
    const Elf64_Ehdr *elf = (const void *)image;
    const Elf64_Phdr *segment = (const void *)(image + elf->e_phoff);
    uint64_t *stack = make_stack(control);
    uint32_t i;

    for (i = 0; stack && i < elf->e_phnum; i++)
        if (segment[i].p_type == PT_LOAD && !map_segment(image, &segment[i]))
            stack = NULL;
    if (stack)
        __asm__ volatile("mov %0, %%rsp\n\tjmp *%1" ::"r"(stack), "r"(elf->e_entry) : "memory");
    syscall(SYS_exit_group, 1);
}

pid_t process_fork(int *pidfd, const uint8_t *image, const char *control)
{
    const long pid = syscall(SYS_clone, CLONE_PIDFD, 0, pidfd, 0, 0); /* and no exit signal */

    if (!pid) {
        leave_rseq();
        run(image, control);
    }
    return (pid_t)pid;
}
