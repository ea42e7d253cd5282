/* SPDX-License-Identifier: Apache-2.0 */
/* Takes decisions and values from the bytes of an input; at its end all are 0. */
#ifndef HL_FUZZ_SCRIPT_H
#define HL_FUZZ_SCRIPT_H

#include <string.h>

#include <hyperlight/types.h>

struct script {
    const uint8_t *at;
    size_t left;
};

/* Up to `size` bytes of the input, zero beyond its end. */
static inline void script_bytes(void *to, struct script *script, size_t size)
{
    const size_t n = size < script->left ? size : script->left;

    memset(to, 0, size);
    if (!n)
        return;
    memcpy(to, script->at, n);
    script->at += n;
    script->left -= n;
}

static inline uint32_t script_u32(struct script *script)
{
    uint32_t number;

    script_bytes(&number, script, sizeof number);
    return number;
}

static inline uint64_t script_u64(struct script *script)
{
    uint64_t number;

    script_bytes(&number, script, sizeof number);
    return number;
}

/* 0 to n - 1, n at most 256. */
static inline uint32_t script_below(struct script *script, uint32_t n)
{
    uint8_t byte;

    script_bytes(&byte, script, 1);
    return byte % n;
}

/* A value of the type, or of another one than exists; as illegal as a value can
 * be whose memory may be read: bools of 2, NULLs, NULs and broken UTF-8 in str. */
static inline hl_value script_value(struct script *script, uint32_t type)
{
    static const char *const texts[] = {"",   "a",         "\xe2\x82\xac",     "\xff",
                                        NULL, "HostPrint", "0123456789abcdef", "\x1b[2J%s%n"};
    static const uint8_t zeros[1024];
    hl_value value = hl_void();

    value.type = type;
    if (type == HL_STR) {
        value = hl_str(texts[script_below(script, 8)]);
        value.len += script_below(script, 16) == 15 && value.as.str; /* its NUL */
    } else if (type == HL_BYTES) {
        value = hl_bytes(zeros, script_below(script, 64));
        value.len *= script_below(script, 8) == 7 ? 16 : 1;
        value.as.bytes = script_below(script, 32) == 31 ? NULL : value.as.bytes;
    } else if (type == HL_BOOL) {
        value.as.u64 = script_below(script, 8) % 3;
    } else {
        value.as.u64 = type == HL_VOID ? 0 : script_u64(script);
    }
    return value;
}
#endif
