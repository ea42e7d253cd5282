/* SPDX-License-Identifier: Apache-2.0 */
/* The guest runtime: offer functions to the host, call the host's. */
#ifndef HYPERLIGHT_GUEST_H
#define HYPERLIGHT_GUEST_H

#include <hyperlight/types.h>

#ifdef __cplusplus
extern "C" {
#endif

/* A guest has one thread and no operating system: memory, one processor in
 * user mode, and calls over the wall. easy.h wraps all of this in two macros. */

/* ---- Tables, read by the loader before anything runs --------------------- */

/* HL_EXPORT(Add, "i32(i32, i32)", add) offers add() to the host as Add.
 * HL_REQUIRE(Now, "u64()") declares a host function as hl_import_Now; create
 * fails by name if the host lacks it or declares it otherwise. */
typedef struct hl_export {
    const char *name, *signature;
    hl_fn fn;
} hl_export;
typedef struct hl_import {
    const char *name, *signature;
    uint64_t number;
} hl_import;
#define HL_TABLE(table) __attribute__((section(table), used, aligned(8)))
#define HL_EXPORT(id, sig, func) \
    static const hl_export hl_export_##id HL_TABLE("hl_exp") = {#id, sig, func}
#define HL_REQUIRE(id, sig) static const hl_import hl_import_##id HL_TABLE("hl_imp") = {#id, sig, 0}

/* Both optional, once a guest. HL_INIT(f): f runs once inside create, without
 * arguments or result; a failure fails create. HL_FALLBACK(f): f gets calls of
 * names that the guest does not export, with any arguments (hl_call_name,
 * hl_call_count) and any result. */
#define HL_INIT(func) static const hl_export hl_export_init HL_TABLE("hl_exp") = {"", "init", func}
#define HL_FALLBACK(func) \
    static const hl_export hl_export_fallback HL_TABLE("hl_exp") = {"", "fallback", func}

/* Exports a further function; during init only. Texts are copied. Errors:
 * E_STATE after init, E_INVALID (name, signature, twice the same name). */
hl_status hl_export_add(const char *name, const char *signature, hl_fn fn, void *user,
                        hl_error *err);

/* ---- Calling the host ---------------------------------------------------- */

/* An optional import: E_UNKNOWN if the host has no such function, E_MISMATCH
 * with both signatures if it declares it otherwise, E_INVALID for a bad name or
 * signature, E_MEMORY. *out lives for ever. */
hl_status hl_import_find(const hl_import **out, const char *name, const char *signature,
                         hl_error *err);

/* Calls a host function. *ret lives until the next import call. Errors:
 * E_SIGNATURE, E_INVALID (a bad value), E_TOO_LARGE: nothing was sent, or the
 * host function's result was refused, as the text says; E_FAILED: the host
 * function's code and text. */
hl_status hl_import_call(hl_value *ret, const hl_import *fn, const hl_value args[], uint32_t count,
                         hl_error *err);

/* As hl_import_call, but a failure gives zero of the declared type ("" for
 * str) and makes the current call fail (hl_fail with the host's code and
 * text); until hl_recover, further tries give zero without an exit. */
bool hl_import_try(hl_value *ret, const hl_import *fn, const hl_value args[], uint32_t count);
bool hl_recover(hl_error *err); /* true: this call had failed; it is cleared, copied to err */

hl_status hl_print(const char *text); /* calls HostPrint */

/* ---- Logging, aborting --------------------------------------------------- */

bool hl_log_enabled(uint32_t level); /* 1 error .. 5 trace */
/* Nothing, if the level is off. text is cut at 64 KiB, file at 255 bytes. */
void hl_log_write(uint32_t level, const char *text, const char *file, uint32_t line);

/* Ends the call as E_ABORT and poisons the sandbox. text may be NULL; it is
 * cut at 400 bytes. */
void hl_abort(int32_t code, const char *text) __attribute__((noreturn));

/* ---- What the host gave -------------------------------------------------- */

const void *hl_init_data(size_t *size); /* config.init_data; read-only; NULL if none */
uint64_t hl_generation(void);           /* another in every clone and after every restore */
void hl_random(void *out, size_t size); /* seeded by the host, anew for each generation */

#ifdef __cplusplus
}
#endif
#endif
