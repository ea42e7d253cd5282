/* SPDX-License-Identifier: Apache-2.0 */
/* A guest that writes and sums memory as the tests tell it to. */
#include <hyperlight/easy.h>

#include "../../src/shared/abi.h"

static const struct hl_boot *boot(void)
{
    return (const struct hl_boot *)(uintptr_t)HL_BOOT;
}

static uint64_t next(uint64_t *seed)
{
    *seed ^= *seed << 13;
    *seed ^= *seed >> 7;
    *seed ^= *seed << 17;
    return *seed;
}

/* The upper half of the heap: malloc keeps to the lower end. */
static uint8_t *arena(void)
{
    return (uint8_t *)(uintptr_t)(boot()->heap + boot()->heap_size / 2);
}

static uint64_t arena_pages(void)
{
    return boot()->heap_size / 2 / HL_PAGE;
}

/* A byte each in pages at random; the guest's own data grows with it. */
static uint64_t written;
HL_FUNCTION(u64, Scatter, (u64, seed, u32, pages))
{
    uint64_t at;

    for (; pages; pages--) {
        at = next(&seed);
        arena()[at % arena_pages() * HL_PAGE + (at >> 40) % HL_PAGE] = (uint8_t)(at >> 8);
        written++;
    }
    return written;
}

/* One word in each of the first pages, `first` on. */
HL_FUNCTION(u64, Fill, (u32, first, u32, pages, u64, value))
{
    uint64_t *at = (uint64_t *)(void *)(arena() + (uint64_t)first * HL_PAGE);

    for (; pages; pages--, at += HL_PAGE / sizeof *at)
        *at = value;
    return ++written;
}

HL_FUNCTION(u64, SumPages, (u32, first, u32, pages))
{
    const uint64_t *at = (const uint64_t *)(const void *)(arena() + (uint64_t)first * HL_PAGE);
    uint64_t sum = 0;

    for (; pages; pages--, at += HL_PAGE / sizeof *at)
        sum += *at;
    return sum;
}

static __attribute__((noinline)) uint64_t deep(uint32_t pages)
{
    volatile uint8_t frame[HL_PAGE];

    frame[pages % HL_PAGE] = (uint8_t)pages;
    return pages ? deep(pages - 1) + frame[pages % HL_PAGE] : 0;
}
HL_FUNCTION(u64, UseStack, (u32, pages))
{
    return deep(pages);
}

/* Pages of the image: some that start with bytes, some that start as zeros. */
enum { DATA_PAGES = 64 };
static uint8_t initialised[DATA_PAGES * HL_PAGE] = {1}, zeroed[DATA_PAGES * HL_PAGE];

/* A byte each in so many pages of heap, of the image's data and of the stack. */
HL_FUNCTION(u64, Write, (u64, seed, u32, heap, u32, data, u32, stack))
{
    uint64_t at;
    uint8_t *to;

    for (; data; data--) {
        at = next(&seed);
        to = at >> 20 & 1 ? initialised : zeroed;
        to[at % DATA_PAGES * HL_PAGE + (at >> 40) % HL_PAGE] = (uint8_t)(at >> 8);
    }
    return hl_body_Scatter(call, seed, heap) + deep(stack);
}

/* ---- Any address --------------------------------------------------------------------- */

HL_FUNCTION(u64, Peek, (u64, address))
{
    return *(const volatile uint64_t *)(uintptr_t)address;
}
HL_FUNCTION(void, Poke, (u64, address, u64, value))
{
    *(volatile uint64_t *)(uintptr_t)address = value;
}

HL_FUNCTION(void, Execute, (u64, address))
{
    ((void (*)(void))(uintptr_t)address)();
}

/* A sum that depends on every byte and its place. */
HL_FUNCTION(u64, Sum, (u64, address, u64, size))
{
    const uint64_t *at = (const uint64_t *)(uintptr_t)address;
    uint64_t sum = 0;

    for (; size; size -= sizeof *at)
        sum = (sum << 1 | sum >> 63) ^ *at++;
    return sum;
}

/* Every page that it may write: heap, data and most of the stack. */
HL_FUNCTION(void, WriteAll, (u32, value))
{
    uint8_t *to = (uint8_t *)(uintptr_t)boot()->heap, *const end = to + boot()->heap_size;
    uint32_t i;

    for (; to < end; to += HL_PAGE)
        *(volatile uint32_t *)(void *)to = value;
    for (i = 0; i < DATA_PAGES; i++)
        initialised[i * HL_PAGE] = zeroed[i * HL_PAGE] = (uint8_t)value;
    deep((uint32_t)(boot()->stack_size / HL_PAGE) - 4);
}

/* Registers that a park keeps and that no call of ours touches. */
HL_FUNCTION(void, SetControl, (u32, mxcsr, u32, x87))
{
    const uint16_t control = (uint16_t)x87;

    __asm__ volatile("ldmxcsr %0; fldcw %1" : : "m"(mxcsr), "m"(control));
}
HL_FUNCTION(u64, Control, ())
{
    uint32_t mxcsr;
    uint16_t control;

    __asm__ volatile("stmxcsr %0; fnstcw %1" : "=m"(mxcsr), "=m"(control));
    return (uint64_t)control << 32 | mxcsr;
}

HL_FUNCTION(u64, Generation, ())
{
    return hl_generation();
}
HL_FUNCTION(bytes, Random, (u32, size))
{
    hl_span out = {hl_call_alloc(call, size), size};

    hl_random((void *)(uintptr_t)out.data, size);
    return out;
}

/* What functions with a canary compare it with. */
HL_FUNCTION(u64, Cookie, ())
{
    uint64_t cookie;

    __asm__ volatile("mov %%fs:0x28, %0" : "=r"(cookie));
    return cookie;
}

/* ---- Functions added at run time: one for each byte of the init data ------------ */

static hl_status answer(hl_call *call, const hl_value args[], hl_value *ret)
{
    (void)args;
    *ret = hl_u64((uint64_t)(uintptr_t)hl_call_user(call));
    return HL_OK;
}

static hl_status add_functions(hl_call *call, const hl_value args[], hl_value *ret)
{
    size_t size, i;
    const uint8_t *data = hl_init_data(&size);
    char name[] = "Added?";
    hl_error err;

    (void)args;
    (void)ret;
    for (i = 0; i < size; i++) {
        name[5] = (char)data[i];
        if (hl_export_add(name, "u64()", answer, (void *)(uintptr_t)(data[i] - '0'), &err))
            return hl_fail(call, 1, err.text);
    }
    return HL_OK;
}
HL_INIT(add_functions);

/* An import found only when a call asks for it. */
HL_FUNCTION(u64, AskLate, (str, name))
{
    const hl_import *import;
    hl_value ret;
    hl_error err;

    if (hl_import_find(&import, name, "u64()", &err) ||
        hl_import_call(&ret, import, NULL, 0, &err)) {
        hl_fail(call, err.status, err.text);
        return 0;
    }
    return ret.as.u64;
}
