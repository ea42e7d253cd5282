/* SPDX-License-Identifier: Apache-2.0 */
/* easy.h on the host: functions of a guest declared with their types. */
#include "vm.h"

HL_IMPORT(void, Nothing, ())
/* Parameters may have any name: the macro has others. */
HL_IMPORT(bool, EchoBool, (bool, x))
HL_IMPORT(i32, EchoI32, (i32, x))
HL_IMPORT(u32, EchoU32, (u32, ret))
HL_IMPORT(i64, EchoI64, (i64, box))
HL_IMPORT(u64, EchoU64, (u64, err))
HL_IMPORT(f32, EchoF32, (f32, args))
HL_IMPORT(f64, EchoF64, (f64, value))
HL_IMPORT(str, EchoStr, (str, status))
HL_IMPORT(bytes, EchoBytes, (bytes, x))
HL_IMPORT(void, Fail, (i32, code, str, text))
HL_IMPORT(i64, Count, ()) /* the guest returns i32 */

TEST(easy_numbers_go_there_and_back)
{
    hl_sandbox *box = vm_box("simple", NULL, NULL);
    hl_error err;
    bool b = false;
    int32_t i32 = 0;
    uint32_t u32 = 0;
    int64_t i64 = 0;
    uint64_t u64 = 0;
    float f32 = 0;
    double f64 = 0;

    CHECK_INT(Nothing(NULL, box, &err), HL_OK);
    CHECK(!EchoBool(&b, box, &err, true) && b);
    CHECK(!EchoI32(&i32, box, &err, INT32_MIN) && i32 == INT32_MIN);
    CHECK(!EchoU32(&u32, box, &err, UINT32_MAX) && u32 == UINT32_MAX);
    CHECK(!EchoI64(&i64, box, &err, INT64_MIN) && i64 == INT64_MIN);
    CHECK(!EchoU64(&u64, box, &err, UINT64_MAX) && u64 == UINT64_MAX);
    CHECK(!EchoF32(&f32, box, &err, -1.5f) && f32 == -1.5f);
    CHECK(!EchoF64(&f64, box, &err, 1e300) && f64 == 1e300);
    CHECK_STR(err.text, "ok");
    hl_sandbox_destroy(box);
}

TEST(easy_texts_go_there_and_back)
{
    hl_sandbox *box = vm_box("simple", NULL, NULL);
    const char *text = NULL;
    hl_span span = {NULL, 0};
    hl_error err;

    CHECK_INT(EchoStr(&text, box, &err, "there and back"), HL_OK);
    CHECK_STR(text, "there and back");
    CHECK_INT(EchoBytes(&span, box, &err, (hl_span){"\0\1", 2}), HL_OK);
    CHECK(span.len == 2 && !memcmp(span.data, "\0\1", 2));
    CHECK_INT(EchoBytes(NULL, box, NULL, span), HL_OK);
    hl_sandbox_destroy(box);
}

TEST(easy_failure_leaves_the_result_alone)
{
    hl_sandbox *box = vm_box("simple", NULL, NULL);
    const char *text = "as it was";
    hl_error err;

    CHECK_INT(Fail(NULL, box, &err, 7, "no luck"), HL_E_FAILED);
    CHECK_STR(err.text, "no luck");
    CHECK_INT(err.code, 7);
    CHECK_INT(EchoStr(&text, box, &err, NULL), HL_E_INVALID);
    CHECK_STR(text, "as it was");
    hl_sandbox_destroy(box);
}

TEST(easy_result_of_another_type)
{
    hl_sandbox *box = vm_box("simple", NULL, NULL);
    int64_t count = 5;
    hl_error err;

    CHECK_INT(Count(&count, box, &err), HL_E_SIGNATURE);
    CHECK_STR(err.text, "the result is not of the type that HL_IMPORT declares");
    CHECK_INT(err.status, HL_E_SIGNATURE);
    CHECK_INT(count, 5);
    CHECK_INT(hl_sandbox_state(box), HL_READY);
    hl_sandbox_destroy(box);
}
