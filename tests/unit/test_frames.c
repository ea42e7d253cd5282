/* SPDX-License-Identifier: Apache-2.0 */
/* Frames that break a rule: each is named, and ends the sandbox. */
#include <stdio.h>

#include "../fake/fake.h"
#include "../test.h"

#define BROKE "the guest broke the protocol: "
enum { MESSAGE = 64 * 1024 }; /* the smallest message_size */

static uint32_t mixed; /* calls of the host function */

static hl_status mix(hl_call *call, const hl_value args[], hl_value *ret)
{
    (void)call;
    (void)ret;
    CHECK_INT(args[0].as.i32, -5);
    CHECK_INT(args[1].as.b, true);
    CHECK(args[2].as.f32 == 1.5f);
    CHECK_STR(args[3].as.str, "abc");
    CHECK_INT(args[4].len, 20);
    CHECK(!memcmp(args[4].as.bytes, "12345678901234567890", 20));
    mixed++;
    return HL_OK;
}

static hl_host *host(void)
{
    static const hl_host_function functions[] = {
        {"mix", "void(i32, bool, f32, str, bytes)", mix, 0}};
    hl_host *made;

    CHECK_INT(hl_host_create(&made, functions, 1, NULL), HL_OK);
    return made;
}

/* ---- One field wrong in a frame that calls the host function ----------------------- */

/* Where things lie in it. */
enum {
    KIND = 0,
    DEPTH = 4,
    INDEX = 8,
    COUNT = 12,
    SIZE = 16,
    RESERVED = 28,
    I32 = 64,
    BOOL = 80,
    F32 = 96,
    STR = 112,
    BYTES = 128, /* slots: */
    TYPE = 0,
    LEN = 4,
    WORD = 8,
    TEXT = 144,
    DATA = 160,
    END = 192
};

struct patch {
    uint32_t at, width;
    uint64_t value;
    const char *text; /* after BROKE; NULL: nothing is wrong */
};

static hl_status call_mix(struct fake_guest *guest, struct hv_exit *exit, hl_error *err)
{
    const hl_value values[] = {hl_i32(-5), hl_bool(true), hl_f32(1.5f), hl_str("abc"),
                               hl_bytes("12345678901234567890", 20)};
    const struct patch *patch = guest->program->user;

    (void)exit;
    (void)err;
    if (guest->step)
        return fake_return(guest, hl_void());
    fake_call(guest, 0, values, 5);
    CHECK_INT(((struct hl_frame *)fake_reply(guest))->size, END);
    memcpy(fake_reply(guest) + patch->at, &patch->value, patch->width);
    return HL_OK;
}

/* Init, and a call at depth 1, send the frame. */
static void send_patched(const hl_host *to, const struct patch *patch)
{
    static const struct fake_function exports[] = {{"f", "void()", call_mix}};
    static const hl_symbol imports[] = {{"mix", "void(i32, bool, f32, str, bytes)"}};
    struct fake_program program = {.exports = exports,
                                   .export_count = 1,
                                   .imports = imports,
                                   .import_count = 1,
                                   .user = (void *)patch};
    const hl_status wanted = patch->text ? HL_E_PROTOCOL : HL_OK;
    const uint32_t before = mixed;
    char text[300] = "ok";
    hl_sandbox *box;
    hl_error err;

    if (patch->text)
        snprintf(text, sizeof text, BROKE "%s", patch->text);
    CHECK_INT(fake_create(&box, &program, to, NULL, &err), HL_OK);
    if (hl_sandbox_call(NULL, box, "f", NULL, 0, &err) != wanted || strcmp(err.text, text))
        FAIL("%u bytes at %u set to %#llx: status %d, \"%s\", wanted %d, \"%s\"", patch->width,
             patch->at, (unsigned long long)patch->value, err.status, err.text, wanted, text);
    CHECK_INT(hl_sandbox_state(box), patch->text ? HL_POISONED : HL_READY);
    hl_sandbox_destroy(box);

    program.init = call_mix;
    CHECK_INT(fake_create(&box, &program, to, NULL, &err), wanted);
    CHECK_STR(err.text, text);
    hl_sandbox_destroy(box);
    CHECK_INT(mixed, before + (patch->text ? 0 : 2));
}

static void send_all(const struct patch *patches, size_t count)
{
    hl_host *to = host();
    size_t i;

    for (i = 0; i < count; i++)
        send_patched(to, &patches[i]);
    hl_host_release(to);
    CHECK_INT(fake_alive(), 0);
}
#define SEND(patches) send_all(patches, sizeof patches / sizeof *patches)

#define MISFIT "frame size does not fit its values"

TEST(frame_without_a_fault)
{
    static const struct patch patches[] = {{KIND, 4, HL_KIND_CALL, NULL}};

    SEND(patches);
}

TEST(frame_of_unknown_kind)
{
    static const struct patch patches[] = {
        {KIND, 4, HL_KIND_NONE, "frame of kind 0"},
        {KIND, 4, HL_KIND_INIT, "frame of kind 1"},
        {KIND, 4, HL_KIND_IMPORT + 1, "frame of kind 9"},
        {KIND, 4, UINT32_MAX, "frame of kind 4294967295"},
    };

    SEND(patches);
}

TEST(frame_at_the_wrong_depth)
{
    static const struct patch patches[] = {
        {DEPTH, 4, 0, "frame of depth 0, wanted 1"},
        {DEPTH, 4, 2, "frame of depth 2, wanted 1"},
        {DEPTH, 4, UINT32_MAX, "frame of depth 4294967295, wanted 1"},
    };

    SEND(patches);
}

TEST(call_of_an_import_out_of_range)
{
    static const struct patch patches[] = {
        {INDEX, 4, 1, "call of import 1, it has 1"},
        {INDEX, 4, 0x80000000, "call of import 2147483648, it has 1"},
        {INDEX, 4, UINT32_MAX, "call of import 4294967295, it has 1"},
    };

    SEND(patches);
}

TEST(frame_with_a_wrong_count)
{
    static const struct patch patches[] = {
        {COUNT, 4, 0, MISFIT},
        {COUNT, 4, 4, "value at the wrong offset"}, /* the payload begins elsewhere */
        {COUNT, 4, 6, "value at the wrong offset"},
        {COUNT, 4, 8, "value at the wrong offset"},
        {COUNT, 4, 9, MISFIT},
        {COUNT, 4, 17, MISFIT},
        {COUNT, 4, 18, "more values than a frame can hold"},
        {COUNT, 4, 0x10000005, "more values than a frame can hold"},
        {COUNT, 4, UINT32_MAX, "more values than a frame can hold"},
    };

    SEND(patches);
}

TEST(frame_with_a_wrong_size)
{
    static const struct patch patches[] = {
        {SIZE, 8, 0, MISFIT},
        {SIZE, 8, 1, MISFIT},
        {SIZE, 8, 128, MISFIT}, /* less than its slots */
        {SIZE, 8, END - 16, "value reaches beyond its frame"},
        {SIZE, 8, END - 1, MISFIT},
        {SIZE, 8, END + 1, MISFIT},
        {SIZE, 8, END + 8, MISFIT},
        {SIZE, 8, END + 16, MISFIT},
        {SIZE, 8, 16ull << 20, MISFIT}, /* the whole buffer */
        {SIZE, 8, (16ull << 20) + 16, "frame larger than the buffer"},
        {SIZE, 8, 1ull << 31, "frame larger than the buffer"},
        {SIZE, 8, (1ull << 32) + END, "frame larger than the buffer"},
        {SIZE, 8, 1ull << 63, "frame larger than the buffer"},
        {SIZE, 8, UINT64_MAX - 15, "frame larger than the buffer"},
        {SIZE, 8, UINT64_MAX, MISFIT},
        {RESERVED, 4, 1, "reserved field not zero"},
        {RESERVED, 4, 1u << 31, "reserved field not zero"},
    };

    SEND(patches);
}

TEST(scalar_out_of_its_range)
{
    static const struct patch patches[] = {
        {I32 + TYPE, 4, HL_VOID, "unknown value type"},
        {I32 + TYPE, 4, HL_BYTES + 1, "unknown value type"},
        {I32 + TYPE, 4, UINT32_MAX, "unknown value type"},
        {I32 + LEN, 4, 1, "length of a scalar not zero"},
        {I32 + LEN, 4, UINT32_MAX, "length of a scalar not zero"},
        {I32 + WORD, 8, 1ull << 32, "unused bytes of a value not zero"},
        {I32 + WORD, 8, (uint64_t)-5, "unused bytes of a value not zero"},
        {BOOL + WORD, 8, 2, "bool is neither 0 nor 1"},
        {BOOL + WORD, 8, 0x101, "bool is neither 0 nor 1"},
        {BOOL + WORD, 8, 1ull << 63, "bool is neither 0 nor 1"},
        {F32 + WORD, 8, 1ull << 63, "unused bytes of a value not zero"},
    };

    SEND(patches);
}

TEST(bytes_that_do_not_lie_where_they_must)
{
    static const struct patch patches[] = {
        {STR + WORD, 8, 0, "value at the wrong offset"},
        {STR + WORD, 8, TEXT - 1, "value at the wrong offset"},
        {STR + WORD, 8, TEXT + 16, "value at the wrong offset"},
        {STR + WORD, 8, UINT64_MAX, "value at the wrong offset"},
        {BYTES + WORD, 8, TEXT, "value at the wrong offset"}, /* shared with the str */
        {BYTES + WORD, 8, DATA + (1ull << 32), "value at the wrong offset"},
        {STR + LEN, 4, 47, "value at the wrong offset"}, /* of what follows */
        {STR + LEN, 4, 48, "value reaches beyond its frame"},
        {STR + LEN, 4, HL_LEN_MAX, "value reaches beyond its frame"},
        {STR + LEN, 4, 1u << 31, "value longer than 2 GiB - 1"},
        {STR + LEN, 4, UINT32_MAX, "value longer than 2 GiB - 1"},
        {BYTES + LEN, 4, 0, MISFIT},
        {BYTES + LEN, 4, 15, MISFIT},
        {BYTES + LEN, 4, 32, "value reaches beyond its frame"},
        {BYTES + LEN, 4, UINT32_MAX, "value longer than 2 GiB - 1"},
    };

    SEND(patches);
}

TEST(payload_that_is_no_text_or_not_padded)
{
    static const struct patch patches[] = {
        {TEXT + 1, 1, 0, "str holds a NUL or invalid UTF-8"},
        {TEXT + 2, 1, 0xff, "str holds a NUL or invalid UTF-8"},
        {TEXT + 2, 1, 0xc3, "str holds a NUL or invalid UTF-8"}, /* cut short */
        {STR + LEN, 4, 15, "str holds a NUL or invalid UTF-8"},
        {STR + LEN, 4, 2, "padding not zero"},
        {TEXT + 3, 1, 1, "padding not zero"}, /* no NUL after it */
        {TEXT + 15, 1, 1, "padding not zero"},
        {BYTES + LEN, 4, 19, "padding not zero"},
        {DATA + 20, 1, 0x80, "padding not zero"},
        {DATA + 31, 1, 1, "padding not zero"},
    };

    SEND(patches);
}

TEST(arguments_of_other_types)
{
#define UNFIT "arguments of host function mix do not fit its signature"
    static const struct patch patches[] = {
        {I32 + TYPE, 4, HL_U32, UNFIT},   {BOOL + TYPE, 4, HL_I32, UNFIT},
        {F32 + TYPE, 4, HL_I64, UNFIT},   {STR + TYPE, 4, HL_BYTES, UNFIT},
        {BYTES + TYPE, 4, HL_STR, UNFIT},
    };

    SEND(patches);
}

/* ---- Wrong numbers of values ------------------------------------------------------- */

struct say {
    enum hl_kind kind;
    uint32_t count;
    hl_value values[HL_VALUES_MAX];
};

static hl_status say(struct fake_guest *guest, struct hv_exit *exit, hl_error *err)
{
    const struct say *what = guest->program->user;

    (void)exit;
    (void)err;
    fake_send(guest, what->kind, 0, what->values, what->count);
    return HL_OK;
}

/* A function of this signature says that; the call comes to status and text. */
static void expect(const char *signature, const struct say *what, hl_status status,
                   const char *text)
{
    const struct fake_function exports[] = {{"f", signature, say}};
    static const hl_symbol imports[] = {{"mix", "void(i32, bool, f32, str, bytes)"}};
    const struct fake_program program = {.exports = exports,
                                         .export_count = 1,
                                         .imports = imports,
                                         .import_count = 1,
                                         .user = (void *)what};
    hl_host *to = host();
    hl_value ret = hl_i32(1);
    hl_sandbox *box;
    hl_error err;

    CHECK_INT(fake_create(&box, &program, to, NULL, &err), HL_OK);
    CHECK_INT(hl_sandbox_call(&ret, box, "f", NULL, 0, &err), status);
    CHECK_STR(err.text, text);
    CHECK_INT(ret.type, HL_VOID);
    CHECK_INT(err.code, status == HL_E_FAILED ? what->values[0].as.i32 : 0);
    CHECK_INT(hl_sandbox_state(box), status == HL_E_FAILED ? HL_READY : HL_POISONED);
    hl_sandbox_destroy(box);
    hl_host_release(to);
}

TEST(host_function_with_the_wrong_number_of_arguments)
{
    struct say what = {.kind = HL_KIND_CALL, .count = 4};
    uint32_t i;

    for (i = 0; i < HL_VALUES_MAX; i++)
        what.values[i] = hl_i32(0);
    what.values[0] = hl_i32(-5);
    what.values[1] = hl_bool(true);
    what.values[2] = hl_f32(1.5f);
    what.values[3] = hl_str("abc");
    what.values[4] = hl_bytes("12345678901234567890", 20);
    for (i = 0; i <= HL_VALUES_MAX; i++) {
        what.count = i;
        if (i != 5)
            expect("void()", &what, HL_E_PROTOCOL, BROKE UNFIT);
    }
}

TEST(result_of_another_type)
{
    struct say what = {.kind = HL_KIND_RETURN};

    expect("i32()", &what, HL_E_PROTOCOL,
           BROKE "f returned 0 values, the first void, declared i32");
    what = (struct say){HL_KIND_RETURN, 1, {hl_u32(1)}};
    expect("i32()", &what, HL_E_PROTOCOL, BROKE "f returned 1 values, the first u32, declared i32");
    expect("void()", &what, HL_E_PROTOCOL,
           BROKE "f returned 1 values, the first u32, declared void");
    what = (struct say){HL_KIND_RETURN, 2, {hl_i32(1), hl_i32(2)}};
    expect("i32()", &what, HL_E_PROTOCOL, BROKE "f returned 2 values, the first i32, declared i32");
    what = (struct say){HL_KIND_RETURN, 1, {hl_bytes("x", 1)}};
    expect("str()", &what, HL_E_PROTOCOL,
           BROKE "f returned 1 values, the first bytes, declared str");
}

TEST(init_that_returns_a_value)
{
    struct say what = {HL_KIND_RETURN, 1, {hl_i32(1)}};
    const struct fake_program program = {.init = say, .user = &what};
    hl_sandbox *box;
    hl_error err;

    CHECK_INT(fake_create(&box, &program, NULL, NULL, &err), HL_E_PROTOCOL);
    CHECK_STR(err.text, BROKE "init returned 1 values, the first i32, declared void");
}

TEST(init_that_fails)
{
    struct say what = {HL_KIND_FAIL, 2, {hl_i32(-9), hl_bytes("no \x1b[31mluck", 12)}};
    const struct fake_program program = {.init = say, .user = &what};
    hl_sandbox *box;
    hl_error err;

    CHECK_INT(fake_create(&box, &program, NULL, NULL, &err), HL_E_FAILED);
    CHECK_STR(err.text, "no \\x1b[31mluck");
    CHECK_INT(err.code, -9);
    CHECK(!box);
    CHECK_INT(fake_alive(), 0);
}

TEST(failure_well_formed)
{
    static char text[HL_FAIL_TEXT_MAX + 1];
    struct say what = {HL_KIND_FAIL, 2, {hl_i32(INT32_MIN), hl_bytes("disk %s %n full\n", 16)}};

    expect("i32()", &what, HL_E_FAILED, "disk %s %n full\\x0a");
    what.values[1] = hl_bytes(NULL, 0);
    expect("i32()", &what, HL_E_FAILED, "");
    memset(text, 'x', HL_FAIL_TEXT_MAX);
    what.values[1] = hl_bytes(text, HL_FAIL_TEXT_MAX);
    expect("i32()", &what, HL_E_FAILED, text);
    what.values[1] = hl_bytes("caf\xc3\xa9 \xff", 7);
    expect("void()", &what, HL_E_FAILED, "caf\xc3\xa9 \\xff");
}

TEST(failure_malformed)
{
    static char text[HL_FAIL_TEXT_MAX + 1];
    const struct say rows[] = {
        {HL_KIND_FAIL, 0, {{0}}},
        {HL_KIND_FAIL, 1, {hl_i32(1)}},
        {HL_KIND_FAIL, 2, {hl_bytes("x", 1), hl_i32(1)}},
        {HL_KIND_FAIL, 2, {hl_u32(1), hl_bytes("x", 1)}},
        {HL_KIND_FAIL, 2, {hl_i32(1), hl_str("x")}},
        {HL_KIND_FAIL, 3, {hl_i32(1), hl_bytes("x", 1), hl_i32(1)}},
        {HL_KIND_FAIL, 2, {hl_i32(1), hl_bytes(text, sizeof text)}},
    };
    size_t i;

    for (i = 0; i < sizeof rows / sizeof *rows; i++)
        expect("i32()", &rows[i], HL_E_PROTOCOL, BROKE "a malformed failure");
}

TEST(log_abort_export_import_malformed)
{
    static const struct {
        enum hl_kind kind;
        const char *text;
    } rows[] = {
        {HL_KIND_LOG, BROKE "a malformed log frame"},
        {HL_KIND_ABORT, BROKE "a malformed abort frame"},
        {HL_KIND_EXPORT, BROKE "a malformed export frame"},
        {HL_KIND_IMPORT, BROKE "a malformed import frame"},
    };
    struct say what;
    size_t i;

    for (i = 0; i < sizeof rows / sizeof *rows; i++) {
        what = (struct say){rows[i].kind, 0, {{0}}};
        expect("void()", &what, HL_E_PROTOCOL, rows[i].text);
        what = (struct say){rows[i].kind, 1, {hl_str("x")}};
        expect("void()", &what, HL_E_PROTOCOL, rows[i].text);
        what = (struct say){rows[i].kind, 2, {hl_bytes("x", 1), hl_bytes("void()", 6)}};
        expect("void()", &what, HL_E_PROTOCOL, rows[i].text);
        what = (struct say){rows[i].kind, 3, {hl_i32(1), hl_i32(2), hl_i32(3)}};
        expect("void()", &what, HL_E_PROTOCOL, rows[i].text);
    }
}

/* The guest exits through the gate and has written nothing: the buffer is zero. */
static hl_status say_nothing(struct fake_guest *guest, struct hv_exit *exit, hl_error *err)
{
    (void)guest;
    (void)exit;
    (void)err;
    return HL_OK;
}

TEST(gate_without_a_frame)
{
    const struct fake_program program = {.whole = say_nothing};
    hl_sandbox *box;
    hl_error err;

    CHECK_INT(fake_create(&box, &program, NULL, NULL, &err), HL_E_PROTOCOL);
    CHECK_STR(err.text, BROKE MISFIT);
}

/* ---- As large as the buffer -------------------------------------------------------- */

/* The longest bytes whose frame just fits. */
enum { FIT = MESSAGE - 64 - 16 - 1 };
static uint8_t block[MESSAGE];

static hl_status return_all(struct fake_guest *guest, struct hv_exit *exit, hl_error *err)
{
    const uint32_t *more = guest->program->user;
    struct hl_frame *head = (struct hl_frame *)guest->replies;

    (void)exit;
    (void)err;
    fake_return(guest, hl_bytes(block, FIT));
    head->size += *more;
    return HL_OK;
}

TEST(result_of_exactly_the_buffer)
{
    static const struct fake_function exports[] = {{"f", "bytes()", return_all}};
    const hl_config config = {.struct_size = sizeof config, .message_size = MESSAGE};
    uint32_t more = 0;
    const struct fake_program program = {.exports = exports, .export_count = 1, .user = &more};
    hl_sandbox *box;
    hl_value ret;
    hl_error err;

    memset(block, 0xa5, sizeof block);
    CHECK_INT(fake_create(&box, &program, NULL, &config, &err), HL_OK);
    CHECK_INT(hl_sandbox_call(&ret, box, "f", NULL, 0, &err), HL_OK);
    CHECK_INT(ret.len, FIT);
    CHECK(!memcmp(ret.as.bytes, block, FIT));
    more = 16;
    CHECK_INT(hl_sandbox_call(&ret, box, "f", NULL, 0, &err), HL_E_PROTOCOL);
    CHECK_STR(err.text, BROKE "frame larger than the buffer");
    hl_sandbox_destroy(box);
}

static hl_status count_bytes(struct fake_guest *guest, struct hv_exit *exit, hl_error *err)
{
    (void)exit;
    (void)err;
    CHECK(!memcmp(guest->args[0].as.bytes, block, guest->args[0].len));
    return fake_return(guest, hl_u32(guest->args[0].len));
}

/* Behind a request 1,024 bytes stay free for the answer to a host call. */
TEST(request_of_exactly_the_limit)
{
    static const struct fake_function exports[] = {{"f", "u32(bytes)", count_bytes}};
    const hl_config config = {.struct_size = sizeof config, .message_size = MESSAGE};
    const struct fake_program program = {.exports = exports, .export_count = 1};
    hl_value arg = hl_bytes(block, FIT - 1024), ret;
    hl_sandbox *box;
    hl_error err;

    memset(block, 0x5a, sizeof block);
    CHECK_INT(fake_create(&box, &program, NULL, &config, &err), HL_OK);
    CHECK_INT(hl_sandbox_call(&ret, box, "f", &arg, 1, &err), HL_OK);
    CHECK_INT(ret.as.u32, FIT - 1024);
    arg.len++;
    CHECK_INT(hl_sandbox_call(&ret, box, "f", &arg, 1, &err), HL_E_TOO_LARGE);
    CHECK_STR(err.text, "f: message of 64528 bytes, 64512 fit (hl_config.message_size)");
    CHECK_INT(ret.type, HL_VOID);
    CHECK_INT(hl_sandbox_state(box), HL_READY);
    arg.len = HL_LEN_MAX;
    CHECK_INT(hl_sandbox_call(&ret, box, "f", &arg, 1, &err), HL_E_TOO_LARGE);
    CHECK_STR(err.text, "f: message of 2147483728 bytes, 64512 fit (hl_config.message_size)");
    arg.len = 3;
    CHECK_INT(hl_sandbox_call(&ret, box, "f", &arg, 1, &err), HL_OK);
    CHECK_INT(ret.as.u32, 3);
    hl_sandbox_destroy(box);
}
