/* SPDX-License-Identifier: Apache-2.0 */
/* The binary interface between host and guest; docs/abi.md tells its story. */
#ifndef HL_SHARED_ABI_H
#define HL_SHARED_ABI_H

#include <hyperlight/types.h>

/* ---- Version: the note in every image ------------------------------------- */

#define HL_ABI_VERSION 1u /* what this tree speaks */
#define HL_ABI_MINIMUM 1u /* the oldest it still understands */
#define HL_NOTE_NAME "Hyperlight"
#define HL_NOTE_TYPE 1u

struct hl_note {       /* IN, the description of the ELF note */
    uint32_t version;  /* ABI the guest was built against */
    uint32_t minimum;  /* oldest host ABI that it runs on */
    uint64_t features; /* needed; no bit is defined yet, so 0 */
    /* Where the tables begin and end, each counted from the field itself: that
     * needs no relocation and survives stripping. Equal addresses: empty. */
    int32_t exports, exports_end;
    int32_t imports, imports_end;
};

/* ---- Addresses ------------------------------------------------------------- */

#define HL_PAGE 4096u
#define HL_LOW_END 0x10000ull             /* never mapped below */
#define HL_WINDOW 0x600000000000ull       /* the host's window; the first 2 MiB are its own */
#define HL_GATE (HL_WINDOW + 0x200000ull) /* call it: a function without arguments */
#define HL_BOOT (HL_GATE + 2 * HL_PAGE)   /* struct hl_boot, read-only */
#define HL_SLIDE (HL_GATE + 0x10000ull)   /* address 0 of a relocatable image */

struct hl_boot {                      /* OUT of the host, IN to the guest; constant */
    uint32_t abi;                     /* version in force: the lower of both sides' */
    uint32_t call_depth;              /* requests in progress at most */
    uint64_t requests, requests_size; /* host to guest, read-only to the guest */
    uint64_t replies, replies_size;   /* guest to host */
    uint64_t stack, stack_size;       /* the stack pointer starts at its end */
    uint64_t heap, heap_size;         /* zero until written */
    uint64_t init_data, init_size;    /* read-only; size 0: none */
};

/* ---- Export and import tables (sections hl_exp, hl_imp) --------------------- */

struct hl_table_entry {       /* IN, 24 bytes; three guest addresses */
    uint64_t name, signature; /* NUL-terminated text inside the image */
    uint64_t extra;           /* export: the function; import: 0 */
};
#define HL_FUNCTIONS_MAX 4096u /* each way, run-time ones included */

/* ---- Frames ---------------------------------------------------------------- */

enum hl_kind {
    HL_KIND_NONE,
    /* host to guest, and from either side */
    HL_KIND_INIT,   /* depth 1, once: run init, then RETURN or FAIL */
    HL_KIND_CALL,   /* index: position in the callee's table, arguments follow */
    HL_KIND_RETURN, /* one value, or none for void */
    HL_KIND_FAIL,   /* i32 code, bytes text; from the host index is -status */
    /* guest to host only */
    HL_KIND_LOG,    /* index: level; bytes text, bytes file, u32 line */
    HL_KIND_ABORT,  /* i32 code, bytes text */
    HL_KIND_EXPORT, /* during init: str name, str signature; RETURN u32 index */
    HL_KIND_IMPORT  /* str name, str signature; RETURN u32 index */
};
#define HL_INDEX_NAMED 0xffffffffu /* CALL to the fallback: the first value is the name */
#define HL_FAIL_TEXT_MAX 400u      /* bytes of text in FAIL and ABORT */
#define HL_VALUES_MAX (HL_PARAMS_MAX + 1)

struct hl_frame {        /* 64 bytes, then slots, then the payload */
    uint32_t kind;       /* enum hl_kind */
    uint32_t depth;      /* 1 for the outermost request */
    uint32_t index;      /* by kind; otherwise 0 */
    uint32_t count;      /* value slots */
    uint64_t size;       /* of the whole frame in bytes, a multiple of 16 */
    uint32_t log_level;  /* INIT and CALL of the host: most the guest may log */
    uint32_t reserved;   /* 0 */
    uint64_t generation; /* INIT and CALL of the host at depth 1 */
    uint64_t seed[3];    /* with a generation the guest has not seen; otherwise 0 */
};

/* A str or bytes of `len` bytes lies at `word` from the start of its frame; the
 * first right after the slots, each next one at the next multiple of 16. At
 * least one zero byte follows it; all bytes up to the next value are zero. */
struct hl_slot {
    uint32_t type, len; /* as in hl_value; len 0 for scalars */
    uint64_t word;      /* the value (unused upper bytes 0), or the offset */
};

#define HL_ALIGN_UP(x, a) (((x) + ((a)-1)) & ~((uint64_t)(a)-1))
/* Frames of one direction form a stack: the next one starts here. */
#define HL_FRAME_NEXT(offset, size) HL_ALIGN_UP((offset) + (size), 64)

_Static_assert(sizeof(struct hl_note) == 32, "note description");
_Static_assert(sizeof(struct hl_frame) == 64, "frame header");
_Static_assert(sizeof(struct hl_slot) == 16 && sizeof(hl_value) == 16, "value slot");
_Static_assert(sizeof(hl_error) == 512, "error");
_Static_assert(sizeof(struct hl_table_entry) == 24, "table entry");
#endif
