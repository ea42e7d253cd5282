/* SPDX-License-Identifier: Apache-2.0 */
/* Page copies: comparing on the way costs no more than memcpy. */
#include "page_copy.h"

#include "../shared/abi.h"
#include "../shared/hot.h"

/* Every function once for vectors of 16 bytes, which all processors have, and
 * once for 32, which most have and which take two thirds of the time. */
#define ANY16(x) ((x)[0] | (x)[1])
#define ANY32(x) ((x)[0] | (x)[1] | (x)[2] | (x)[3])

#define RESTORE(name, type, any, attribute) \
    attribute static bool name(uint8_t *to, const uint8_t *from) \
    { \
        const type *in = (const type *)(const void *)from; \
        type *out = (type *)(void *)to; \
        type changed = {0}, a, b, c, d; \
        uint32_t i; \
\
        for (i = 0; i < HL_PAGE / sizeof a; i += 4) { \
            a = in[i]; \
            b = in[i + 1]; \
            c = in[i + 2]; \
            d = in[i + 3]; \
            changed |= (a ^ out[i]) | (b ^ out[i + 1]) | (c ^ out[i + 2]) | (d ^ out[i + 3]); \
            out[i] = a; \
            out[i + 1] = b; \
            out[i + 2] = c; \
            out[i + 3] = d; \
        } \
        return any(changed) != 0; \
    }

#define CAPTURE(name, type, any, attribute) \
    attribute static enum page_kind name(uint8_t *to, const uint8_t *from, const uint8_t *before) \
    { \
        const type *in = (const type *)(const void *)from; \
        const type *was = (const type *)(const void *)before; \
        type *out = (type *)(void *)to; \
        type changed = {0}, bits = {0}, a, b; \
        uint32_t i; \
\
        for (i = 0; i < HL_PAGE / sizeof a; i += 2) { \
            a = in[i]; \
            b = in[i + 1]; \
            changed |= (a ^ was[i]) | (b ^ was[i + 1]); \
            bits |= a | b; \
            out[i] = a; \
            out[i + 1] = b; \
        } \
        return !any(changed) ? PAGE_SAME : any(bits) ? PAGE_CHANGED : PAGE_ZERO; \
    }

typedef uint64_t vec16 __attribute__((vector_size(16), may_alias));
typedef uint64_t vec32 __attribute__((vector_size(32), may_alias));

RESTORE(restore16, vec16, ANY16, )
RESTORE(restore32, vec32, ANY32, HL__HOT __attribute__((target("avx2"))))
CAPTURE(capture16, vec16, ANY16, )
CAPTURE(capture32, vec32, ANY32, __attribute__((target("avx2"))))

HL__HOT bool page_restore(uint8_t *to, const uint8_t *from)
{
    return __builtin_cpu_supports("avx2") ? restore32(to, from) : restore16(to, from);
}

bool page_is_zero(const uint8_t *page)
{
    const vec16 *in = (const vec16 *)(const void *)page;
    vec16 bits = {0};
    uint32_t i;

    for (i = 0; i < HL_PAGE / sizeof bits && !ANY16(bits); i += 4)
        bits = in[i] | in[i + 1] | in[i + 2] | in[i + 3];
    return !ANY16(bits);
}

enum page_kind page_capture(uint8_t *to, const uint8_t *from, const uint8_t *before)
{
    return __builtin_cpu_supports("avx2") ? capture32(to, from, before)
                                          : capture16(to, from, before);
}
