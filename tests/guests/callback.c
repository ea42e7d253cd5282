/* SPDX-License-Identifier: Apache-2.0 */
/* Guest functions that call the host: every type, failures, nesting. */
#include <hyperlight/easy.h>
#include <string.h>

HL_IMPORT(void, HostVoid, ())
HL_IMPORT(bool, HostBool, (bool, x))
HL_IMPORT(i32, HostI32, (i32, ret))
HL_IMPORT(u32, HostU32, (u32, args))
HL_IMPORT(i64, HostI64, (i64, call))
HL_IMPORT(u64, HostU64, (u64, x))
HL_IMPORT(f32, HostF32, (f32, x))
HL_IMPORT(f64, HostF64, (f64, x))
HL_IMPORT(str, HostStr, (str, x))
HL_IMPORT(bytes, HostBytes, (bytes, x))
HL_IMPORT(i32, HostFail, (i32, code, str, text))
HL_IMPORT(i32, HostNest, (i32, levels))

HL_FUNCTION(void, ViaVoid, ())
{
    HostVoid();
}
HL_FUNCTION(bool, ViaBool, (bool, x))
{
    return HostBool(x);
}
HL_FUNCTION(i32, ViaI32, (i32, x))
{
    return HostI32(x);
}
HL_FUNCTION(u32, ViaU32, (u32, x))
{
    return HostU32(x);
}
HL_FUNCTION(i64, ViaI64, (i64, x))
{
    return HostI64(x);
}
HL_FUNCTION(u64, ViaU64, (u64, x))
{
    return HostU64(x);
}
HL_FUNCTION(f32, ViaF32, (f32, x))
{
    return HostF32(x);
}
HL_FUNCTION(f64, ViaF64, (f64, x))
{
    return HostF64(x);
}
HL_FUNCTION(str, ViaStr, (str, x))
{
    return HostStr(x);
}
HL_FUNCTION(bytes, ViaBytes, (bytes, x))
{
    return HostBytes(x);
}

/* The host's failure passes through, or is handled: then the code comes back. */
HL_FUNCTION(i32, ViaFail, (i32, code, str, text))
{
    return HostFail(code, text);
}
HL_FUNCTION(i32, ViaFailHandled, (i32, code, str, text))
{
    hl_error err;

    HostFail(code, text);
    return hl_recover(&err) && !strcmp(err.text, text) ? err.code : -1;
}

/* Calls the host, which calls this again with one less, `levels` times. */
HL_FUNCTION(i32, Nest, (i32, levels))
{
    char before[32] = "the stack below stays as it was";
    int32_t below = levels > 0 ? HostNest(levels - 1) : 0;

    if (strcmp(before, "the stack below stays as it was"))
        hl_fail(call, 1, "stack changed");
    return below + 1;
}

HL_FUNCTION(i32, CallMany, (i32, times))
{
    int32_t sum = 0, i;

    for (i = 0; i < times; i++)
        sum += HostI32(i);
    return sum;
}

HL_FUNCTION(void, CallForever, ())
{
    for (;;)
        HostVoid();
}
