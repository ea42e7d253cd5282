/* SPDX-License-Identifier: Apache-2.0 */
/* Exports and imports that a guest adds while it runs, and declared imports. */
#include <stdio.h>
#include <stdlib.h>

#include "../fake/fake.h"
#include "../test.h"

/* ---- A guest that sends one EXPORT or IMPORT frame --------------------------------- */

struct ask {
    enum hl_kind kind;
    hl_value name, signature;
    uint32_t times;         /* 0: once; the name's last four bytes count up */
    struct hl_frame answer; /* OUT: the last one */
    uint32_t index;         /* of RETURN */
    char text[HL_FAIL_TEXT_MAX + 1];
};

static void keep_answer(struct ask *ask, const struct fake_guest *guest)
{
    ask->answer = guest->in;
    memset(ask->text, 0, sizeof ask->text);
    if (guest->in.kind == HL_KIND_FAIL) {
        memcpy(ask->text, guest->args[1].as.bytes, guest->args[1].len);
        return;
    }
    CHECK_INT(guest->in.count, 1);
    CHECK_INT(guest->args[0].type, HL_U32);
    ask->index = guest->args[0].as.u32;
}

static hl_status ask(struct fake_guest *guest, struct hv_exit *exit, hl_error *err)
{
    struct ask *question = guest->program->user;
    char name[300];
    hl_value values[2] = {question->name, question->signature};

    (void)exit;
    (void)err;
    if (guest->step)
        keep_answer(question, guest);
    if (guest->step && guest->step >= question->times)
        return fake_return(guest, hl_void());
    if (question->times) {
        snprintf(name, sizeof name, "%s%04u", question->name.as.str, guest->step);
        values[0] = hl_str(name);
    }
    fake_send(guest, question->kind, 0, values, 2);
    return HL_OK;
}

static hl_status double_it(struct fake_guest *guest, struct hv_exit *exit, hl_error *err)
{
    (void)exit;
    (void)err;
    return fake_return(guest, hl_i32(2 * guest->args[0].as.i32));
}

static hl_status host_noop(hl_call *call, const hl_value args[], hl_value *ret)
{
    (void)call;
    (void)args;
    (void)ret;
    return HL_OK;
}

static const struct fake_function exports[] = {{"ask", "void()", ask},
                                               {"run", "void()", double_it}};

/* The question asked in init. */
static hl_sandbox *box_asking(struct ask *question)
{
    static struct fake_program program;
    static const hl_host_function function = {"h", "void(i32)", host_noop, NULL};
    hl_sandbox *box;
    hl_host *host;
    hl_error err;

    program = (struct fake_program){
        .exports = exports, .export_count = 2, .init = ask, .user = question};
    CHECK_INT(hl_host_create(&host, &function, 1, &err), HL_OK);
    CHECK_INT(fake_create(&box, &program, host, NULL, &err), HL_OK);
    hl_host_release(host);
    return box;
}

static void expect_refused(enum hl_kind kind, hl_value name, const char *signature,
                           hl_status status, const char *text)
{
    struct ask question = {kind, name, hl_str(signature), 0, {0}, 0, {0}};
    hl_sandbox *box = box_asking(&question);
    hl_symbol symbol;

    CHECK_INT(question.answer.kind, HL_KIND_FAIL);
    CHECK_INT(question.answer.index, -status);
    CHECK_STR(question.text, text);
    CHECK_INT(box->exports_added.count, 0);
    CHECK_INT(box->import_count, 0);
    CHECK(!hl_sandbox_export(&symbol, box, 2));
    CHECK_INT(hl_sandbox_state(box), HL_READY);
    hl_sandbox_destroy(box);
}

/* ---- Exports ----------------------------------------------------------------------- */

TEST(export_during_init_can_be_called)
{
    struct ask question = {
        .kind = HL_KIND_EXPORT, .name = hl_str("twice"), .signature = hl_str("i32( i32 )")};
    const hl_value arg = hl_i32(21);
    hl_sandbox *box = box_asking(&question);
    hl_function *function;
    hl_symbol symbol;
    hl_value ret;
    hl_error err;

    CHECK_INT(question.answer.kind, HL_KIND_RETURN);
    CHECK_INT(question.index, 2);
    CHECK(hl_sandbox_export(&symbol, box, 2));
    CHECK_STR(symbol.name, "twice");
    CHECK_STR(symbol.signature, "i32(i32)");
    CHECK(!hl_sandbox_export(&symbol, box, 3));
    CHECK_INT(hl_sandbox_call(&ret, box, "twice", &arg, 1, &err), HL_OK);
    CHECK_INT(ret.as.i32, 42);
    CHECK_INT(hl_sandbox_find(&function, box, "twice", &err), HL_OK);
    CHECK_INT(hl_function_call(&ret, function, &arg, 1, &err), HL_OK);
    CHECK_INT(ret.as.i32, 42);
    CHECK_INT(hl_sandbox_call(&ret, box, "twice", NULL, 0, &err), HL_E_SIGNATURE);
    hl_sandbox_destroy(box);
}

TEST(export_after_init_is_refused)
{
    struct ask question = {
        .kind = HL_KIND_EXPORT, .name = hl_str("late"), .signature = hl_str("void()")};
    const struct fake_program program = {.exports = exports, .export_count = 1, .user = &question};
    hl_sandbox *box;
    hl_error err;

    CHECK_INT(fake_create(&box, &program, NULL, NULL, &err), HL_OK);
    CHECK_INT(hl_sandbox_call(NULL, box, "ask", NULL, 0, &err), HL_OK);
    CHECK_INT(question.answer.kind, HL_KIND_FAIL);
    CHECK_INT(question.answer.index, -HL_E_STATE);
    CHECK_STR(question.text, "export late: functions can be added during init only");
    CHECK_INT(hl_sandbox_call(NULL, box, "late", NULL, 0, &err), HL_E_UNKNOWN);
    hl_sandbox_destroy(box);
}

TEST(export_that_cannot_be)
{
    static char longest[300];

    expect_refused(HL_KIND_EXPORT, hl_str("run"), "void()", HL_E_INVALID,
                   "export run: exported twice");
    expect_refused(HL_KIND_EXPORT, hl_str(""), "void()", HL_E_INVALID,
                   "name of 0 bytes, wanted 1 to 255");
    memset(longest, 'n', HL_NAME_MAX + 1);
    expect_refused(HL_KIND_EXPORT, hl_str(longest), "void()", HL_E_INVALID,
                   "name of 256 bytes, wanted 1 to 255");
    expect_refused(HL_KIND_EXPORT, hl_str("g"), "int()", HL_E_INVALID,
                   "g: signature \"int()\": unknown result type");
    expect_refused(HL_KIND_EXPORT, hl_str("%n"), "", HL_E_INVALID,
                   "%n: signature \"\": unknown result type");
    expect_refused(HL_KIND_EXPORT, hl_str("g\x1b"), "void(void)", HL_E_INVALID,
                   "g\\x1b: signature \"void(void)\": void is no parameter type");
}

TEST(exports_up_to_the_limit)
{
    struct ask question = {.kind = HL_KIND_EXPORT,
                           .name = hl_str("n"),
                           .signature = hl_str("void()"),
                           .times = HL_FUNCTIONS_MAX - 2};
    hl_sandbox *box = box_asking(&question);
    hl_function *function;
    hl_error err;

    CHECK_INT(question.answer.kind, HL_KIND_RETURN);
    CHECK_INT(question.index, HL_FUNCTIONS_MAX - 1);
    CHECK_INT(hl_sandbox_find(&function, box, "n4093", &err), HL_OK);
    CHECK_INT(function->index, HL_FUNCTIONS_MAX - 1);
    hl_sandbox_destroy(box);
    question.times++;
    box = box_asking(&question);
    CHECK_INT(question.answer.kind, HL_KIND_FAIL);
    CHECK_STR(question.text, "export n4094: more than 4096 functions");
    hl_sandbox_destroy(box);
}

/* Adds one, shows it to the host, adds many more, shows it again. */
static hl_status export_and_show(struct fake_guest *guest, struct hv_exit *exit, hl_error *err)
{
    enum { MANY = 300 };
    char name[16];
    hl_value values[2] = {hl_void(), hl_str("i32(i32, str)")};

    (void)exit;
    (void)err;
    if (guest->step == 1 || guest->step == MANY)
        return fake_call(guest, 0, NULL, 0);
    if (guest->step > MANY)
        return fake_return(guest, hl_void());
    snprintf(name, sizeof name, "added%03u", guest->step);
    values[0] = hl_str(name);
    fake_send(guest, HL_KIND_EXPORT, 0, values, 2);
    return HL_OK;
}

static hl_status look_at_the_first(hl_call *call, const hl_value args[], hl_value *ret)
{
    hl_symbol *first = hl_call_user(call), now;

    (void)args;
    (void)ret;
    CHECK(hl_sandbox_export(&now, hl_call_sandbox(call), 0));
    if (!first->name)
        *first = now;
    CHECK(now.name == first->name && now.signature == first->signature);
    CHECK_STR(first->name, "added000");
    CHECK_STR(first->signature, "i32(i32, str)");
    return HL_OK;
}

/* Texts live as long as the sandbox, those given out in the middle of init too. */
TEST(export_texts_stay_where_they_are)
{
    hl_symbol first = {0};
    const hl_host_function function = {"look", "void()", look_at_the_first, &first};
    const hl_symbol import = {"look", "void()"};
    const struct fake_program program = {
        .imports = &import, .import_count = 1, .init = export_and_show};
    hl_sandbox *box;
    hl_host *host;
    hl_error err;

    CHECK_INT(hl_host_create(&host, &function, 1, &err), HL_OK);
    CHECK_INT(fake_create(&box, &program, host, NULL, &err), HL_OK);
    CHECK_INT(box->exports_added.count, 299);
    CHECK_STR(first.name, "added000");
    CHECK_STR(first.signature, "i32(i32, str)");
    hl_sandbox_destroy(box);
    hl_host_release(host);
}

/* ---- Imports ----------------------------------------------------------------------- */

TEST(import_at_run_time)
{
    struct ask question = {
        .kind = HL_KIND_IMPORT, .name = hl_str("h"), .signature = hl_str("void(i32)")};
    hl_sandbox *box = box_asking(&question);
    hl_error err;

    CHECK_INT(question.answer.kind, HL_KIND_RETURN);
    CHECK_INT(question.index, 0);
    CHECK_INT(hl_sandbox_call(NULL, box, "ask", NULL, 0, &err), HL_OK); /* after init too */
    CHECK_INT(question.index, 1);
    question.name = hl_str("HostPrint");
    question.signature = hl_str("i32(str)");
    CHECK_INT(hl_sandbox_call(NULL, box, "ask", NULL, 0, &err), HL_OK);
    CHECK_INT(question.index, 2);
    hl_sandbox_destroy(box);
}

TEST(import_that_cannot_be)
{
    static char giant[1 << 20];

    expect_refused(HL_KIND_IMPORT, hl_str("nothing"), "void()", HL_E_UNKNOWN,
                   "the host has no function nothing");
    expect_refused(HL_KIND_IMPORT, hl_str("HostPrin"), "i32(str)", HL_E_UNKNOWN,
                   "the host has no function HostPrin");
    expect_refused(HL_KIND_IMPORT, hl_str("HostPrint%n"), "i32(str)", HL_E_UNKNOWN,
                   "the host has no function HostPrint%n");
    expect_refused(HL_KIND_IMPORT, hl_str("h"), "void(u32)", HL_E_MISMATCH,
                   "h: the guest wants void(u32), the host has void(i32)");
    expect_refused(HL_KIND_IMPORT, hl_str("h"), "bool(i32)", HL_E_MISMATCH,
                   "h: the guest wants bool(i32), the host has void(i32)");
    expect_refused(HL_KIND_IMPORT, hl_str("h"), "void(i32", HL_E_INVALID,
                   "h: signature \"void(i32\": ',' or ')' expected");
    expect_refused(HL_KIND_IMPORT, hl_str(""), "void()", HL_E_INVALID,
                   "name of 0 bytes, wanted 1 to 255");
    memset(giant, 'n', sizeof giant - 1);
    expect_refused(HL_KIND_IMPORT, hl_str(giant), "void()", HL_E_INVALID,
                   "name of 1048575 bytes, wanted 1 to 255");
}

static hl_status import_until_full(struct fake_guest *guest, struct hv_exit *exit, hl_error *err)
{
    const hl_value values[] = {hl_str("h"), hl_str("void(i32)")};

    (void)exit;
    (void)err;
    if (guest->step && guest->in.kind == HL_KIND_FAIL) {
        CHECK_INT(guest->step, HL_FUNCTIONS_MAX + 1);
        keep_answer(guest->program->user, guest);
        return fake_return(guest, hl_void());
    }
    fake_send(guest, HL_KIND_IMPORT, 0, values, 2);
    return HL_OK;
}

TEST(imports_up_to_the_limit)
{
    struct ask last = {0};
    const struct fake_program program = {.init = import_until_full, .user = &last};
    const hl_host_function function = {"h", "void(i32)", host_noop, NULL};
    hl_sandbox *box;
    hl_host *host;
    hl_error err;

    CHECK_INT(hl_host_create(&host, &function, 1, &err), HL_OK);
    CHECK_INT(fake_create(&box, &program, host, NULL, &err), HL_OK);
    CHECK_STR(last.text, "import h: more than 4096 functions");
    CHECK_INT(box->import_count, HL_FUNCTIONS_MAX);
    hl_sandbox_destroy(box);
    hl_host_release(host);
}

/* ---- Declared imports -------------------------------------------------------------- */

static void expect_mismatch(const char *name, const char *signature, const char *text)
{
    const hl_symbol import = {name, signature};
    const struct fake_program program = {.imports = &import, .import_count = 1};
    hl_sandbox *box;
    hl_error err;

    CHECK_INT(fake_create(&box, &program, NULL, NULL, &err), HL_E_MISMATCH);
    CHECK_STR(err.text, text);
    CHECK(!box);
    CHECK_INT(fake_alive(), 0);
}

TEST(declared_imports_are_required)
{
    expect_mismatch("Now", "u64()", "the guest imports Now: u64(), which the host does not offer");
    expect_mismatch("HostPrint", "void(str)",
                    "HostPrint: the guest imports void(str), the host offers i32(str)");
}
