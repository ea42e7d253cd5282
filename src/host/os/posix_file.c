/* SPDX-License-Identifier: Apache-2.0 */
/* Files of the operating system contract on Linux. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "../error.h"
#include "os.h"
#include "posix_signal.h"

static hl_status file_error(hl_error *err, const char *path)
{
    return error_set(err, errno == ENOMEM ? HL_E_MEMORY : HL_E_SYSTEM, "%s: %s", path,
                     strerror(errno));
}

/* ---- Reading ------------------------------------------------------------------ */

hl_status os_file_open(os_file *out, const char *path, hl_error *err)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
    hl_status status = HL_OK;
    struct stat st;

    *out = OS_FILE_NONE;
    if (fd < 0)
        return file_error(err, path);
    if (fstat(fd, &st))
        status = file_error(err, path);
    else if (!S_ISREG(st.st_mode))
        status = error_set(err, HL_E_IMAGE, "%s: not a regular file", path);
    if (status)
        close(fd);
    else
        *out = (os_file){fd, (uint64_t)st.st_size};
    return status;
}

hl_status os_file_read_at(const os_file *file, void *to, size_t size, uint64_t at, hl_error *err)
{
    uint8_t *next = to;
    ssize_t n;

    while (size) {
        n = pread((int)file->handle, next, size, (off_t)at);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return error_errno(err, errno, "reading");
        if (!n)
            return error_set(err, HL_E_IMAGE, "the file ends at byte %" PRIu64, at);
        next += n;
        at += (uint64_t)n;
        size -= (size_t)n;
    }
    return HL_OK;
}

void os_file_close(os_file *file)
{
    if (file->handle >= 0)
        close((int)file->handle);
    *file = OS_FILE_NONE;
}

hl_status os_file_read(uint8_t **out, size_t *size, const char *path, size_t most, hl_error *err)
{
    hl_error why;
    os_file file;
    hl_status status = os_file_open(&file, path, err);

    *out = NULL;
    if (status)
        return status;
    if (file.size > most) {
        status = error_set(err, HL_E_IMAGE, "%s: %" PRIu64 " bytes, at most %zu can be read", path,
                           file.size, most);
    } else {
        *size = (size_t)file.size;
        *out = malloc(*size + 1);
        status = *out ? os_file_read_at(&file, *out, *size, 0, &why)
                      : error_set(&why, HL_E_MEMORY, "no memory for %zu bytes", *size);
        if (status)
            error_set(err, status, "%s: %s", path, why.text);
    }
    os_file_close(&file);
    if (status) {
        free(*out);
        *out = NULL;
    }
    return status;
}

/* ---- Making ------------------------------------------------------------------- */

static const char *name_of(const char *path)
{
    const char *slash = strrchr(path, '/');

    return slash ? slash + 1 : path;
}

/* The folder that the path's last name lies in; *fd is -1 on failure. */
static hl_status open_folder(int *fd, const char *path, hl_error *err)
{
    const size_t length = (size_t)(name_of(path) - path);
    char *folder = strndup(length ? path : ".", length ? length : 1);

    *fd = -1;
    if (!folder)
        return error_set(err, HL_E_MEMORY, "%s: no memory", path);
    *fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    free(folder);
    return *fd < 0 ? file_error(err, path) : HL_OK;
}

/* What a file must not take the place of: /dev/null, a pipe at /dev/stdout. */
static bool is_device(const char *path)
{
    struct stat st;

    return !stat(path, &st) && !S_ISREG(st.st_mode) && !S_ISDIR(st.st_mode);
}

static hl_status choose_name(os_new_file *file, hl_error *err)
{
    uint64_t unique;
    hl_status status = os_random(&unique, sizeof unique, err);

    if (!status)
        snprintf(file->name, sizeof file->name, ".hyperlight-%016" PRIx64, unique);
    return status;
}

static void descriptor_path(char out[32], int fd)
{
    snprintf(out, 32, "/proc/self/fd/%d", fd);
}

/* A file without a name, which nothing is left of if this process is killed; -1
 * where the file system has none, or the name that the last step takes is not there. */
static int open_nameless(int folder)
{
    const int fd = openat(folder, ".", O_WRONLY | O_TMPFILE | O_CLOEXEC, 0600);
    char path[32];

    descriptor_path(path, fd);
    if (fd < 0 || !access(path, F_OK))
        return fd;
    close(fd);
    return -1;
}

hl_status os_new_file_create(os_new_file *out, const char *path, hl_error *err)
{
    hl_status status;
    int folder, fd;

    *out = OS_NEW_FILE_NONE;
    if (!*name_of(path))
        return error_set(err, HL_E_SYSTEM, "%s: names no file", path);
    if (is_device(path))
        return error_set(err, HL_E_SYSTEM, "%s: not a regular file", path);
    status = open_folder(&folder, path, err);
    if (status)
        return status;
    fd = open_nameless(folder);
    if (fd < 0) {
        status = choose_name(out, err);
        if (!status) {
            fd = openat(folder, out->name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
            status = fd < 0 ? file_error(err, path) : HL_OK;
        }
    }
    if (status) {
        close(folder);
        return status;
    }
    out->handle = fd;
    out->folder = folder;
    return HL_OK;
}

/* All of it; E_SYSTEM with `what`. RLIMIT_FSIZE raises no signal. */
static hl_status write_at(intptr_t fd, const void *from, size_t size, uint64_t at, const char *what,
                          hl_error *err)
{
    const uint8_t *next = from;
    struct posix_held held;
    ssize_t n = 0;

    posix_hold(&held, SIGXFSZ);
    while (size) {
        n = pwrite((int)fd, next, size, (off_t)at);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            break;
        next += n;
        at += (uint64_t)n;
        size -= (size_t)n;
    }
    posix_let(&held, n < 0 && errno == EFBIG);
    return n < 0 ? error_errno(err, errno, what) : HL_OK;
}

hl_status os_new_file_write(const os_new_file *file, const void *from, size_t size, uint64_t at,
                            hl_error *err)
{
    return write_at(file->handle, from, size, at, "writing", err);
}

hl_status os_share_write(const os_share *share, const void *from, size_t size, uint64_t at,
                         hl_error *err)
{
    return write_at(share->handle, from, size, at, "writing to a memfd", err);
}

static void close_both(os_new_file *file)
{
    close((int)file->handle);
    close((int)file->folder);
    *file = OS_NEW_FILE_NONE;
}

/* Some file systems know no fsync of folders: then there is nothing to do. */
static hl_status sync_folder(const os_new_file *file, hl_error *err)
{
    if (fsync((int)file->folder) && errno != EINVAL && errno != EROFS)
        return error_errno(err, errno, "the file is complete; syncing its folder");
    return HL_OK;
}

static int link_as(const os_new_file *file, const char *name)
{
    char path[32];

    descriptor_path(path, (int)file->handle);
    return linkat(AT_FDCWD, path, (int)file->folder, name, AT_SYMLINK_FOLLOW);
}

/* A link cannot take another file's place; a rename can. */
static hl_status give_name(os_new_file *file, const char *name, hl_error *err)
{
    const int folder = (int)file->folder;
    hl_status status = HL_OK;

    if (!*file->name) {
        if (!link_as(file, name))
            return HL_OK;
        if (errno != EEXIST)
            return error_errno(err, errno, "naming");
        status = choose_name(file, err);
        if (!status && link_as(file, file->name)) {
            status = error_errno(err, errno, "naming");
            *file->name = 0;
        }
    }
    if (!status && renameat(folder, file->name, folder, name))
        status = error_errno(err, errno, "renaming");
    return status;
}

hl_status os_new_file_commit(os_new_file *file, const char *path, hl_error *err)
{
    hl_status status = fsync((int)file->handle) ? error_errno(err, errno, "syncing")
                                                : give_name(file, name_of(path), err);

    if (status) {
        os_new_file_discard(file);
        return status;
    }
    status = sync_folder(file, err);
    close_both(file);
    return status;
}

void os_new_file_discard(os_new_file *file)
{
    if (file->handle < 0)
        return;
    if (*file->name)
        unlinkat((int)file->folder, file->name, 0);
    close_both(file);
}
