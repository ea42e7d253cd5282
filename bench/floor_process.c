/* SPDX-License-Identifier: Apache-2.0 */
/* Starts a small process beside the bench, and waits for its answers. */
#include "floor_process.h"

#include <errno.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>

#include "bench.h"
#include "clock.h"
#include "small.h"

static void become_small(int words, bool forks)
{
    char path[4096], number[16], kind[] = {forks ? 'q' : 'p', '\0'}, name[] = "small";
    const ssize_t length = readlink("/proc/self/exe", path, sizeof(path) - 8);
    char *argv[] = {name, number, kind, NULL}, *slash;

    path[length > 0 ? length : 0] = '\0';
    slash = strrchr(path, '/');
    strcpy(slash ? slash + 1 : path, "small");
    snprintf(number, sizeof(number), "%d", words);
    execv(path, argv);
    _exit(127);
}

bool floor_process_open(struct floor_process *floor, bool forks, hl_error *err)
{
    const int fd = memfd_create("floor", 0);
    void *words = MAP_FAILED;

    *floor = (struct floor_process){.forks = forks};
    if (fd >= 0 && !ftruncate(fd, sizeof(*floor->words)))
        words = mmap(NULL, sizeof(*floor->words), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    if (words == MAP_FAILED)
        return bench_fail(err, "words of a floor: %s", strerror(errno));
    floor->words = words;
    floor->other = fork();
    if (!floor->other)
        become_small(fd, forks);
    close(fd);
    return floor->other > 0 || bench_fail(err, "fork: %s", strerror(errno));
}

void floor_process_close(struct floor_process *floor)
{
    if (floor->other > 0) {
        kill(floor->other, SIGKILL);
        waitpid(floor->other, NULL, 0);
    }
    if (floor->words)
        munmap(floor->words, sizeof(*floor->words));
}

bool floor_sample_process(void *ctx, double *us, hl_error *err)
{
    struct floor_process *floor = ctx;
    double start;

    if (waitpid(floor->other, NULL, WNOHANG))
        return bench_fail(err, "the floor's process is gone");
    start = now_us();
    small_set(&floor->words->request);
    small_await(&floor->words->answer);
    *us = now_us() - start;
    if (floor->forks) { /* its end is not in the sample */
        small_set(&floor->words->done);
        small_await(&floor->words->answer);
    }
    return true;
}

bool floor_process_pin(int cpu, hl_error *err)
{
    static cpu_set_t all;
    static bool known;
    cpu_set_t one;

    if (!known && sched_getaffinity(0, sizeof(all), &all))
        return bench_fail(err, "sched_getaffinity: %s", strerror(errno));
    known = true;
    CPU_ZERO(&one);
    CPU_SET(cpu < 0 ? 0 : cpu, &one);
    return !sched_setaffinity(0, sizeof(one), cpu < 0 ? &all : &one) ||
           bench_fail(err, "sched_setaffinity, processor %d: %s", cpu, strerror(errno));
}
