/* SPDX-License-Identifier: Apache-2.0 */
/* One guest function for each behaviour that a guest can show. */
#include <hyperlight/easy.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- Every type, both ways ---------------------------------------------------- */

HL_FUNCTION(void, Nothing, ())
{
}
HL_FUNCTION(bool, EchoBool, (bool, x))
{
    return x;
}
HL_FUNCTION(i32, EchoI32, (i32, x))
{
    return x;
}
HL_FUNCTION(u32, EchoU32, (u32, x))
{
    return x;
}
HL_FUNCTION(i64, EchoI64, (i64, x))
{
    return x;
}
HL_FUNCTION(u64, EchoU64, (u64, x))
{
    return x;
}
HL_FUNCTION(f32, EchoF32, (f32, x))
{
    return x;
}
HL_FUNCTION(f64, EchoF64, (f64, x))
{
    return x;
}
HL_FUNCTION(str, EchoStr, (str, x))
{
    return x;
}
HL_FUNCTION(bytes, EchoBytes, (bytes, x))
{
    return x;
}

HL_FUNCTION(u64, Sum16,
            (i32, a, i32, b, i32, c, i32, d, i32, e, i32, f, i32, g, i32, h, u64, i, u64, j, u64, k,
             u64, l, u64, m, u64, n, u64, o, u64, p))
{
    return (uint64_t)(a + b + c + d + e + f + g + h) + i + j + k + l + m + n + o + p;
}

HL_FUNCTION(u64, Mixed, (bool, a, f32, b, str, c, bytes, d, i64, e, f64, f))
{
    uint64_t sum = (uint64_t)a + (uint64_t)b + strlen(c) + (uint64_t)e + (uint64_t)f;
    uint32_t i;

    for (i = 0; i < d.len; i++)
        sum += ((const uint8_t *)d.data)[i];
    return sum;
}

HL_FUNCTION(bytes, MakeBytes, (u32, size, u32, fill))
{
    hl_span out = {hl_call_alloc(call, size), size};

    if (!out.data) {
        hl_fail(call, 12, "no memory");
        return (hl_span){NULL, 0};
    }
    memset((void *)(uintptr_t)out.data, (int)fill, size);
    return out;
}

HL_FUNCTION(u64, SumBytes, (bytes, x))
{
    const uint8_t *p = x.data;
    uint64_t sum = 0;
    uint32_t i;

    for (i = 0; i < x.len; i++)
        sum += p[i];
    return sum;
}

/* ---- Printing --------------------------------------------------------------------- */

HL_IMPORT(i32, HostPrint, (str, text))
HL_FUNCTION(i32, Print, (str, text))
{
    return HostPrint(text);
}
HL_FUNCTION(i32, PrintLine, (str, text))
{
    return hl_print(text) ? -1 : (int32_t)strlen(text);
}

#define PRINT(...) \
    do { \
        char line[512]; \
        snprintf(line, sizeof line, __VA_ARGS__); \
        return HostPrint(line); \
    } while (0)
HL_FUNCTION(i32, PrintNone, ())
{
    PRINT("Message:.\n");
}
HL_FUNCTION(i32, PrintTwoArgs, (str, a, i32, b))
{
    PRINT("Message: arg1:%s arg2:%d.\n", a, b);
}
HL_FUNCTION(i32, PrintThreeArgs, (str, a, i32, b, i64, c))
{
    PRINT("Message: arg1:%s arg2:%d arg3:%lld.\n", a, b, (long long)c);
}
HL_FUNCTION(i32, PrintSixArgs, (str, a, i32, b, i64, c, str, d, str, e, bool, f))
{
    PRINT("Message: arg1:%s arg2:%d arg3:%lld arg4:%s arg5:%s arg6:%s.\n", a, b, (long long)c, d, e,
          f ? "true" : "false");
}
HL_FUNCTION(i32, PrintElevenArgs,
            (str, a, i32, b, i64, c, str, d, str, e, bool, f, bool, g, u32, h, u64, i, i32, j, f32,
             k))
{
    PRINT("Message: arg1:%s arg2:%d arg3:%lld arg4:%s arg5:%s arg6:%s arg7:%s arg8:%u arg9:%llu "
          "arg10:%d arg11:%.3f.\n",
          a, b, (long long)c, d, e, f ? "true" : "false", g ? "true" : "false", h,
          (unsigned long long)i, j, (double)k);
}

/* ---- Memory ------------------------------------------------------------------------- */

HL_FUNCTION(u64, MallocFree, (u64, size))
{
    uint8_t *p = malloc(size);
    uint64_t i;

    if (!p)
        return 0;
    for (i = 0; i < size; i += 4096)
        p[i] = 1;
    free(p);
    return size;
}

HL_FUNCTION(u64, ExhaustHeap, (u32, block))
{
    uint64_t count = 0;
    void *first = NULL, **p;

    while ((p = malloc(block)) != NULL) {
        *p = first;
        first = p;
        count++;
    }
    for (p = first; p; p = first) {
        first = *p;
        free(p);
    }
    return count;
}

HL_FUNCTION(u32, SmallStack, ())
{
    volatile uint8_t buffer[2048];

    memset((void *)(uintptr_t)buffer, 7, sizeof buffer);
    return buffer[1] + (uint32_t)sizeof buffer;
}

HL_FUNCTION(u32, LargeStack, ())
{
    volatile uint8_t buffer[128 * 1024];

    memset((void *)(uintptr_t)buffer, 7, sizeof buffer);
    return buffer[sizeof buffer - 1] + (uint32_t)sizeof buffer;
}

static __attribute__((noinline)) uint32_t recurse(uint32_t depth)
{
    volatile uint8_t buffer[512];

    buffer[depth % sizeof buffer] = 1;
    return depth == UINT32_MAX ? 0 : recurse(depth + 1) + buffer[depth % sizeof buffer];
}
HL_FUNCTION(u32, StackOverflow, ())
{
    return recurse(0);
}

static __attribute__((noinline)) void overrun(volatile uint8_t *p, uint32_t size)
{
    uint32_t i;

    for (i = 0; i < size; i++)
        p[i] = 0x41;
}
HL_FUNCTION(void, BufferOverrun, ())
{
    volatile uint8_t buffer[16];

    overrun(buffer, 64);
}

static int32_t counter;
HL_FUNCTION(i32, Count, ())
{
    return ++counter;
}

/* ---- Dying ---------------------------------------------------------------------------- */

HL_FUNCTION(void, Abort, (i32, code))
{
    hl_abort(code, NULL);
}
HL_FUNCTION(void, AbortText, (i32, code, str, text))
{
    hl_abort(code, text);
}
HL_FUNCTION(void, LibcAbort, ())
{
    abort();
}
HL_FUNCTION(void, Fail, (i32, code, str, text))
{
    hl_fail(call, code, text);
}

HL_FUNCTION(void, Halt, ())
{
    __asm__ volatile("hlt");
}
HL_FUNCTION(void, WriteCode, ())
{
    *(volatile uint8_t *)(uintptr_t)hl_thunk_Nothing = 0xc3;
}

static uint8_t data_target[] = {0xc3};
HL_FUNCTION(void, ExecuteData, ())
{
    ((void (*)(void))(uintptr_t)data_target)();
}
HL_FUNCTION(void, ExecuteStack, ())
{
    volatile uint8_t code[] = {0xc3};

    ((void (*)(void))(uintptr_t)code)();
}
HL_FUNCTION(void, ExecuteHeap, ())
{
    uint8_t *code = malloc(16);

    code[0] = 0xc3;
    ((void (*)(void))(uintptr_t)code)();
}
HL_FUNCTION(void, NullPointer, ())
{
    *(volatile int *)(uintptr_t)(call ? 0 : 8) = 1;
}
HL_FUNCTION(void, WriteAt, (u64, address))
{
    *(volatile uint8_t *)(uintptr_t)address = 1;
}
HL_FUNCTION(u32, ReadAt, (u64, address))
{
    return *(volatile uint8_t *)(uintptr_t)address;
}
HL_FUNCTION(void, JumpTo, (u64, address))
{
    ((void (*)(void))(uintptr_t)address)();
}
HL_FUNCTION(i32, DivideByZero, (i32, by))
{
    int32_t result;

    __asm__ volatile("cltd; idivl %2" : "=a"(result) : "a"(1), "r"(by) : "edx", "cc");
    return result;
}
HL_FUNCTION(void, Undefined, ())
{
    __asm__ volatile("ud2");
}
HL_FUNCTION(void, Breakpoint, ())
{
    __asm__ volatile("int3");
}
HL_FUNCTION(void, Spin, ())
{
    for (;;)
        __asm__ volatile("pause");
}
HL_FUNCTION(void, SpinFor, (u64, rounds))
{
    uint64_t i;

    for (i = 0; i < rounds; i++)
        __asm__ volatile("pause");
}

/* ---- Calling the host ---------------------------------------------------------------------- */

HL_FUNCTION(i32, CallUnknown, (str, name))
{
    const hl_import *import;
    hl_error err;

    if (hl_import_find(&import, name, "i32()", &err))
        return hl_fail(call, err.status, err.text);
    return 0;
}

HL_FUNCTION(i32, CallWrongType, ())
{
    const hl_value args[] = {hl_i32(1)};
    hl_value ret;
    hl_error err;

    if (hl_import_call(&ret, &hl_import_HostPrint, args, 1, &err))
        return hl_fail(call, err.status, err.text);
    return 0;
}

/* ---- Logging, identity ------------------------------------------------------ */

HL_FUNCTION(void, Log, (u32, level, str, text))
{
    hl_log_write(level, text, "simple.c", 7);
}
HL_FUNCTION(void, LogMany, (u32, level, u32, lines))
{
    uint32_t i;

    for (i = 0; i < lines; i++)
        hl_log_write(level, "line", "simple.c", i);
}
HL_FUNCTION(bool, LogEnabled, (u32, level))
{
    return hl_log_enabled(level);
}
HL_FUNCTION(u64, Generation, ())
{
    return hl_generation();
}
HL_FUNCTION(bytes, Random, (u32, size))
{
    hl_span out = {hl_call_alloc(call, size), size};

    if (out.data)
        hl_random((void *)(uintptr_t)out.data, size);
    else
        out.len = 0;
    return out;
}
HL_FUNCTION(bytes, InitData, ())
{
    size_t size;
    const void *data = hl_init_data(&size);

    return (hl_span){data, (uint32_t)size};
}

/* ---- Init and fallback ------------------------------------------------------- */

static hl_status added(hl_call *call, const hl_value args[], hl_value *ret)
{
    *ret = hl_i32(args[0].as.i32 + *(int32_t *)hl_call_user(call));
    return HL_OK;
}

static hl_status start(hl_call *call, const hl_value args[], hl_value *ret)
{
    static int32_t offset = 1000;
    hl_error err;

    (void)args;
    (void)ret;
    if (hl_export_add("Added", "i32(i32)", added, &offset, &err))
        return hl_fail(call, err.status, err.text);
    return HL_OK;
}
HL_INIT(start);

/* "NAME/COUNT" back for any name. */
static hl_status fallback(hl_call *call, const hl_value args[], hl_value *ret)
{
    char *text = hl_call_alloc(call, 300);

    (void)args;
    if (!text)
        return hl_fail(call, 12, "no memory");
    snprintf(text, 300, "%s/%u", hl_call_name(call), hl_call_count(call));
    *ret = hl_str(text);
    return HL_OK;
}
HL_FALLBACK(fallback);
