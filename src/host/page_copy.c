/* SPDX-License-Identifier: Apache-2.0 */
/* Page copies: comparing on the way costs no more than memcpy. */
#include "page_copy.h"

#include "../shared/abi.h"

typedef uint64_t vec __attribute__((vector_size(16), may_alias));
enum { VECS = HL_PAGE / sizeof(vec), STEP = 4 };

static bool any(vec x)
{
    return (x[0] | x[1]) != 0;
}

bool page_restore(uint8_t *to, const uint8_t *from)
{
    const vec *in = (const vec *)(const void *)from;
    vec *out = (vec *)(void *)to;
    vec changed = {0, 0}, a, b, c, d;
    uint32_t i;

    for (i = 0; i < VECS; i += STEP) {
        a = in[i];
        b = in[i + 1];
        c = in[i + 2];
        d = in[i + 3];
        changed |= (a ^ out[i]) | (b ^ out[i + 1]) | (c ^ out[i + 2]) | (d ^ out[i + 3]);
        out[i] = a;
        out[i + 1] = b;
        out[i + 2] = c;
        out[i + 3] = d;
    }
    return any(changed);
}

enum page_kind page_capture(uint8_t *to, const uint8_t *from, const uint8_t *before)
{
    const vec *in = (const vec *)(const void *)from;
    const vec *was = (const vec *)(const void *)before;
    vec *out = (vec *)(void *)to;
    vec changed = {0, 0}, bits = {0, 0}, a, b;
    uint32_t i;

    for (i = 0; i < VECS; i += 2) {
        a = in[i];
        b = in[i + 1];
        changed |= (a ^ was[i]) | (b ^ was[i + 1]);
        bits |= a | b;
        out[i] = a;
        out[i + 1] = b;
    }
    return !any(changed) ? PAGE_SAME : any(bits) ? PAGE_CHANGED : PAGE_ZERO;
}
