/* SPDX-License-Identifier: Apache-2.0 */
/* The behaviour table: one row for each thing a guest can do. */
#include <math.h>
#include <stdlib.h>

#include "vm.h"

struct row {
    const char *function;
    hl_value args[11];
    uint32_t count;
    hl_status status;
    hl_value ret;     /* of HL_OK */
    int32_t code;     /* of E_FAILED, E_ABORT */
    uint32_t vector;  /* of E_FAULT */
    const char *text; /* part of the error */
};

/* clang-format off */
#define S(text) {HL_STR, sizeof(text) - 1, {.str = text}}
#define I32(x) {HL_I32, 0, {.i32 = x}}
#define U32(x) {HL_U32, 0, {.u32 = x}}
#define I64(x) {HL_I64, 0, {.i64 = x}}
#define U64(x) {HL_U64, 0, {.u64 = x}}
#define F32(x) {HL_F32, 0, {.f32 = x}}
#define F64(x) {HL_F64, 0, {.f64 = x}}
#define BOOL(x) {HL_BOOL, 0, {.b = x}}
#define BYTES(text) {HL_BYTES, sizeof(text) - 1, {.bytes = text}}
#define OK(name, n, result, ...) {name, {__VA_ARGS__}, n, HL_OK, result, 0, 0, NULL}
#define VOID {HL_VOID, 0, {0}}
#define DIES(name, status, code, vector, text, n, ...) \
    {name, {__VA_ARGS__}, n, status, VOID, code, vector, text}

static const struct row rows[] = {
    OK("Nothing", 0, VOID, VOID),
    OK("EchoBool", 1, BOOL(true), BOOL(true)),
    OK("EchoBool", 1, BOOL(false), BOOL(false)),
    OK("EchoI32", 1, I32(INT32_MIN), I32(INT32_MIN)),
    OK("EchoU32", 1, U32(UINT32_MAX), U32(UINT32_MAX)),
    OK("EchoI64", 1, I64(INT64_MIN), I64(INT64_MIN)),
    OK("EchoU64", 1, U64(UINT64_MAX), U64(UINT64_MAX)),
    OK("EchoF32", 1, F32(-0.0f), F32(-0.0f)),
    OK("EchoF64", 1, F64(1e308), F64(1e308)),
    OK("EchoStr", 1, S(""), S("")),
    OK("EchoStr", 1, S("h\xc3\xa9llo \xf0\x9f\x99\x82"), S("h\xc3\xa9llo \xf0\x9f\x99\x82")),
    OK("EchoBytes", 1, BYTES(""), BYTES("")),
    OK("EchoBytes", 1, BYTES("a\0b\xff"), BYTES("a\0b\xff")),
    OK("Mixed", 6, U64(1 + 2 + 3 + 6 + 4 + 5), BOOL(true), F32(2), S("abc"), BYTES("\1\2\3"),
       I64(4), F64(5)),
    OK("MakeBytes", 2, BYTES("AAAAA"), U32(5), U32('A')),
    OK("PrintNone", 0, I32(10), VOID),
    OK("PrintTwoArgs", 2, I32(27), S("Test"), I32(1)),
    OK("PrintThreeArgs", 3, I32(35), S("Test"), I32(1), I64(-2)),
    OK("PrintSixArgs", 6, I32(66), S("Test"), I32(1), I64(2), S("Hello"), S("World"), BOOL(true)),
    OK("PrintElevenArgs", 11, I32(111), S("Test"), I32(1), I64(2), S("Hello"), S("World"),
       BOOL(true), BOOL(false), U32(3), U64(4), I32(5), F32(3.125f)),
    OK("MallocFree", 1, U64(2000), U64(2000)),
    OK("MallocFree", 1, U64(8 << 20), U64(8 << 20)),
    OK("MallocFree", 1, U64(0), U64(1ull << 40)),
    OK("SmallStack", 0, U32(2055), VOID),
    OK("LargeStack", 0, U32(131079), VOID),
    OK("Added", 1, I32(1042), I32(42)),
    OK("NoSuchFunction", 2, S("NoSuchFunction/2"), I32(1), S("x")),
    OK("DivideByZero", 1, I32(0), I32(7)),
    DIES("Fail", HL_E_FAILED, 42, 0, "no luck", 2, I32(42), S("no luck")),
    DIES("Fail", HL_E_FAILED, -1, 0, "\\x1b[31m", 2, I32(-1), S("\033[31m")),
    DIES("CallUnknown", HL_E_FAILED, HL_E_UNKNOWN, 0, "NoSuch", 1, S("NoSuch")),
    DIES("CallUnknown", HL_E_FAILED, HL_E_MISMATCH, 0, "HostPrint: the guest wants i32(), the host "
         "has i32(str)", 1, S("HostPrint")),
    DIES("CallWrongType", HL_E_FAILED, HL_E_SIGNATURE, 0, "HostPrint", 0, VOID),
    DIES("Abort", HL_E_ABORT, 7, 0, "the guest aborted with code 7", 1, I32(7)),
    DIES("AbortText", HL_E_ABORT, -3, 0, "code -3: out of luck", 2, I32(-3), S("out of luck")),
    DIES("LibcAbort", HL_E_ABORT, 0, 0, "abort", 0, VOID),
    DIES("BufferOverrun", HL_E_ABORT, 0, 0, "stack smashing detected", 0, VOID),
    DIES("StackOverflow", HL_E_FAULT, 0, 14, "stack overflow", 0, VOID),
    DIES("WriteCode", HL_E_FAULT, 0, 14, "page fault (#PF) writing", 0, VOID),
    DIES("ExecuteData", HL_E_FAULT, 0, 14, "page fault (#PF) executing", 0, VOID),
    DIES("ExecuteStack", HL_E_FAULT, 0, 14, "page fault (#PF) executing", 0, VOID),
    DIES("ExecuteHeap", HL_E_FAULT, 0, 14, "page fault (#PF) executing", 0, VOID),
    DIES("NullPointer", HL_E_FAULT, 0, 14, "writing 0x0 (nothing is mapped there)", 0, VOID),
    DIES("WriteAt", HL_E_FAULT, 0, 14, "not allowed there", 1, U64(0x600000200000)),
    DIES("WriteAt", HL_E_FAULT, 0, 14, "not allowed there", 1, U64(0x600000202000)),
    DIES("ReadAt", HL_E_FAULT, 0, 14, "not allowed there", 1, U64(0x600000000000)),
    DIES("ReadAt", HL_E_FAULT, 0, 14, "nothing is mapped there", 1, U64(0x600000004000)),
    DIES("ReadAt", HL_E_FAULT, 0, 14, "nothing is mapped there", 1, U64(0xffff)),
    DIES("ReadAt", HL_E_FAULT, 0, 14, "reading", 1, U64(0xffffffff80000000)),
    DIES("ReadAt", HL_E_FAULT, 0, 13, "general protection", 1, U64(0x8000000000000000)),
    DIES("JumpTo", HL_E_FAULT, 0, 14, "executing 0x600000002000", 1, U64(0x600000002000)),
    DIES("DivideByZero", HL_E_FAULT, 0, 0, "divide error (#DE)", 1, I32(0)),
    DIES("Undefined", HL_E_FAULT, 0, 6, "invalid opcode (#UD)", 0, VOID),
    DIES("Halt", HL_E_FAULT, 0, 13, "general protection (#GP)", 0, VOID),
    DIES("Breakpoint", HL_E_FAULT, 0, 3, "breakpoint (#BP)", 0, VOID),
};
/* clang-format on */

static void check_value(const struct row *row, const hl_value *found)
{
    const hl_value *wanted = &row->ret;

    if (found->type != wanted->type || found->len != wanted->len)
        FAIL("%s: result of type %u, length %u, wanted %u, %u", row->function, found->type,
             found->len, wanted->type, wanted->len);
    if (found->type == HL_STR || found->type == HL_BYTES) {
        if (memcmp(found->as.bytes, wanted->as.bytes, wanted->len))
            FAIL("%s: other bytes came back", row->function);
        CHECK_INT(found->as.str[found->len], 0);
    } else if (found->as.u64 != wanted->as.u64) {
        FAIL("%s: result %llx, wanted %llx", row->function, (unsigned long long)found->as.u64,
             (unsigned long long)wanted->as.u64);
    }
}

/* A guest that a row leaves READY must still count on: same sandbox, same memory. */
static void check_after(const struct row *row, hl_sandbox *box)
{
    const bool well = row->status == HL_OK || row->status == HL_E_FAILED;

    CHECK_INT(hl_sandbox_state(box), well ? HL_READY : HL_POISONED);
    if (well)
        CHECK_INT(vm_call(box, "Count", NONE).as.i32, 1);
    else
        vm_expect(HL_E_STATE, "POISONED", box, "Count", NONE, NULL);
}

static void check_row(const struct row *row)
{
    hl_sandbox *box = vm_box("simple", NULL, NULL);
    hl_value ret = hl_bool(true);
    hl_error err;
    hl_status status;

    memset(&err, 0xee, sizeof err);
    status = hl_sandbox_call(&ret, box, row->function, row->args, row->count, &err);
    if (status != row->status || err.status != status)
        FAIL("%s: status %d (%s), wanted %d", row->function, status, err.text, row->status);
    if (row->text && !strstr(err.text, row->text))
        FAIL("%s: \"%s\", wanted \"...%s...\"", row->function, err.text, row->text);
    if (status == HL_E_FAILED || (status == HL_E_ABORT && row->code))
        CHECK_INT(err.code, row->code);
    if (status == HL_E_FAULT) {
        CHECK_INT(err.vector, row->vector);
        CHECK(err.rip != 0);
    }
    check_value(row, &ret);
    check_after(row, box);
    hl_sandbox_destroy(box);
}

TEST_SLOW(behaviour_table)
{
    size_t i;

    for (i = 0; i < sizeof rows / sizeof rows[0]; i++)
        check_row(&rows[i]);
}

TEST(behaviour_of_sixteen_arguments)
{
    hl_sandbox *box = vm_box("simple", NULL, NULL);
    hl_value args[17];
    int i;

    for (i = 0; i < 17; i++)
        args[i] = i < 8 ? hl_i32(i) : hl_u64((uint64_t)i << 32);
    CHECK_INT(vm_call(box, "Sum16", args, 16).as.u64, 28 + ((8ull + 15) * 4 << 32));
    vm_expect(HL_E_SIGNATURE, "Sum16: 17 arguments, wanted 16", box, "Sum16", args, 17, NULL);
    vm_expect(HL_E_SIGNATURE, "Sum16: 15 arguments, wanted 16", box, "Sum16", args, 15, NULL);
    args[3] = hl_str("x");
    vm_expect(HL_E_SIGNATURE, "Sum16: argument 4 is str, wanted i32", box, "Sum16", args, 16, NULL);
    vm_expect(HL_E_SIGNATURE, "NoSuch: 17 arguments, wanted at most 16", box, "NoSuch", args, 17,
              NULL);
    hl_sandbox_destroy(box);
}

TEST(behaviour_of_bad_values)
{
    hl_sandbox *box = vm_box("simple", NULL, NULL);
    hl_value bad = hl_bool(true);
    uint8_t two = 2;

    vm_expect(HL_E_INVALID, "EchoStr: argument 1: NULL pointer", box, "EchoStr", ARGS(hl_str(NULL)),
              NULL);
    vm_expect(HL_E_INVALID, "holds a NUL or invalid UTF-8", box, "EchoStr",
              ARGS(hl_strn("a\0b", 3)), NULL);
    vm_expect(HL_E_INVALID, "holds a NUL or invalid UTF-8", box, "EchoStr", ARGS(hl_str("\xff")),
              NULL);
    vm_expect(HL_E_INVALID, "longer than 2 GiB - 1", box, "EchoBytes",
              ARGS(hl_bytes("", HL_LEN_MAX + 1)), NULL);
    memcpy(&bad.as, &two, 1);
    vm_expect(HL_E_INVALID, "bool is neither 0 nor 1", box, "EchoBool", &bad, 1, NULL);
    vm_expect(HL_E_INVALID, "name of 0 bytes", box, "", NONE, NULL);
    CHECK_INT(vm_call(box, "Count", NONE).as.i32, 1);
    hl_sandbox_destroy(box);
}

TEST(behaviour_of_large_messages)
{
    hl_config config = {.struct_size = sizeof config, .message_size = 1 << 20};
    hl_sandbox *box = vm_box("simple", NULL, &config);
    const uint32_t frame = 64 + 16 + 1;                              /* head, slot, the NUL */
    const uint32_t result = (1 << 20) - frame, most = result - 1024; /* room for a failure */
    uint8_t *data = calloc(1, most + 1);
    hl_value ret;

    memset(data, 3, most);
    CHECK_INT(vm_call(box, "SumBytes", ARGS(hl_bytes(data, most))).as.u64, 3ull * most);
    vm_expect(HL_E_TOO_LARGE, "SumBytes: message of 1047568 bytes, 1047552 fit", box, "SumBytes",
              ARGS(hl_bytes(data, most + 1)), NULL);
    ret = vm_call(box, "EchoBytes", ARGS(hl_bytes(data, most)));
    CHECK_INT(ret.len, most);
    CHECK(!memcmp(ret.as.bytes, data, most));
    CHECK_INT(vm_call(box, "MakeBytes", ARGS(hl_u32(result), hl_u32(9))).len, result);
    vm_expect(HL_E_FAILED, "1048576", box, "MakeBytes", ARGS(hl_u32(result + 1), hl_u32(9)), NULL);
    CHECK_INT(hl_sandbox_state(box), HL_READY);
    hl_sandbox_destroy(box);
    free(data);
}

TEST(behaviour_of_an_exhausted_heap)
{
    hl_config config = {.struct_size = sizeof config, .heap_size = 1 << 20};
    hl_sandbox *box = vm_box("simple", NULL, &config);
    uint64_t first = vm_call(box, "ExhaustHeap", ARGS(hl_u32(1000))).as.u64;

    CHECK(first > 900 && first < 1100);
    CHECK_INT(vm_call(box, "ExhaustHeap", ARGS(hl_u32(1000))).as.u64, first);
    hl_sandbox_destroy(box);
}

TEST(behaviour_of_the_default_print)
{
    hl_sandbox *box = vm_box("simple", NULL, NULL);

    CHECK_INT(vm_call(box, "Print", ARGS(hl_str("printed by the guest\n"))).as.i32, 21);
    CHECK_INT(vm_call(box, "PrintLine", ARGS(hl_str("and again\n"))).as.i32, 10);
    hl_sandbox_destroy(box);
}
