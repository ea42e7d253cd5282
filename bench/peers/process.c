/* SPDX-License-Identifier: Apache-2.0 */
/* A forked process that may read, write and exit, and nothing else. */
#include <errno.h>
#include <linux/seccomp.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "peer.h"

enum { JOB_ADD, JOB_HASH };

/* What both sides see; the pipes only wake. */
struct shared {
    uint32_t job, x, result;
    uint8_t data[DATA_SIZE];
};

static struct {
    struct shared *shared;
    int ask[2], answer[2];
    pid_t worker;
} self;

static void do_job(struct shared *shared)
{
    shared->result = shared->job == JOB_ADD ? shared->x + 1 : peer_fnv(shared->data, DATA_SIZE);
}

/* In a child that nobody trusts any more. */
static void lock_down(void)
{
    if (prctl(PR_SET_SECCOMP, SECCOMP_MODE_STRICT))
        _exit(1);
}

static void leave(void)
{
    syscall(SYS_exit, 0); /* _exit makes a call that is not allowed */
}

static void work(void)
{
    char byte;

    close(self.ask[1]); /* or it would keep itself from seeing the end */
    lock_down();
    while (read(self.ask[0], &byte, 1) == 1) {
        do_job(self.shared);
        if (write(self.answer[1], &byte, 1) != 1)
            break;
    }
    leave();
}

static bool open(const char *guests)
{
    (void)guests;
    self.shared = mmap(NULL, sizeof *self.shared, PROT_READ | PROT_WRITE,
                       MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (self.shared == MAP_FAILED || pipe(self.ask) || pipe(self.answer))
        return peer_fail("%s", strerror(errno));
    self.worker = fork();
    if (!self.worker)
        work();
    close(self.ask[0]);
    close(self.answer[1]);
    return self.worker > 0 || peer_fail("fork: %s", strerror(errno));
}

static void close_process(void)
{
    close(self.ask[1]);
    close(self.answer[0]);
    waitpid(self.worker, NULL, 0);
    munmap(self.shared, sizeof *self.shared);
}

static bool ask(uint32_t *out)
{
    char byte = 0;

    if (write(self.ask[1], &byte, 1) != 1 || read(self.answer[0], &byte, 1) != 1)
        return peer_fail("the worker is gone");
    *out = self.shared->result;
    return true;
}

static bool call(uint32_t x, uint32_t *out)
{
    self.shared->job = JOB_ADD;
    self.shared->x = x;
    return ask(out);
}

static bool hash(const uint8_t data[DATA_SIZE], uint32_t *out)
{
    self.shared->job = JOB_HASH;
    memcpy(self.shared->data, data, DATA_SIZE);
    return ask(out);
}

static bool forked(uint32_t x, uint32_t *out)
{
    pid_t child;
    int status;

    self.shared->job = JOB_ADD;
    self.shared->x = x;
    child = fork();
    if (!child) {
        lock_down();
        do_job(self.shared);
        leave();
    }
    if (child < 0 || waitpid(child, &status, 0) != child || status)
        return peer_fail("the forked process failed");
    *out = self.shared->result;
    return true;
}

const struct peer peer_process = {"process, seccomp", open, close_process, call, forked, hash};
