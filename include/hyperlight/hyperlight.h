/* SPDX-License-Identifier: Apache-2.0 */
/* The host library: run untrusted functions inside micro virtual machines. */
#ifndef HYPERLIGHT_HYPERLIGHT_H
#define HYPERLIGHT_HYPERLIGHT_H

#include <hyperlight/types.h>

#ifdef __cplusplus
extern "C" {
#endif

/* The whole library in five lines:
 *
 *   hl_guest_open(&guest, "plugin", &err)              an image, checked
 *   hl_host_create(&host, functions, count, &err)      what it may call
 *   hl_sandbox_create(&box, guest, host, NULL, &err)   one micro-VM, init has run
 *   hl_sandbox_call(&ret, box, "Add", args, 2, &err)   as often as you like
 *   hl_sandbox_destroy(box)
 *
 * Ownership: a sandbox has one owner (create/destroy). Guests, host tables and
 * stop handles are shared and counted (open or create, retain, release). NULL
 * is fine for destroy and release. Every other pointer is borrowed.
 * Threads: a const pointer may be used by any number of threads at once, any
 * other by one thread at a time (any thread, in turn).
 * Errors: out comes first, err last and may be NULL. Whatever fails leaves
 * *out NULL (a value: void) and frees what it had begun.
 * Options: set struct_size = sizeof the struct; any other member left zero
 * means its default. A NULL struct means all defaults.
 * The library never exits, aborts or prints, but for the default HostPrint.
 * Process-wide it keeps only the deadline watcher thread (started by the first
 * deadline), one claimed signal (see hl_config.interrupt_signal), idle VMs (see
 * hl_cache_limit), pages of snapshots, some random bytes not given out yet, what
 * the hypervisor said the processor can do, and for sandboxes in processes their
 * tracers and a thread that watches these.
 * A process forked off while sandboxes exist cannot use them: its calls of them
 * end in E_STATE, a destroy does nothing. Its guests, host tables and snapshots
 * are copies of its own. */
typedef struct hl_guest hl_guest;
typedef struct hl_host hl_host;
typedef struct hl_sandbox hl_sandbox;
typedef struct hl_function hl_function;
typedef struct hl_snapshot hl_snapshot;
typedef struct hl_interrupt hl_interrupt;

const char *hl_version(void);                 /* "0.1.0" */
const char *hl_status_text(hl_status status); /* one line; never NULL */

/* ---- Hypervisors -------------------------------------------------------- */

typedef enum hl_hypervisor {
    HL_HYPERVISOR_ANY, /* the best one here; the last one only if allow_process says so */
    HL_HYPERVISOR_KVM,
    HL_HYPERVISOR_PROCESS /* none: guests in locked-down processes, a weaker wall (SECURITY.md) */
} hl_hypervisor;

/* HL_OK if sandboxes can be made on it here and now, found out by making most
 * of one (about as slow). Otherwise E_NO_HYPERVISOR, the text saying why not and
 * what to do; E_UNSUPPORTED: the processor lacks something; E_SYSTEM, E_MEMORY:
 * another time perhaps; E_INVALID: no such hypervisor. Any thread. */
hl_status hl_hypervisor_probe(hl_hypervisor which, hl_error *err);
const char *hl_hypervisor_name(hl_hypervisor which); /* "any", "kvm", "process"; else "?" */

/* ---- Guest images ------------------------------------------------------- */

/* Reads the file once and checks all of it: ELF64 for x86-64, static or static
 * PIE, linked with the guest runtime. Nothing of it runs here. E_IMAGE names
 * the field that is wrong, E_ABI both versions, E_SYSTEM the path. */
hl_status hl_guest_open(hl_guest **out, const char *path, hl_error *err);
hl_status hl_guest_open_memory(hl_guest **out, const void *image, size_t size, hl_error *err);
void hl_guest_retain(const hl_guest *guest);
void hl_guest_release(const hl_guest *guest);

/* ---- Host functions ----------------------------------------------------- */

/* fn runs on the thread that called the guest (on several at once if several
 * threads call guests); it may block and may call back into its sandbox
 * through hl_call_sandbox. It must return: no longjmp, no C++ exception. */
typedef struct hl_host_function {
    const char *name, *signature; /* copied; name 1 to 255 bytes of UTF-8 */
    hl_fn fn;
    void *user; /* for hl_call_user */
} hl_host_function;

/* The functions a guest may call: at most 4,096 names, each once. An entry
 * HostPrint with signature i32(str) replaces the default one, which writes to
 * standard output (control bytes escaped if that is a terminal) and returns
 * the number of bytes. Errors: E_INVALID naming the entry, E_MEMORY. */
hl_status hl_host_create(hl_host **out, const hl_host_function fns[], size_t count, hl_error *err);
void hl_host_retain(const hl_host *host);
void hl_host_release(const hl_host *host);

/* ---- Sandboxes ---------------------------------------------------------- */

typedef enum hl_level {
    HL_LEVEL_OFF,
    HL_LEVEL_ERROR,
    HL_LEVEL_WARN,
    HL_LEVEL_INFO,
    HL_LEVEL_DEBUG,
    HL_LEVEL_TRACE
} hl_level;

/* One line written by the guest. text and file are the guest's: untrusted
 * bytes up to the first NUL, to be escaped before a terminal sees them.
 * An outermost call may write 1,000 lines and 1 MiB; the rest is counted. */
typedef struct hl_log_record {
    hl_level level;
    const char *text, *file; /* NUL-terminated; live until the function returns */
    uint32_t line;
    uint64_t dropped; /* lines lost to the budget since the last record */
} hl_log_record;
typedef void (*hl_log_fn)(void *user, const hl_log_record *record); /* on the calling thread */

/* Sizes are rounded up to whole 4 KiB pages. Memory is committed only when the
 * guest touches it: a large heap costs address space, not memory. */
typedef struct hl_config {
    uint32_t struct_size;          /* sizeof(hl_config) */
    uint32_t hypervisor;           /* hl_hypervisor */
    uint64_t heap_size;            /* bytes; default 16 MiB, 64 KiB to 64 GiB */
    uint64_t stack_size;           /* bytes; default 256 KiB, 16 KiB to 64 MiB */
    uint64_t message_size;         /* bytes each way, for all depths; default 16 MiB,
                                       64 KiB to 4 GiB */
    uint32_t call_depth;           /* calls in progress at once; default 8, 1 to 64 */
    uint32_t avx;                  /* 1: the guest may use the host's AVX state; else SSE2 */
    const void *init_data;         /* copied; the guest reads it (hl_init_data) */
    uint64_t init_size;            /* bytes; at most 1 GiB */
    uint64_t deadline_us;          /* microseconds of the monotonic clock for init and for
                                       each outermost call, host functions included; 0 none */
    const hl_interrupt *interrupt; /* retained; NULL: the sandbox makes its own */
    void *user;                    /* for hl_sandbox_user */
    hl_log_fn log;                 /* NULL: no log */
    void *log_user;
    uint32_t log_level;       /* hl_level; filtered inside the guest; default OFF */
    int32_t interrupt_signal; /* POSIX: default SIGSTKFLT, one for the process, never
                                       given back; E_INVALID if the application handles or
                                       ignores it, or if it is a real-time signal; not
                                       used in processes */
    uint64_t trust_domain;    /* a label: VMs are reused within one only; 0: one for each
                                       hl_host, and one for all sandboxes without */
    uint32_t no_reuse;        /* 1: its VM is made for it and destroyed with it */
    uint32_t allow_process;   /* 1: with HL_HYPERVISOR_ANY, HL_HYPERVISOR_PROCESS where no
                                       hypervisor is usable */
    uint64_t map_size;        /* bytes of guest addresses for hl_sandbox_map; default 1 GiB,
                                       2 MiB to 64 GiB, rounded up to whole 2 MiB */
} hl_config;

/* READY: call it. RUNNING: a call is in progress. POISONED: the guest faulted,
 * aborted, was stopped or broke the protocol; restore it or destroy it. DEAD:
 * restore (or unmap) failed; only destroy is left. */
typedef enum hl_state { HL_READY, HL_RUNNING, HL_POISONED, HL_DEAD } hl_state;

/* Makes a micro-VM and runs the guest's init in it. guest and host are
 * retained; host NULL offers HostPrint alone, config NULL all defaults.
 * Errors: E_INVALID (member, value, range), E_MISMATCH (an import the host
 * lacks or declares otherwise, both signatures), E_NO_HYPERVISOR, E_UNSUPPORTED
 * (the processor lacks what guests need, or the AVX asked for), E_MEMORY,
 * E_SYSTEM, E_STATE (destroyed by a host or log function of its init), and
 * whatever init came to (E_FAILED, E_FAULT, E_ABORT, E_PROTOCOL, E_CANCELLED,
 * E_DEADLINE). */
hl_status hl_sandbox_create(hl_sandbox **out, const hl_guest *guest, const hl_host *host,
                            const hl_config *config, hl_error *err);

/* From a host function of this sandbox: the guest does not resume, the calls
 * in progress end as E_STATE, and the last of them frees the sandbox. */
void hl_sandbox_destroy(hl_sandbox *box);
hl_state hl_sandbox_state(const hl_sandbox *box);
hl_hypervisor hl_sandbox_hypervisor(const hl_sandbox *box); /* what runs it */
void *hl_sandbox_user(const hl_sandbox *box);

/* From the next call on, in microseconds, 0 for none; the calling thread's
 * sandbox only. Errors: E_INVALID, E_STATE (in a forked child), or E_SYSTEM,
 * E_MEMORY if the watcher thread cannot be started; the deadline stays what it
 * was. */
hl_status hl_sandbox_set_deadline(hl_sandbox *box, uint64_t us, hl_error *err);

/* Calls a guest function. Arguments are checked against its signature before
 * anything runs. ret may be NULL; str and bytes in it live until the next call
 * at the same depth or destroy. From a host function, the same call nests.
 * Errors: E_UNKNOWN, E_SIGNATURE, E_TOO_LARGE, E_DEPTH, E_STATE: nothing ran.
 * E_FAILED: the guest function's own code and text; the sandbox stays READY.
 * E_CANCELLED, E_DEADLINE, E_ABORT, E_FAULT, E_PROTOCOL, and E_SYSTEM, E_MEMORY
 * or E_STATE in the middle of a call: it is POISONED. */
hl_status hl_sandbox_call(hl_value *ret, hl_sandbox *box, const char *name, const hl_value args[],
                          uint32_t count, hl_error *err);

/* Looks a name up once, for calls that cost no look-up. *out is borrowed until
 * its sandbox is destroyed. E_UNKNOWN if the guest does not export the name,
 * E_STATE in its init, E_MEMORY. A call by it ends as E_UNKNOWN, too, if a
 * restore has taken away what init had added. */
hl_status hl_sandbox_find(hl_function **out, hl_sandbox *box, const char *name, hl_error *err);
hl_status hl_function_call(hl_value *ret, hl_function *fn, const hl_value args[], uint32_t count,
                           hl_error *err);

/* Inside a host function. */
hl_sandbox *hl_call_sandbox(const hl_call *call); /* the sandbox that called it */
bool hl_call_stopped(const hl_call *call);        /* cancelled or late: long ones should return */

/* ---- Files and buffers in the guest --------------------------------------- */

/* Exactly one of path and data. */
typedef struct hl_mapping {
    uint32_t struct_size; /* sizeof(hl_mapping) */
    uint32_t writable;    /* 1: copy-on-write; files only. The file itself never changes */
    const char *path;     /* a regular file; copied */
    const void *data;     /* memory of the caller's, at a multiple of 4 KiB, see below */
    uint64_t offset;      /* bytes in the file, a multiple of 4 KiB; 0 for data */
    uint64_t size;        /* bytes, a multiple of 4 KiB; 0: to the end of the file, what lies
                                       behind that in its last page is zero */
} hl_mapping;

/* Lets the guest of a READY sandbox read (and write, see above) it in place, at
 * *address and behind; tell it by an argument. It takes no memory but for what
 * the guest writes, and no time for its size. At most 16 at once, each with a
 * gap behind it, in hl_config.map_size; hl_sandbox_area lists them.
 * A file must not get shorter meanwhile: a call that touches what is gone ends
 * as E_SYSTEM, POISONED. Whether the guest sees changes of it is left open.
 * data must live and stay as it is until it is unmapped; with it the guest sees
 * whole pages and nothing else.
 * A guest in a process gets a copy instead, of what is there at this moment: that
 * takes time and memory for the size (holes of a file apart), and file and data
 * may be changed, cut short or freed from then on. It gets a new process with it,
 * as with an unmap, or a restore to a snapshot with other files: some
 * milliseconds, and more the more it has written.
 * Snapshots have the mapped files (each holds a descriptor), with what the guest
 * wrote; a saved one has their contents. A sandbox that has data mapped cannot
 * be taken (E_STATE). A restore maps what its snapshot has and unmaps the rest.
 * Errors: E_INVALID (member, found, wanted; no room left), E_STATE, E_IMAGE (not
 * a regular file), E_SYSTEM, E_MEMORY. Nothing has changed then, unless the
 * sandbox is DEAD. */
hl_status hl_sandbox_map(uint64_t *address, hl_sandbox *box, const hl_mapping *mapping,
                         hl_error *err);

/* Takes away what was mapped at this address, from a READY or POISONED sandbox.
 * E_INVALID, E_STATE; E_SYSTEM, E_MEMORY: the sandbox is DEAD, or in a process
 * also as before; in both cases data may be freed. */
hl_status hl_sandbox_unmap(hl_sandbox *box, uint64_t address, hl_error *err);

/* ---- Snapshots ---------------------------------------------------------- */

/* Freezes a READY sandbox: its memory and its tables of functions. Costs what
 * changed since the sandbox was created or last restored or taken, not the
 * size of its memory. The sandbox goes on. Not in it: user pointer, deadline,
 * log, trust domain. Shared and counted. E_STATE, E_MEMORY, E_SYSTEM. */
hl_status hl_snapshot_take(hl_snapshot **out, hl_sandbox *box, hl_error *err);
void hl_snapshot_retain(const hl_snapshot *snapshot);
void hl_snapshot_release(const hl_snapshot *snapshot);

/* Puts a READY or POISONED sandbox back: memory, registers, tables. Nothing
 * that ran since is left in the guest, and its random numbers and generation
 * are new. The snapshot may be of any sandbox of the same guest, sizes and
 * trust domain. Results of earlier calls die; handles of functions live on.
 * Errors: E_STATE (RUNNING, DEAD), E_MISMATCH (says what differs) change
 * nothing; after E_MEMORY, E_SYSTEM it is DEAD, unless nothing had begun. */
hl_status hl_sandbox_restore(hl_sandbox *box, const hl_snapshot *snapshot, hl_error *err);

/* Makes a sandbox that goes on from a snapshot: a clone. Init does not run
 * again. host must offer what the guest imports (E_MISMATCH). In config leave
 * sizes, call_depth, avx and init_data zero: the snapshot has them. It goes on
 * on the hypervisor that it was taken on (E_INVALID if config names another);
 * one that was loaded and is of a process needs HL_HYPERVISOR_PROCESS or
 * allow_process (E_MISMATCH). Other errors as of hl_sandbox_create. Any thread. */
hl_status hl_sandbox_create_from(hl_sandbox **out, const hl_snapshot *snapshot, const hl_host *host,
                                 const hl_config *config, hl_error *err);

/* Writes a snapshot to a file, from which another process, or a machine of the
 * same kind, can go on. Costs the pages that are not zero: each is read and
 * written once. The file has its name only when it is complete and on the disk;
 * one that had the name before is replaced in that moment, and is as it was
 * after any error. Where the file system has no files without names, and while
 * an older one is replaced, a file .hyperlight-* lies beside it, which a killed
 * process leaves. Only its owner can read it (mode 0600): it holds all of the
 * guest's memory, secrets included. Any thread. E_INVALID; E_SYSTEM (a device
 * or a pipe has the name, too), E_MEMORY with the path. */
hl_status hl_snapshot_save(const hl_snapshot *snapshot, const char *path, hl_error *err);

/* Reads and checks all of such a file into memory that all sandboxes made from
 * it share; later changes of the file do not matter. It may come from anybody:
 * what is wrong is refused by name before anything of it runs, and what it
 * holds is as confined as any guest. Init does not run again. The snapshot is
 * of no trust domain; it fits sandboxes made from it, but none that were made
 * from the image or from another load. Any thread. Errors name the path:
 * E_IMAGE (the field or chunk, found and wanted), E_ABI (format or ABI of
 * another version), E_UNSUPPORTED (another kind of machine, or what the
 * processor lacks), E_SYSTEM, E_MEMORY, E_INVALID. */
hl_status hl_snapshot_load(hl_snapshot **out, const char *path, hl_error *err);

/* ---- Idle VMs ----------------------------------------------------------- */

/* Destroyed sandboxes leave their VMs in a cache of the process, scrubbed for
 * the next sandbox of the same guest, sizes and trust domain. An idle VM costs
 * the kernel 300 to 700 KiB and holds its guest, and at most some 7 MiB of what
 * its owners wrote. Where VMs come and go and none is idle, one that is empty
 * and never runs stays behind on KVM: the first VM on a machine is dear, and so
 * is the end of the last. It takes two descriptors and some 200 KiB of the
 * kernel. Any thread. */
typedef struct hl_cache_stats {
    uint64_t idle;      /* VMs in the cache */
    uint64_t bytes;     /* of guest memory that they hold beyond shared pages, about */
    uint64_t hits;      /* sandboxes that found a VM */
    uint64_t misses;    /* sandboxes that did not */
    uint64_t discarded; /* VMs destroyed: trimmed, for want of room, or unfit for reuse */
} hl_cache_stats;
void hl_cache_limit(uint32_t vms); /* most idle ones; default 16, at most 4,096, 0: none */
void hl_cache_trim(uint32_t keep); /* destroys all but the last used ones; 0: the empty one, too */
/* Makes VMs ahead of need until `vms` are idle that fit the snapshot and the
 * host's (config's) trust domain; within the limit. Errors as of
 * hl_sandbox_create_from, and E_INVALID with no_reuse. */
hl_status hl_cache_fill(const hl_snapshot *snapshot, const hl_host *host, const hl_config *config,
                        uint32_t vms, hl_error *err);
void hl_cache_get_stats(hl_cache_stats *out);

/* ---- Stopping ----------------------------------------------------------- */

/* A stop handle serves one sandbox at a time, may be made before it (to stop
 * its init) and may outlive it. */
hl_status hl_interrupt_create(hl_interrupt **out, hl_error *err);
hl_interrupt *hl_sandbox_interrupt(const hl_sandbox *box); /* borrowed */

/* true: the call (or create) in progress ends as E_CANCELLED. false: nothing
 * was in progress or it was ending already; no effect on any later call. A
 * host function is not interrupted, but its guest does not resume. Any thread. */
bool hl_interrupt_stop(const hl_interrupt *stop);
void hl_interrupt_retain(const hl_interrupt *stop);
void hl_interrupt_release(const hl_interrupt *stop);

/* ---- Looking inside, for tools ------------------------------------------ */

/* Nothing runs for these. Each returns false past the last index. Texts live as
 * long as the guest or snapshot given, those of a sandbox until its next restore
 * or its end. */
typedef struct hl_symbol {
    const char *name, *signature;
} hl_symbol;
bool hl_guest_export(hl_symbol *out, const hl_guest *guest, size_t index);
bool hl_guest_import(hl_symbol *out, const hl_guest *guest, size_t index);
bool hl_sandbox_export(hl_symbol *out, const hl_sandbox *box, size_t index); /* run-time ones too */
bool hl_snapshot_export(hl_symbol *out, const hl_snapshot *snapshot, size_t index);
bool hl_snapshot_import(hl_symbol *out, const hl_snapshot *snapshot, size_t index);

/* The version of the binary interface (docs/abi.md) between it and this library. */
uint32_t hl_guest_abi(const hl_guest *guest);
uint32_t hl_snapshot_abi(const hl_snapshot *snapshot);
/* Does its fallback get the calls of functions that it does not export? */
bool hl_guest_fallback(const hl_guest *guest);
bool hl_snapshot_fallback(const hl_snapshot *snapshot);
/* What its sandbox ran on, and what it can go on on alone; never ANY. */
hl_hypervisor hl_snapshot_hypervisor(const hl_snapshot *snapshot);

enum { HL_READ = 1, HL_WRITE = 2, HL_EXECUTE = 4 };
typedef struct hl_area {
    const char *name;       /* "image", "stack", "heap", "gate" ... */
    uint64_t address, size; /* guest virtual, whole pages */
    uint32_t access;        /* HL_READ | HL_WRITE | HL_EXECUTE, of the guest */
} hl_area;
bool hl_guest_segment(hl_area *out, const hl_guest *guest, size_t index);
/* By address. Of a guest: what a sandbox would have with this config (NULL: all
 * defaults); nothing if the config is one that create refuses. */
bool hl_guest_area(hl_area *out, const hl_guest *guest, const hl_config *config, size_t index);
bool hl_sandbox_area(hl_area *out, const hl_sandbox *box, size_t index);
bool hl_snapshot_area(hl_area *out, const hl_snapshot *snapshot, size_t index);

#ifdef __cplusplus
}
#endif
#endif
