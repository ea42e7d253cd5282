/* SPDX-License-Identifier: Apache-2.0 */
/* What the library needs of an operating system, and nothing else. */
#ifndef HL_HOST_OS_H
#define HL_HOST_OS_H

#include <hyperlight/types.h>

/* operation          Linux                              Windows
 * os_share_*         memfd_create, F_ADD_SEALS          CreateFileMapping, handle
 * os_reserve         mmap PROT_NONE                     VirtualAlloc2 placeholder
 * os_commit          mprotect                          MapViewOfFile3 of a fresh section
 * os_view            mmap MAP_FIXED|MAP_PRIVATE memfd   MapViewOfFile3 PAGE_WRITECOPY
 * os_view_file       mmap MAP_FIXED|MAP_PRIVATE         MapViewOfFile3 of its section
 * os_peek, os_poke   process_vm_readv, _writev          Read/WriteProcessMemory
 * os_clear           mmap MAP_FIXED anonymous          (MapViewOfFile3 anew)
 * os_discard         madvise DONTNEED, _LOCKED         (MapViewOfFile3 anew)
 * os_share_map       mmap PROT_READ                    MapViewOfFile PAGE_READONLY
 * os_conceal         madvise DONTDUMP, UNMERGEABLE      excluded by WER API
 * os_harden          the same, DONTFORK                 the same (no fork)
 * os_bulk            madvise HUGEPAGE                   (none)
 * os_release         munmap                             UnmapViewOfFile, VirtualFree
 * os_share_write     pwrite                             MapViewOfFile, memcpy
 * os_share_written   lseek SEEK_DATA, SEEK_HOLE         all of it
 * os_file_open       open, fstat                        CreateFile, GetFileSizeEx
 * os_file_read_at    pread                              ReadFile, OVERLAPPED
 * os_file_read       the two above                      the two above
 * os_file_written    as os_share_written                FSCTL_QUERY_ALLOCATED_RANGES
 * os_new_file_create openat O_TMPFILE, or O_EXCL        CreateFile CREATE_NEW
 * os_new_file_write  pwrite, SIGXFSZ blocked            WriteFile, OVERLAPPED
 * os_new_file_commit fsync, linkat or renameat, fsync   FlushFileBuffers, MoveFileEx
 *                                                       REPLACE_EXISTING|WRITE_THROUGH
 * os_new_file_discard unlinkat                          FileDispositionInfo
 * os_random          getrandom                          BCryptGenRandom
 * os_page_*          mmap, madvise WIPEONFORK          VirtualAlloc (no fork)
 * os_clock_ns        clock_gettime CLOCK_MONOTONIC      QueryPerformanceCounter
 * os_wait, os_wake   futex                              WaitOnAddress, WakeByAddressAll
 * os_thread_*        pthread                            CreateThread, GetCurrentThreadId
 * os_print           write(1)                           WriteFile(STD_OUTPUT_HANDLE)
 * Any thread may call any of them. What returns hl_status fills err. */

/* A regular file for reading. Its size is what it was when it was opened. */
typedef struct os_file {
    intptr_t handle; /* -1: none */
    uint64_t size;   /* bytes */
} os_file;
#define OS_FILE_NONE ((os_file){-1, 0})

/* Memory that several mappings share; it cannot shrink, and once sealed its
 * contents do not change. */
typedef struct os_share {
    intptr_t handle; /* -1: none */
    uint64_t size;   /* bytes, whole pages */
    uint64_t id;     /* of its memory: no other in this process has or had it */
} os_share;
#define OS_SHARE_NONE ((os_share){-1, 0, 0})

/* Makes one of zeros and maps it writable at *bytes until os_share_seal, which
 * unmaps it and forbids every further change; bytes NULL: not mapped. */
hl_status os_share_create(os_share *out, uint8_t **bytes, uint64_t size, hl_error *err);
/* Before it is sealed. What is never written takes no memory. */
hl_status os_share_write(const os_share *share, const void *from, size_t size, uint64_t at,
                         hl_error *err);
hl_status os_share_seal(os_share *share, uint8_t *bytes, hl_error *err);
/* The first part from *at on that was written: [*at, *end), whole pages. false:
 * there is none. */
bool os_share_written(const os_share *share, uint64_t *at, uint64_t *end);
void os_share_close(os_share *share);
/* A sealed one as a file, which may outlive it. */
hl_status os_share_file(os_file *out, const os_share *share, hl_error *err);
/* All of it, readable only, until os_unmap. */
hl_status os_share_map(const uint8_t **out, const os_share *share, hl_error *err);
void os_unmap(const uint8_t *bytes, uint64_t size);

/* Address space without access, a guard page before and behind it. */
hl_status os_reserve(uint8_t **out, uint64_t size, hl_error *err);
void os_release(uint8_t *base, uint64_t size);
/* Parts of a reservation, whole pages: zero memory; a private copy-on-write
 * view. Readable and writable, committed when touched. */
hl_status os_commit(uint8_t *at, uint64_t size, hl_error *err);
hl_status os_view(uint8_t *at, const os_share *share, uint64_t offset, uint64_t size,
                  hl_error *err);
/* A private view of a file, writable or not, whose end need not be at a page.
 * What it shows may change, and end, with the file: touched by os_peek and
 * os_poke alone, which then fail with E_SYSTEM. */
hl_status os_view_file(uint8_t *at, const os_file *file, uint64_t offset, uint64_t size,
                       bool writable, hl_error *err);
hl_status os_peek(void *to, const uint8_t *from, size_t size, hl_error *err);
hl_status os_poke(uint8_t *to, const void *from, size_t size, hl_error *err);
/* Takes a view away: zero memory again. */
hl_status os_clear(uint8_t *at, uint64_t size, hl_error *err);
/* Gives memory back: zero again, or what the view shows; locked memory, too. */
hl_status os_discard(uint8_t *at, uint64_t size, hl_error *err);
/* Not in core dumps, not merged with other pages; harden: nor inherited by fork. */
void os_conceal(uint8_t *at, uint64_t size);
void os_harden(uint8_t *at, uint64_t size);

/* Much will be written there at once: in large pages, if there are such. */
void os_bulk(uint8_t *at, uint64_t size);

/* A page of zeros that is zero again in a forked child; NULL: there is none. */
void *os_page_wiped_on_fork(void);
void os_page_free(void *page);

hl_status os_file_open(os_file *out, const char *path, hl_error *err); /* err names the path */
/* All of [at, at + size); E_IMAGE if the file ends before. err does not name it. */
hl_status os_file_read_at(const os_file *file, void *to, size_t size, uint64_t at, hl_error *err);
/* As os_share_written: what is not in these parts is zero. */
bool os_file_written(const os_file *file, uint64_t *at, uint64_t *end);
void os_file_close(os_file *file);
/* The whole regular file in malloc'd memory; at most `most` bytes. */
hl_status os_file_read(uint8_t **out, size_t *size, const char *path, size_t most, hl_error *err);

/* A file that gets its name when it is complete, readable by its owner alone.
 * Until then it has none, so that nothing is left if the process is killed; or,
 * where the file system cannot do that, and while it takes another file's place,
 * it lies beside it as .hyperlight- and 16 digits. Devices and pipes are not
 * replaced. */
typedef struct os_new_file {
    intptr_t handle, folder; /* -1: none */
    char name[32];           /* empty: it has none yet */
} os_new_file;
#define OS_NEW_FILE_NONE ((os_new_file){-1, -1, ""})
hl_status os_new_file_create(os_new_file *out, const char *path, hl_error *err);
hl_status os_new_file_write(const os_new_file *file, const void *from, size_t size, uint64_t at,
                            hl_error *err);
/* Puts it on the disk and then in the place of what has that name, in one step.
 * *file is gone in any case, and on failure so is what was written, but for the
 * last step: E_SYSTEM then says that the file is complete. */
hl_status os_new_file_commit(os_new_file *file, const char *path, hl_error *err);
void os_new_file_discard(os_new_file *file); /* OS_NEW_FILE_NONE is fine */

hl_status os_random(void *out, size_t size, hl_error *err);
uint64_t os_clock_ns(void);

/* Sleeps while *word is `value`, at most `ns` (UINT64_MAX: no limit); may wake
 * for no reason. */
void os_wait(_Atomic uint32_t *word, uint32_t value, uint64_t ns);
void os_wake(_Atomic uint32_t *word); /* all that sleep on it */

uintptr_t os_thread_self(void); /* not 0; unique among live threads */
/* A detached thread with every signal blocked. */
hl_status os_thread_start(void (*body)(void), hl_error *err);

/* Writes all of it to standard output; the number of bytes, or -1. A reader
 * that is gone is an error, no signal. */
int32_t os_print(const char *text, size_t len);
bool os_print_to_terminal(void);
#endif
