/* SPDX-License-Identifier: Apache-2.0 */
/* The operating system contract on Linux. */
#define _GNU_SOURCE
#include "os.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/futex.h>
#include <pthread.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

#include "../error.h"
#include "posix_signal.h"

enum { PAGE = 4096 };
#ifndef MADV_DONTNEED_LOCKED
#define MADV_DONTNEED_LOCKED 24 /* Linux 5.18 */
#endif

/* ---- Shared memory -------------------------------------------------------- */

/* RLIMIT_FSIZE counts for a memfd, too. */
static int set_size(int fd, uint64_t size)
{
    struct posix_held held;
    int failed;

    posix_hold(&held, SIGXFSZ);
    failed = ftruncate(fd, (off_t)size);
    posix_let(&held, failed && errno == EFBIG);
    return failed;
}

hl_status os_share_create(os_share *out, uint8_t **bytes, uint64_t size, hl_error *err)
{
    static _Atomic uint64_t last;
    int fd = memfd_create("hyperlight", MFD_CLOEXEC | MFD_ALLOW_SEALING);
    hl_status status;
    void *at;

    *out = OS_SHARE_NONE;
    if (fd < 0)
        return error_errno(err, errno, "memfd_create");
    if (set_size(fd, size)) {
        status = error_errno(err, errno, "ftruncate of a memfd");
        goto fail;
    }
    if (bytes) {
        at = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
        if (at == MAP_FAILED) {
            status = error_errno(err, errno, "mmap of a memfd");
            goto fail;
        }
        *bytes = at;
    }
    *out = (os_share){fd, size, ++last};
    return HL_OK;
fail:
    close(fd);
    return status;
}

hl_status os_share_seal(os_share *share, uint8_t *bytes, hl_error *err)
{
    os_unmap(bytes, share->size);
    if (fcntl((int)share->handle, F_ADD_SEALS,
              F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE | F_SEAL_SEAL))
        return error_errno(err, errno, "sealing a memfd");
    return HL_OK;
}

/* Where the kernel cannot say, all of it is. */
static bool written(int fd, uint64_t size, uint64_t *at, uint64_t *end)
{
    off_t from, to;

    if (*at >= size)
        return false;
    from = lseek(fd, (off_t)*at, SEEK_DATA);
    if (from < 0 && errno == ENXIO)
        return false;
    to = from < 0 ? -1 : lseek(fd, from, SEEK_HOLE);
    if (from >= 0)
        *at = (uint64_t)from;
    *end = to < 0 ? size : (uint64_t)to;
    return true;
}

bool os_share_written(const os_share *share, uint64_t *at, uint64_t *end)
{
    return written((int)share->handle, share->size, at, end);
}

bool os_file_written(const os_file *file, uint64_t *at, uint64_t *end)
{
    return written((int)file->handle, file->size, at, end);
}

void os_share_close(os_share *share)
{
    if (share->handle >= 0)
        close((int)share->handle);
    *share = OS_SHARE_NONE;
}

hl_status os_share_map(const uint8_t **out, const os_share *share, hl_error *err)
{
    /* Not MAP_SHARED: before Linux 6.7 that is refused once the memfd is sealed. */
    void *at = mmap(NULL, share->size, PROT_READ, MAP_PRIVATE, (int)share->handle, 0);

    if (at == MAP_FAILED)
        return error_errno(err, errno, "mmap of a memfd");
    *out = at;
    return HL_OK;
}

hl_status os_share_file(os_file *out, const os_share *share, hl_error *err)
{
    const int fd = fcntl((int)share->handle, F_DUPFD_CLOEXEC, 0);

    *out = (os_file){fd, share->size};
    return fd < 0 ? error_errno(err, errno, "another descriptor of a memfd") : HL_OK;
}

void os_unmap(const uint8_t *bytes, uint64_t size)
{
    if (bytes)
        munmap((void *)(uintptr_t)bytes, size);
}

/* ---- Address space ---------------------------------------------------------- */

hl_status os_reserve(uint8_t **out, uint64_t size, hl_error *err)
{
    void *at = mmap(NULL, size + 2 * PAGE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE,
                    -1, 0);

    if (at == MAP_FAILED)
        return error_errno(err, errno, "reserving guest memory");
    *out = (uint8_t *)at + PAGE;
    return HL_OK;
}

void os_release(uint8_t *base, uint64_t size)
{
    if (base)
        munmap(base - PAGE, size + 2 * PAGE);
}

hl_status os_commit(uint8_t *at, uint64_t size, hl_error *err)
{
    if (mprotect(at, size, PROT_READ | PROT_WRITE))
        return error_errno(err, errno, "making guest memory accessible");
    return HL_OK;
}

hl_status os_view(uint8_t *at, const os_share *share, uint64_t offset, uint64_t size, hl_error *err)
{
    if (mmap(at, size, PROT_READ | PROT_WRITE, MAP_FIXED | MAP_PRIVATE | MAP_NORESERVE,
             (int)share->handle, (off_t)offset) == MAP_FAILED)
        return error_errno(err, errno, "mapping a guest image");
    return HL_OK;
}

hl_status os_view_file(uint8_t *at, const os_file *file, uint64_t offset, uint64_t size,
                       bool writable, hl_error *err)
{
    if (mmap(at, size, PROT_READ | (writable ? PROT_WRITE : 0),
             MAP_FIXED | MAP_PRIVATE | MAP_NORESERVE, (int)file->handle,
             (off_t)offset) == MAP_FAILED)
        return error_errno(err, errno, "mapping a file");
    os_harden(at, size);
    return HL_OK;
}

/* The kernel says EFAULT where an access of our own would raise SIGBUS. */
static hl_status moved(ssize_t n, size_t size, hl_error *err)
{
    if (n == (ssize_t)size)
        return HL_OK;
    return error_errno(err, n < 0 ? errno : EFAULT, "memory of a mapped file");
}

hl_status os_peek(void *to, const uint8_t *from, size_t size, hl_error *err)
{
    struct iovec here = {to, size}, there = {(void *)(uintptr_t)from, size};

    return moved(process_vm_readv(getpid(), &here, 1, &there, 1, 0), size, err);
}

hl_status os_poke(uint8_t *to, const void *from, size_t size, hl_error *err)
{
    struct iovec here = {(void *)(uintptr_t)from, size}, there = {to, size};

    return moved(process_vm_writev(getpid(), &here, 1, &there, 1, 0), size, err);
}

hl_status os_clear(uint8_t *at, uint64_t size, hl_error *err)
{
    if (mmap(at, size, PROT_READ | PROT_WRITE,
             MAP_FIXED | MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0) == MAP_FAILED)
        return error_errno(err, errno, "clearing guest memory");
    os_harden(at, size);
    return HL_OK;
}

/* DONTNEED refuses what the application has locked (mlockall). */
hl_status os_discard(uint8_t *at, uint64_t size, hl_error *err)
{
    if (madvise(at, size, MADV_DONTNEED) && madvise(at, size, MADV_DONTNEED_LOCKED))
        return error_errno(err, errno, "giving guest memory back");
    return HL_OK;
}

void os_conceal(uint8_t *at, uint64_t size)
{
    madvise(at, size, MADV_DONTDUMP);
    madvise(at, size, MADV_UNMERGEABLE); /* EINVAL without KSM: nothing to undo */
}

void os_harden(uint8_t *at, uint64_t size)
{
    madvise(at, size, MADV_DONTFORK);
    madvise(at, size, MADV_NOHUGEPAGE); /* EINVAL without them */
    os_conceal(at, size);
}

void os_bulk(uint8_t *at, uint64_t size)
{
    madvise(at, size, MADV_HUGEPAGE); /* EINVAL without them */
}

void *os_page_wiped_on_fork(void)
{
    void *at = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

    if (at == MAP_FAILED)
        return NULL;
    madvise(at, PAGE, MADV_DONTDUMP);
    if (!madvise(at, PAGE, MADV_WIPEONFORK))
        return at;
    munmap(at, PAGE);
    return NULL;
}

void os_page_free(void *page)
{
    munmap(page, PAGE);
}

/* ---- Randomness and time ------------------------------------------------------ */

hl_status os_random(void *out, size_t size, hl_error *err)
{
    uint8_t *at = out;
    ssize_t n;

    while (size) {
        n = getrandom(at, size, 0);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return error_errno(err, errno, "getrandom");
        at += n;
        size -= (size_t)n;
    }
    return HL_OK;
}

uint64_t os_clock_ns(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

/* ---- Waiting and threads -------------------------------------------------------- */

void os_wait(_Atomic uint32_t *word, uint32_t value, uint64_t ns)
{
    struct timespec limit = {(time_t)(ns / 1000000000u), (long)(ns % 1000000000u)};

    syscall(SYS_futex, word, FUTEX_WAIT_PRIVATE, value, ns == UINT64_MAX ? NULL : &limit, NULL, 0);
}

void os_wake(_Atomic uint32_t *word)
{
    syscall(SYS_futex, word, FUTEX_WAKE_PRIVATE, INT_MAX, NULL, NULL, 0);
}

/* The thread pointer: what pthread_self() gives, without leaving this page. */
uintptr_t os_thread_self(void)
{
    uintptr_t self;

    __asm__("mov %%fs:0, %0" : "=r"(self));
    return self;
}

static void *thread_body(void *body)
{
    void (*run)(void) = (void (*)(void))(uintptr_t)body;

    run();
    return NULL;
}

hl_status os_thread_start(void (*body)(void), hl_error *err)
{
    sigset_t all, before;
    pthread_attr_t attr;
    pthread_t thread;
    int error;

    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    pthread_attr_init(&attr);
    pthread_attr_setdetachstate(&attr, PTHREAD_CREATE_DETACHED);
    error = pthread_create(&thread, &attr, thread_body, (void *)(uintptr_t)body);
    pthread_attr_destroy(&attr);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    return error ? error_errno(err, error, "starting a thread") : HL_OK;
}

/* ---- Standard output ------------------------------------------------------------ */

static int32_t write_all(const char *text, size_t len)
{
    size_t done = 0;
    ssize_t n;

    while (done < len) {
        n = write(STDOUT_FILENO, text + done, len - done);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return -1;
        done += (size_t)n;
    }
    return (int32_t)len;
}

/* Nobody may read standard output any more. */
int32_t os_print(const char *text, size_t len)
{
    struct posix_held held;
    int32_t n;

    posix_hold(&held, SIGPIPE);
    n = write_all(text, len);
    posix_let(&held, n < 0 && errno == EPIPE);
    return n;
}

bool os_print_to_terminal(void)
{
    return isatty(STDOUT_FILENO);
}
