/* SPDX-License-Identifier: Apache-2.0 */
/* A guest that calls one host function of every type. */
#include <hyperlight/easy.h>
#include <stdio.h>

HL_IMPORT(bool, IsLeapYear, (u32, year))
HL_IMPORT(i32, Subtract, (i32, a, i32, b))
HL_IMPORT(u32, Checksum, (bytes, data))
HL_IMPORT(i64, Negate, (i64, x))
HL_IMPORT(u64, Factorial, (u64, n))
HL_IMPORT(f32, Half, (f32, x))
HL_IMPORT(f64, Mean, (f64, a, f64, b))
HL_IMPORT(str, Upper, (str, text))
HL_IMPORT(bytes, Reverse, (bytes, data))
HL_IMPORT(void, Note, (str, text, bool, important))

static void print_numbers(void)
{
    char line[256];

    snprintf(line, sizeof line, "bool %d, i32 %d, i64 %lld, u64 %llu, f32 %.2f, f64 %.3f\n",
             IsLeapYear(2028), (int)Subtract(3, 10), (long long)Negate(1ll << 40),
             (unsigned long long)Factorial(20), (double)Half(1.5f), Mean(1, 2.25));
    hl_print(line);
}

/* What comes from the host lives until the next call of a host function. */
static void print_texts(void)
{
    const hl_span data = {"\1\2\3", 3}, back = Reverse(data);
    const uint8_t *p = back.data;
    char line[256];

    snprintf(line, sizeof line, "bytes %d %d %d\n", p[0], p[1], p[2]);
    hl_print(line);
    snprintf(line, sizeof line, "u32 %u, str %s\n", (unsigned)Checksum(data), Upper("loud"));
    hl_print(line);
}

HL_FUNCTION(void, Run, ())
{
    print_numbers();
    print_texts();
    Note("every type has been there and back", true);
}
