/* SPDX-License-Identifier: Apache-2.0 */
/* Values, status codes and errors: the same on both sides of the wall. */
#ifndef HYPERLIGHT_TYPES_H
#define HYPERLIGHT_TYPES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* ---- Values ------------------------------------------------------------ */

#define HL_PARAMS_MAX 16       /* parameters of one function */
#define HL_NAME_MAX 255        /* bytes of a function's name, at least 1 */
#define HL_LEN_MAX 0x7fffffffu /* bytes of one str or bytes */

/* What can cross the wall. A signature is text: "i32(str, bytes)". The names
 * are the ones below in lower case; void stands only before the bracket, and
 * "i32()" takes nothing. */
typedef enum hl_type {
    HL_VOID,
    HL_BOOL,
    HL_I32,
    HL_U32,
    HL_I64,
    HL_U64,
    HL_F32,
    HL_F64,
    HL_STR, /* UTF-8, no NUL inside; one you receive has a NUL at as.str[len] */
    HL_BYTES
} hl_type;

/* One value, 16 bytes. str and bytes are borrowed: an argument lives until the
 * function it was given to returns, a result as its call says. */
typedef struct hl_value {
    uint32_t type; /* hl_type */
    uint32_t len;  /* str, bytes: size in bytes, NUL not counted; otherwise 0 */
    union {
        bool b;
        int32_t i32;
        uint32_t u32;
        int64_t i64;
        uint64_t u64;
        float f32;
        double f64;
        const char *str;
        const void *bytes;
    } as;
} hl_value;

/* ---- Status and error --------------------------------------------------- */

/* Three groups. misuse: the caller's mistake; nothing ran, state unchanged.
 * environment: this machine or a file. outcome: what the call came to; after
 * one marked P the sandbox is POISONED. */
/* clang-format off */
#define HL_STATUS_LIST(X) \
    X(OK, 0, "ok") \
    X(E_INVALID, -1, "misuse: argument or configuration out of range") \
    X(E_STATE, -2, "misuse: not possible in the sandbox's present state") \
    X(E_UNKNOWN, -3, "misuse: no function of this name") \
    X(E_SIGNATURE, -4, "misuse: wrong number or type of arguments, or of a result") \
    X(E_TOO_LARGE, -5, "misuse: message larger than the buffer") \
    X(E_DEPTH, -6, "misuse: calls nested too deep") \
    X(E_MISMATCH, -7, "misuse: guest and host functions do not fit together") \
    X(E_NO_HYPERVISOR, -32, "environment: no usable hypervisor") \
    X(E_UNSUPPORTED, -33, "environment: not on this hypervisor or processor") \
    X(E_MEMORY, -34, "environment: out of memory") \
    X(E_SYSTEM, -35, "environment: a system call failed") \
    X(E_IMAGE, -36, "environment: not a guest image or snapshot, or a damaged one") \
    X(E_ABI, -37, "environment: image or snapshot of another version") \
    X(E_FAILED, -64, "outcome: the function called reported an error (code, text)") \
    X(E_CANCELLED, -65, "outcome P: stopped by hl_interrupt_stop") \
    X(E_DEADLINE, -66, "outcome P: stopped by its deadline") \
    X(E_ABORT, -67, "outcome P: the guest aborted (code, text)") \
    X(E_FAULT, -68, "outcome P: processor exception (vector, address, rip)") \
    X(E_PROTOCOL, -69, "outcome P: the guest broke the protocol")
/* clang-format on */

typedef int32_t hl_status; /* HL_OK or negative */
#define HL_STATUS_ENUM(name, number, text) HL_##name = number,
enum { HL_STATUS_LIST(HL_STATUS_ENUM) HL_STATUS_END = -1000 };
#undef HL_STATUS_ENUM

/* Filled by every call that takes one, on HL_OK too; caller-owned, may be NULL
 * where a call takes it. text is one line that names the thing, what was found
 * and what was wanted; bytes chosen by a guest are escaped in it. That of E_FAILED
 * is the function's own, which may be empty. 512 bytes. */
typedef struct hl_error {
    hl_status status;
    int32_t code;          /* E_FAILED, E_ABORT: chosen by the function; otherwise 0 */
    uint32_t vector;       /* E_FAULT: exception vector; 14 is a page fault (SDM 3A 6.15) */
    uint32_t access;       /* E_FAULT: page-fault error code (SDM 3A 4.7); in a process without
                              the bits for write and fetch where those are not known */
    uint64_t address, rip; /* E_FAULT: guest addresses */
    char text[480];        /* NUL-terminated, cut at a whole character */
} hl_error;

/* ---- Functions ---------------------------------------------------------- */

/* A function offered to the other side. ret comes in void; return HL_OK with
 * ret set to the declared type, or hl_fail(...). args live until it returns. */
typedef struct hl_call hl_call;
typedef hl_status (*hl_fn)(hl_call *call, const hl_value args[], hl_value *ret);

uint32_t hl_call_count(const hl_call *call);   /* number of args */
const char *hl_call_name(const hl_call *call); /* the name the caller used */
void *hl_call_user(const hl_call *call);       /* pointer given at registration */

/* Memory for the reply, 16-byte aligned, freed once it has been sent; NULL if
 * there is none left. */
void *hl_call_alloc(hl_call *call, size_t size);

/* Makes the call end as E_FAILED with this code and text (copied, at most 400
 * bytes; NULL is ""). The first failure of a call wins. Returns E_FAILED. */
hl_status hl_fail(hl_call *call, int32_t code, const char *text);
hl_status hl_call_status(const hl_call *call); /* HL_OK until hl_fail or a failed hl_import_try */

/* ---- Making values ------------------------------------------------------ */

static inline hl_value hl_void(void)
{
    hl_value v;
    v.type = HL_VOID;
    v.len = 0;
    v.as.u64 = 0;
    return v;
}
#define HL_MAKE(name, TYPE, ctype, field) \
    static inline hl_value hl_##name(ctype x) \
    { \
        hl_value v = hl_void(); \
        v.type = TYPE; \
        v.as.field = x; \
        return v; \
    }
HL_MAKE(bool, HL_BOOL, bool, b)
HL_MAKE(i32, HL_I32, int32_t, i32)
HL_MAKE(u32, HL_U32, uint32_t, u32)
HL_MAKE(i64, HL_I64, int64_t, i64)
HL_MAKE(u64, HL_U64, uint64_t, u64)
HL_MAKE(f32, HL_F32, float, f32)
HL_MAKE(f64, HL_F64, double, f64)
#undef HL_MAKE
static inline hl_value hl_bytes(const void *data, uint32_t len)
{
    hl_value v = hl_void();
    v.type = HL_BYTES;
    v.len = len;
    v.as.bytes = data;
    return v;
}
static inline hl_value hl_strn(const char *text, uint32_t len)
{
    hl_value v = hl_void();
    v.type = HL_STR;
    v.len = len;
    v.as.str = text;
    return v;
}
/* NULL, and more than HL_LEN_MAX bytes, are refused where the value is used. */
static inline hl_value hl_str(const char *text)
{
    size_t n = text ? __builtin_strlen(text) : 0;
    return hl_strn(text, n > HL_LEN_MAX ? UINT32_MAX : (uint32_t)n);
}

#ifdef __cplusplus
}
#endif
#endif
