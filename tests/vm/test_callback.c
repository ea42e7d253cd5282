/* SPDX-License-Identifier: Apache-2.0 */
/* Host functions: every type, failures, nesting, destroying oneself. */
#include <stdlib.h>

#include "vm.h"

HL_FUNCTION(void, HostVoid, ())
{
    (void)call;
}
HL_FUNCTION(bool, HostBool, (bool, x))
{
    return !x;
}
HL_FUNCTION(i32, HostI32, (i32, x))
{
    return x + 1;
}
HL_FUNCTION(u32, HostU32, (u32, x))
{
    return x + 1;
}
HL_FUNCTION(i64, HostI64, (i64, x))
{
    return x + 1;
}
HL_FUNCTION(u64, HostU64, (u64, x))
{
    return x + 1;
}
HL_FUNCTION(f32, HostF32, (f32, x))
{
    return x * 2;
}
HL_FUNCTION(f64, HostF64, (f64, x))
{
    return x * 2;
}
HL_FUNCTION(str, HostStr, (str, x))
{
    size_t len = strlen(x);
    char *text = hl_call_alloc(call, len + 2);

    memcpy(text, x, len);
    memcpy(text + len, "!", 2);
    return text;
}
HL_FUNCTION(bytes, HostBytes, (bytes, x))
{
    uint8_t *data = hl_call_alloc(call, x.len);
    uint32_t i;

    for (i = 0; i < x.len; i++)
        data[i] = (uint8_t) ~((const uint8_t *)x.data)[i];
    return (hl_span){data, x.len};
}
HL_FUNCTION(i32, HostFail, (i32, code, str, text))
{
    hl_fail(call, code, text);
    hl_fail(call, code + 1, "the second failure is ignored");
    return 0;
}

/* What HostNest does depends on its user pointer. */
struct nest {
    int32_t deepest;
    hl_status status; /* of the nested call */
    char text[480];
    bool destroy, die;
};
HL_FUNCTION(i32, HostNest, (i32, levels))
{
    struct nest *nest = hl_call_user(call);
    hl_sandbox *box = hl_call_sandbox(call);
    hl_value ret, args[] = {hl_i32(levels)};
    hl_error err;

    CHECK_INT(hl_sandbox_state(box), HL_RUNNING);
    if (nest->destroy) {
        hl_sandbox_destroy(box);
        return 0;
    }
    if (nest->die && levels == 0)
        nest->status = hl_sandbox_call(&ret, box, "CallUnexported", NULL, 0, &err);
    else
        nest->status = hl_sandbox_call(&ret, box, "Nest", args, 1, &err);
    memcpy(nest->text, err.text, sizeof nest->text);
    if (nest->status)
        return hl_fail(call, nest->status, err.text);
    nest->deepest = ret.as.i32 > nest->deepest ? ret.as.i32 : nest->deepest;
    return ret.as.i32;
}

static struct nest nest;

static hl_host *full_host(void)
{
    const hl_host_function table[] = {
        HL_ENTRY(HostVoid, NULL),  HL_ENTRY(HostBool, NULL), HL_ENTRY(HostI32, NULL),
        HL_ENTRY(HostU32, NULL),   HL_ENTRY(HostI64, NULL),  HL_ENTRY(HostU64, NULL),
        HL_ENTRY(HostF32, NULL),   HL_ENTRY(HostF64, NULL),  HL_ENTRY(HostStr, NULL),
        HL_ENTRY(HostBytes, NULL), HL_ENTRY(HostFail, NULL), HL_ENTRY(HostNest, &nest),
    };

    return vm_host(table, sizeof table / sizeof table[0]);
}

static hl_sandbox *full_box(const hl_config *config)
{
    hl_host *host = full_host();
    hl_sandbox *box = vm_box("callback", host, config);

    hl_host_release(host);
    return box;
}

TEST(callback_every_type)
{
    hl_sandbox *box = full_box(NULL);
    hl_value ret;

    CHECK_INT(vm_call(box, "ViaVoid", NONE).type, HL_VOID);
    CHECK_INT(vm_call(box, "ViaBool", ARGS(hl_bool(true))).as.b, false);
    CHECK_INT(vm_call(box, "ViaI32", ARGS(hl_i32(-5))).as.i32, -4);
    CHECK_INT(vm_call(box, "ViaU32", ARGS(hl_u32(0xfffffffe))).as.u32, 0xffffffff);
    CHECK_INT(vm_call(box, "ViaI64", ARGS(hl_i64(INT64_MIN))).as.i64, INT64_MIN + 1);
    CHECK_INT(vm_call(box, "ViaU64", ARGS(hl_u64(1ull << 40))).as.u64, (1ull << 40) + 1);
    CHECK(vm_call(box, "ViaF32", ARGS(hl_f32(1.5f))).as.f32 == 3.0f);
    CHECK(vm_call(box, "ViaF64", ARGS(hl_f64(-0.25))).as.f64 == -0.5);
    CHECK_STR(vm_call(box, "ViaStr", ARGS(hl_str("na\xc3\xafve"))).as.str, "na\xc3\xafve!");
    ret = vm_call(box, "ViaBytes", ARGS(hl_bytes("\0\xff\x0f", 3)));
    CHECK_INT(ret.len, 3);
    CHECK(!memcmp(ret.as.bytes, "\xff\0\xf0", 3));
    hl_sandbox_destroy(box);
}

TEST(callback_failure_reaches_the_guest)
{
    hl_sandbox *box = full_box(NULL);
    hl_error err;

    vm_expect(HL_E_FAILED, "not today", box, "ViaFail", ARGS(hl_i32(77), hl_str("not today")),
              &err);
    CHECK_INT(err.code, 77);
    CHECK_INT(vm_call(box, "ViaFailHandled", ARGS(hl_i32(78), hl_str("nor tomorrow"))).as.i32, 78);
    CHECK_INT(hl_sandbox_state(box), HL_READY);
    hl_sandbox_destroy(box);
}

TEST(callback_nests_to_the_limit)
{
    hl_config config = {.struct_size = sizeof config, .call_depth = 5};
    hl_sandbox *box = full_box(&config);
    hl_error err;

    CHECK_INT(vm_call(box, "Nest", ARGS(hl_i32(4))).as.i32, 5);
    CHECK_INT(nest.deepest, 4);
    vm_expect(HL_E_FAILED, "Nest: 5 calls are in progress, at most 5 may be", box, "Nest",
              ARGS(hl_i32(5)), &err);
    CHECK_INT(err.code, HL_E_FAILED);
    CHECK_INT(vm_call(box, "Nest", ARGS(hl_i32(4))).as.i32, 5);
    hl_sandbox_destroy(box);
}

TEST(callback_depth_64)
{
    hl_config config = {.struct_size = sizeof config, .call_depth = 64, .message_size = 65536};
    hl_sandbox *box = full_box(&config);

    CHECK_INT(vm_call(box, "Nest", ARGS(hl_i32(63))).as.i32, 64);
    hl_sandbox_destroy(box);
}

TEST(callback_may_destroy_its_sandbox)
{
    hl_sandbox *box = full_box(NULL);
    hl_error err;
    hl_value ret, args[] = {hl_i32(1)};

    nest.destroy = true;
    CHECK_INT(hl_sandbox_call(&ret, box, "Nest", args, 1, &err), HL_E_STATE);
    CHECK_HAS(err.text, "destroyed by its host function HostNest");
}

TEST(callback_names_what_is_missing)
{
    const hl_host_function wrong[] = {
        {"HostVoid", "i32()", hl_thunk_HostVoid, NULL},
        HL_ENTRY(HostBool, NULL),
        HL_ENTRY(HostI32, NULL),
        HL_ENTRY(HostU32, NULL),
        HL_ENTRY(HostI64, NULL),
        HL_ENTRY(HostU64, NULL),
        HL_ENTRY(HostF32, NULL),
        HL_ENTRY(HostF64, NULL),
        HL_ENTRY(HostStr, NULL),
        HL_ENTRY(HostBytes, NULL),
        HL_ENTRY(HostFail, NULL),
        HL_ENTRY(HostNest, &nest),
    };
    hl_guest *guest = vm_guest("callback");
    hl_host *host;
    hl_sandbox *box;
    hl_error err;

    CHECK_INT(hl_sandbox_create(&box, guest, NULL, NULL, &err), HL_E_MISMATCH);
    CHECK(!box);
    CHECK_HAS(err.text, ", which the host does not offer");
    host = vm_host(wrong, sizeof wrong / sizeof wrong[0]);
    CHECK_INT(hl_sandbox_create(&box, guest, host, NULL, &err), HL_E_MISMATCH);
    CHECK_HAS(err.text, "HostVoid: the guest imports void(), the host offers i32()");
    hl_host_release(host);
    hl_guest_release(guest);
}

TEST(callback_past_the_deadline_does_not_resume_the_guest)
{
    hl_config config = {.struct_size = sizeof config};
    hl_sandbox *box = full_box(&config);

    hl_sandbox_set_deadline(box, 20000, NULL);
    vm_expect(HL_E_DEADLINE, "deadline", box, "CallForever", NONE, NULL);
    hl_sandbox_destroy(box);
}

/* Host calls end by the deadline, however many there are, and before it are not disturbed. */
TEST_LIMIT(callback_many_empty_host_calls, 3600)
{
    const int32_t n = test_full() ? 10000000 : 20000;
    const hl_config config = {.struct_size = sizeof config, .deadline_us = 3000000000};
    hl_sandbox *box = full_box(&config);

    CHECK_INT(vm_call(box, "CallMany", ARGS(hl_i32(n))).as.i32,
              (int32_t)((uint32_t)((int64_t)n * (n + 1) / 2)));
    hl_sandbox_set_deadline(box, 50000, NULL);
    vm_expect(HL_E_DEADLINE, "deadline", box, "CallMany", ARGS(hl_i32(INT32_MAX)), NULL);
    hl_sandbox_destroy(box);
}
