/* SPDX-License-Identifier: Apache-2.0 */
/* Host functions as a guest sees them: results, failures, limits. */
#include <stdio.h>
#include <stdlib.h>

#include "../fake/fake.h"
#include "../test.h"

enum { MESSAGE = 64 * 1024 };
static const hl_config small = {.struct_size = sizeof small, .message_size = MESSAGE};

/* ---- One host function, one guest function that calls it --------------------------- */

/* What the guest saw: the frame of the host, its values copied. */
static struct {
    struct hl_frame head;
    hl_value values[2];
    char text[HL_FAIL_TEXT_MAX + 1];
} seen;

static hl_status call_and_look(struct fake_guest *guest, struct hv_exit *exit, hl_error *err)
{
    (void)exit;
    (void)err;
    if (!guest->step)
        return fake_call(guest, 0, guest->args, guest->in.count);
    seen.head = guest->in;
    memset(seen.text, 0, sizeof seen.text);
    memcpy(seen.values, guest->args, sizeof seen.values);
    if (guest->in.kind == HL_KIND_FAIL) {
        CHECK_INT(guest->in.count, 2);
        CHECK_INT(guest->args[0].type, HL_I32);
        CHECK_INT(guest->args[1].type, HL_BYTES);
        CHECK(guest->args[1].len <= HL_FAIL_TEXT_MAX);
        memcpy(seen.text, guest->args[1].as.bytes, guest->args[1].len);
    } else {
        CHECK_INT(guest->in.index, 0);
    }
    return fake_return(guest, hl_void());
}

static hl_sandbox *box_calling(const char *signature, hl_fn fn, void *user)
{
    static struct fake_function exports[1];
    static hl_symbol imports[1];
    static struct fake_program program;
    const hl_host_function function = {"h", signature, fn, user};
    char guest_signature[100];
    hl_sandbox *box;
    hl_host *host;
    hl_error err;

    snprintf(guest_signature, sizeof guest_signature, "void%s", strchr(signature, '('));
    exports[0] = (struct fake_function){"f", guest_signature, call_and_look};
    imports[0] = (hl_symbol){"h", signature};
    program = (struct fake_program){
        .exports = exports, .export_count = 1, .imports = imports, .import_count = 1};
    CHECK_INT(hl_host_create(&host, &function, 1, &err), HL_OK);
    CHECK_INT(fake_create(&box, &program, host, &small, &err), HL_OK);
    hl_host_release(host); /* the sandbox holds it */
    return box;
}

static void call_f(hl_sandbox *box)
{
    hl_error err;

    memset(&seen, 0, sizeof seen);
    CHECK_INT(hl_sandbox_call(NULL, box, "f", NULL, 0, &err), HL_OK);
    CHECK_INT(hl_sandbox_state(box), HL_READY);
    CHECK_INT(seen.head.depth, 1);
}

/* What the guest is told when the host function does as fn; it lives on. */
static void expect_fail(const char *signature, hl_fn fn, void *user, hl_status status, int32_t code,
                        const char *text)
{
    hl_sandbox *box = box_calling(signature, fn, user);

    call_f(box);
    CHECK_INT(seen.head.kind, HL_KIND_FAIL);
    CHECK_INT(seen.head.index, -status);
    CHECK_INT(seen.values[0].as.i32, code);
    CHECK_STR(seen.text, text);
    call_f(box);
    CHECK_INT(seen.head.kind, HL_KIND_FAIL);
    hl_sandbox_destroy(box);
    CHECK_INT(fake_alive(), 0);
}

/* ---- Failing ----------------------------------------------------------------------- */

static hl_status fail_with_user(hl_call *call, const hl_value args[], hl_value *ret)
{
    (void)args;
    (void)ret;
    CHECK_INT(hl_call_status(call), HL_OK);
    CHECK_INT(hl_fail(call, 42, hl_call_user(call)), HL_E_FAILED);
    CHECK_INT(hl_call_status(call), HL_E_FAILED);
    return hl_fail(call, 43, "the second one loses");
}

TEST(host_function_fails)
{
    static char longest[1000];
    char cut[HL_FAIL_TEXT_MAX + 1] = {0};

    expect_fail("i32()", fail_with_user, "disk full\x1b[0m %n", HL_E_FAILED, 42,
                "disk full\x1b[0m %n");
    expect_fail("i32()", fail_with_user, NULL, HL_E_FAILED, 42, "");
    memset(longest, 'x', sizeof longest - 1);
    memset(cut, 'x', HL_FAIL_TEXT_MAX);
    expect_fail("i32()", fail_with_user, longest, HL_E_FAILED, 42, cut);
    memcpy(longest + HL_FAIL_TEXT_MAX - 1, "\xc3\xa9", 2); /* cut before it */
    cut[HL_FAIL_TEXT_MAX - 1] = '\0';
    expect_fail("i32()", fail_with_user, longest, HL_E_FAILED, 42, cut);
}

/* A failure counts even if the function then claims success. */
static hl_status fail_then_ok(hl_call *call, const hl_value args[], hl_value *ret)
{
    (void)args;
    hl_fail(call, 1, "said so");
    *ret = hl_i32(1);
    return HL_OK;
}

static hl_status only_a_status(hl_call *call, const hl_value args[], hl_value *ret)
{
    (void)args;
    *ret = hl_i32(1);
    return *(hl_status *)hl_call_user(call);
}

TEST(host_function_returns_a_status)
{
    hl_status status = HL_E_SYSTEM;

    expect_fail("i32()", fail_then_ok, NULL, HL_E_FAILED, 1, "said so");
    expect_fail("i32()", only_a_status, &status, HL_E_FAILED, -35, "host function h returned -35");
    status = 7;
    expect_fail("i32()", only_a_status, &status, HL_E_FAILED, 7, "host function h returned 7");
}

static hl_status give_user(hl_call *call, const hl_value args[], hl_value *ret)
{
    const hl_value *value = hl_call_user(call);

    (void)args;
    *ret = *value;
    return HL_OK;
}

TEST(host_function_gives_another_type)
{
    hl_value value = hl_void();

    expect_fail("i32()", give_user, &value, HL_E_SIGNATURE, 0,
                "host function h: result is void, declared i32");
    value = hl_i32(1);
    expect_fail("void()", give_user, &value, HL_E_SIGNATURE, 0,
                "host function h: result is i32, declared void");
    value = hl_bytes("x", 1);
    expect_fail("str()", give_user, &value, HL_E_SIGNATURE, 0,
                "host function h: result is bytes, declared str");
    value.type = 77;
    expect_fail("str()", give_user, &value, HL_E_SIGNATURE, 0,
                "host function h: result is ?, declared str");
}

TEST(host_function_gives_a_bad_value)
{
    hl_value value = hl_str(NULL);

    expect_fail("str()", give_user, &value, HL_E_INVALID, 0,
                "host function h: result: NULL pointer");
    value = hl_strn("a\0b", 3);
    expect_fail("str()", give_user, &value, HL_E_INVALID, 0,
                "host function h: result: str holds a NUL or invalid UTF-8");
    value = hl_str("\xed\xa0\x80");
    expect_fail("str()", give_user, &value, HL_E_INVALID, 0,
                "host function h: result: str holds a NUL or invalid UTF-8");
    value = hl_bytes("x", HL_LEN_MAX + 1u);
    expect_fail("bytes()", give_user, &value, HL_E_INVALID, 0,
                "host function h: result: longer than 2 GiB - 1");
    value = hl_u64(2);
    value.type = HL_BOOL;
    expect_fail("bool()", give_user, &value, HL_E_INVALID, 0,
                "host function h: result: bool is neither 0 nor 1");
}

/* ---- Large results ----------------------------------------------------------------- */

static hl_status give_many(hl_call *call, const hl_value args[], hl_value *ret)
{
    const uint32_t len = *(uint32_t *)hl_call_user(call);
    uint8_t *bytes = hl_call_alloc(call, len);

    (void)args;
    CHECK(bytes);
    CHECK_INT((uintptr_t)bytes % 16, 0);
    memset(bytes, 0xee, len);
    *ret = hl_bytes(bytes, len);
    return HL_OK;
}

/* The request takes 64 bytes; the answer has the rest of the buffer. */
TEST(result_of_exactly_the_room_left)
{
    uint32_t len = MESSAGE - 64 - (64 + 16) - 1;
    hl_sandbox *box = box_calling("bytes()", give_many, &len);

    call_f(box);
    CHECK_INT(seen.head.kind, HL_KIND_RETURN);
    CHECK_INT(seen.values[0].len, len);
    hl_sandbox_destroy(box);
    len++;
    expect_fail("bytes()", give_many, &len, HL_E_TOO_LARGE, 0,
                "h: message of 65488 bytes, 65472 fit (hl_config.message_size)");
}

static hl_status take_memory(hl_call *call, const hl_value args[], hl_value *ret)
{
    (void)args;
    CHECK(!hl_call_alloc(call, (size_t)HL_LEN_MAX + 1));
    CHECK(!hl_call_alloc(call, SIZE_MAX));
    CHECK(hl_call_alloc(call, 0));
    CHECK(hl_call_alloc(call, 1));
    *ret = hl_bytes(NULL, 0);
    return HL_OK;
}

TEST(reply_memory)
{
    hl_sandbox *box = box_calling("bytes()", take_memory, NULL);

    call_f(box);
    CHECK_INT(seen.head.kind, HL_KIND_RETURN);
    CHECK_INT(seen.values[0].len, 0);
    hl_sandbox_destroy(box);
}

/* ---- What the function can ask about its call -------------------------------------- */

static hl_status look_around(hl_call *call, const hl_value args[], hl_value *ret)
{
    hl_sandbox *box = hl_call_sandbox(call);

    CHECK_INT(hl_call_count(call), 2);
    CHECK_STR(hl_call_name(call), "h");
    CHECK_STR(hl_call_user(call), "user");
    CHECK(!hl_call_stopped(call));
    CHECK_INT(hl_sandbox_state(box), HL_RUNNING);
    CHECK_INT(ret->type, HL_VOID);
    CHECK_INT(args[0].as.i64, INT64_MIN);
    CHECK_STR(args[1].as.str, "text");
    *ret = hl_i64(args[0].as.i64 + 1);
    return HL_OK;
}

TEST(host_function_sees_its_call)
{
    hl_sandbox *box = box_calling("i64(i64, str)", look_around, "user");
    const hl_value args[] = {hl_i64(INT64_MIN), hl_str("text")};
    hl_error err;

    CHECK_INT(hl_sandbox_call(NULL, box, "f", args, 2, &err), HL_OK);
    CHECK_INT(seen.values[0].as.i64, INT64_MIN + 1);
    hl_sandbox_destroy(box);
}

/* ---- Ten million empty host calls -------------------------------------------------- */

static uint32_t left;

static hl_status call_often(struct fake_guest *guest, struct hv_exit *exit, hl_error *err)
{
    static const struct hl_frame head = {.kind = HL_KIND_CALL, .depth = 1, .size = sizeof head};

    if (guest->runs == 1 || !left)
        return fake_noop(guest, exit, err);
    left--;
    memcpy(guest->replies, &head, sizeof head);
    return HL_OK;
}

static hl_status count_down(hl_call *call, const hl_value args[], hl_value *ret)
{
    (void)args;
    (void)ret;
    ++*(uint32_t *)hl_call_user(call);
    return HL_OK;
}

TEST_SLOW(ten_million_empty_host_calls)
{
    static const struct fake_function exports[] = {{"f", "void()", NULL}};
    static const hl_symbol imports[] = {{"h", "void()"}};
    const struct fake_program program = {.exports = exports,
                                         .export_count = 1,
                                         .imports = imports,
                                         .import_count = 1,
                                         .whole = call_often};
    const uint32_t wanted = test_full() ? 10000000 : 500000;
    uint32_t calls = 0;
    const hl_host_function function = {"h", "void()", count_down, &calls};
    hl_sandbox *box;
    hl_host *host;
    hl_error err;

    CHECK_INT(hl_host_create(&host, &function, 1, &err), HL_OK);
    CHECK_INT(fake_create(&box, &program, host, &small, &err), HL_OK);
    left = wanted;
    CHECK_INT(hl_sandbox_call(NULL, box, "f", NULL, 0, &err), HL_OK);
    CHECK_INT(calls, wanted);
    hl_sandbox_destroy(box);
    hl_host_release(host);
}

/* ---- Little room for an answer ----------------------------------------------------- */

/* The largest request there can be still leaves room for a failure, so a host
 * function whose result does not fit fails and nothing else happens. */
static hl_status call_from_full(struct fake_guest *guest, struct hv_exit *exit, hl_error *err)
{
    (void)exit;
    (void)err;
    if (guest->step == 0)
        return fake_call(guest, 0, NULL, 0);
    CHECK_INT(guest->in.kind, HL_KIND_FAIL);
    CHECK_INT(guest->in.index, -HL_E_TOO_LARGE);
    return fake_return(guest, hl_void());
}

static hl_status large_result(hl_call *call, const hl_value args[], hl_value *ret)
{
    (void)args;
    *ret = hl_bytes(hl_call_user(call), 2048);
    return HL_OK;
}

TEST(request_that_leaves_little_room_for_an_answer)
{
    static const struct fake_function exports[] = {{"f", "void(bytes)", call_from_full}};
    static const hl_symbol imports[] = {{"h", "bytes()"}};
    const struct fake_program program = {
        .exports = exports, .export_count = 1, .imports = imports, .import_count = 1};
    uint8_t *block = calloc(1, MESSAGE);
    const hl_host_function function = {"h", "bytes()", large_result, block};
    const hl_value arg = hl_bytes(block, MESSAGE - 1024 - 64 - 16 - 1);
    hl_sandbox *box;
    hl_host *host;
    hl_error err;

    CHECK_INT(hl_host_create(&host, &function, 1, &err), HL_OK);
    CHECK_INT(fake_create(&box, &program, host, &small, &err), HL_OK);
    CHECK_INT(hl_sandbox_call(NULL, box, "f", &arg, 1, &err), HL_OK);
    CHECK_INT(hl_sandbox_state(box), HL_READY);
    hl_sandbox_destroy(box);
    hl_host_release(host);
    free(block);
}

/* ---- The largest request ----------------------------------------------------------- */

/* However large it was, the host can still tell the guest what became of its
 * host calls. */
TEST(largest_request_leaves_room_for_answers)
{
    enum { LARGEST = MESSAGE - 1024 - 64 - 16 - 1 };
    static uint8_t block[LARGEST];
    static char longest[500];
    hl_value value = hl_bytes(block, LARGEST);
    hl_sandbox *box = box_calling("bytes(bytes)", give_user, &value);
    hl_error err;

    CHECK_INT(hl_sandbox_call(NULL, box, "f", &value, 1, &err), HL_OK);
    CHECK_INT(seen.head.kind, HL_KIND_FAIL);
    CHECK_INT(seen.head.index, -HL_E_TOO_LARGE);
    CHECK_STR(seen.text, "h: message of 64512 bytes, 1024 fit (hl_config.message_size)");
    CHECK_INT(hl_sandbox_state(box), HL_READY);
    hl_sandbox_destroy(box);
    memset(longest, 'x', sizeof longest - 1);
    box = box_calling("bytes(bytes)", fail_with_user, longest);
    CHECK_INT(hl_sandbox_call(NULL, box, "f", &value, 1, &err), HL_OK);
    CHECK_INT(seen.head.kind, HL_KIND_FAIL);
    CHECK_INT(strlen(seen.text), HL_FAIL_TEXT_MAX);
    hl_sandbox_destroy(box);
}
