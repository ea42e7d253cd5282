/* SPDX-License-Identifier: Apache-2.0 */
/* Offers host functions of every type: types GUEST */
#include <ctype.h>
#include <hyperlight/easy.h>
#include <stdio.h>
#include <string.h>

HL_FUNCTION(bool, IsLeapYear, (u32, year))
{
    return (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
}
HL_FUNCTION(i32, Subtract, (i32, a, i32, b))
{
    return (int32_t)((uint32_t)a - (uint32_t)b); /* a guest may ask for any two numbers */
}
HL_FUNCTION(u32, Checksum, (bytes, data))
{
    const uint8_t *p = (const uint8_t *)data.data;
    uint32_t sum = 0, i;

    for (i = 0; i < data.len; i++)
        sum = 31 * sum + p[i];
    return sum;
}
HL_FUNCTION(i64, Negate, (i64, x))
{
    return (int64_t)(0 - (uint64_t)x);
}
HL_FUNCTION(u64, Factorial, (u64, n))
{
    uint64_t product = 1;

    if (n > 20)
        return hl_fail(call, 1, "too large for u64"), 0;
    for (; n > 1; n--)
        product *= n;
    return product;
}
HL_FUNCTION(f32, Half, (f32, x))
{
    return x / 2;
}
HL_FUNCTION(f64, Mean, (f64, a, f64, b))
{
    return (a + b) / 2;
}

/* Memory for a reply comes from the call and goes when the guest has it. */
HL_FUNCTION(str, Upper, (str, text))
{
    const size_t size = strlen(text) + 1;
    char *upper = (char *)hl_call_alloc(call, size);
    size_t i;

    if (!upper)
        return hl_fail(call, 2, "no memory"), "";
    for (i = 0; i < size; i++)
        upper[i] = (char)toupper((unsigned char)text[i]);
    return upper;
}
HL_FUNCTION(bytes, Reverse, (bytes, data))
{
    const uint8_t *from = (const uint8_t *)data.data;
    uint8_t *to = (uint8_t *)hl_call_alloc(call, data.len);
    const hl_span reply = {to, to ? data.len : 0};
    uint32_t i;

    if (!to)
        hl_fail(call, 2, "no memory");
    for (i = 0; i < reply.len; i++)
        to[i] = from[data.len - 1 - i];
    return reply;
}

/* `user` is the pointer of its entry in the table: here, where notes go. */
HL_FUNCTION(void, Note, (str, text, bool, important))
{
    fprintf((FILE *)hl_call_user(call), "note%s: %s\n", important ? "!" : "", text);
}

int main(int argc, char **argv)
{
    const hl_host_function table[] = {HL_ENTRY(IsLeapYear, NULL), HL_ENTRY(Subtract, NULL),
                                      HL_ENTRY(Checksum, NULL),   HL_ENTRY(Negate, NULL),
                                      HL_ENTRY(Factorial, NULL),  HL_ENTRY(Half, NULL),
                                      HL_ENTRY(Mean, NULL),       HL_ENTRY(Upper, NULL),
                                      HL_ENTRY(Reverse, NULL),    HL_ENTRY(Note, stdout)};
    const hl_config config = {.struct_size = sizeof config, .allow_process = 1};
    hl_guest *guest = NULL;
    hl_host *host = NULL;
    hl_sandbox *box = NULL;
    hl_error err;

    setvbuf(stdout, NULL, _IONBF, 0); /* the guest's prints are written at once, too */
    if (!hl_guest_open(&guest, argc > 1 ? argv[1] : "types_guest", &err) &&
        !hl_host_create(&host, table, sizeof table / sizeof *table, &err) &&
        !hl_sandbox_create(&box, guest, host, &config, &err))
        hl_invoke(NULL, box, &err, "Run");
    if (err.status)
        fprintf(stderr, "types: %s\n", err.text);
    hl_sandbox_destroy(box);
    hl_host_release(host);
    hl_guest_release(guest);
    return err.status != HL_OK;
}
