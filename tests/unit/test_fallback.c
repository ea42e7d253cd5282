/* SPDX-License-Identifier: Apache-2.0 */
/* Names that the guest does not export, with and without a fallback. */
#include <stdio.h>
#include <stdlib.h>

#include "../fake/fake.h"
#include "../test.h"

/* Returns its argument number 1 (0 is the name), or the name. */
static hl_status second(struct fake_guest *guest, struct hv_exit *exit, hl_error *err)
{
    (void)exit;
    (void)err;
    CHECK_INT(guest->in.index, HL_INDEX_NAMED);
    CHECK_INT(guest->args[0].type, HL_STR);
    return fake_return(guest, guest->args[guest->in.count > 1]);
}

static const struct fake_function exports[] = {{"known", "void()", NULL}, {"", NULL, second}};
static const struct fake_program with = {.exports = exports, .export_count = 2};
static const struct fake_program without = {.exports = exports, .export_count = 1};

static hl_sandbox *make(const struct fake_program *program)
{
    hl_sandbox *box;

    CHECK_INT(fake_create(&box, program, NULL, NULL, NULL), HL_OK);
    return box;
}

TEST(fallback_gets_the_name_and_any_arguments)
{
    hl_sandbox *box = make(&with);
    hl_value args[HL_PARAMS_MAX + 1], ret;
    hl_error err;
    uint32_t i;

    CHECK_INT(hl_sandbox_call(&ret, box, "unheard of", NULL, 0, &err), HL_OK);
    CHECK_INT(ret.type, HL_STR);
    CHECK_STR(ret.as.str, "unheard of");
    for (i = 0; i <= HL_PARAMS_MAX; i++)
        args[i] = hl_f64(0.5);
    CHECK_INT(hl_sandbox_call(&ret, box, "x", args, HL_PARAMS_MAX, &err), HL_OK);
    CHECK(ret.type == HL_F64 && ret.as.f64 == 0.5);
    CHECK_INT(hl_sandbox_call(&ret, box, "x", args, HL_PARAMS_MAX + 1, &err), HL_E_SIGNATURE);
    CHECK_STR(err.text, "x: 17 arguments, wanted at most 16");
    CHECK_INT(hl_sandbox_call(&ret, box, "x", args, UINT32_MAX, &err), HL_E_SIGNATURE);
    CHECK_INT(hl_sandbox_call(&ret, box, "x", NULL, 3, &err), HL_E_INVALID);
    CHECK_STR(err.text, "x: args is NULL, count 3");
    args[1] = hl_void();
    CHECK_INT(hl_sandbox_call(&ret, box, "x", args, 2, &err), HL_E_INVALID);
    CHECK_STR(err.text, "x: argument 2: no such value type");
    args[1] = hl_strn("\xff", 1);
    CHECK_INT(hl_sandbox_call(&ret, box, "x", args, 2, &err), HL_E_INVALID);
    CHECK_STR(err.text, "x: argument 2: str holds a NUL or invalid UTF-8");
    CHECK_INT(hl_sandbox_call(&ret, box, "known", NULL, 0, &err), HL_OK);
    CHECK_INT(hl_sandbox_state(box), HL_READY);
    hl_sandbox_destroy(box);
}

TEST(names_of_any_kind)
{
    static char longest[HL_NAME_MAX + 1], giant[1 << 20];
    hl_sandbox *box = make(&with);
    hl_value ret;
    hl_error err;

    memset(longest, 'n', HL_NAME_MAX);
    memset(giant, 'g', sizeof giant - 1);
    CHECK_INT(hl_sandbox_call(&ret, box, longest, NULL, 0, &err), HL_OK);
    CHECK_STR(ret.as.str, longest);
    CHECK_INT(hl_sandbox_call(&ret, box, "kno", NULL, 0, &err), HL_OK); /* a prefix */
    CHECK_STR(ret.as.str, "kno");
    CHECK_INT(hl_sandbox_call(&ret, box, "%n%s", NULL, 0, &err), HL_OK);
    CHECK_STR(ret.as.str, "%n%s");
    CHECK_INT(hl_sandbox_call(&ret, box, "", NULL, 0, &err), HL_E_INVALID);
    CHECK_STR(err.text, "name of 0 bytes, wanted 1 to 255 of UTF-8");
    CHECK_INT(hl_sandbox_call(&ret, box, giant, NULL, 0, &err), HL_E_INVALID);
    CHECK_STR(err.text, "name of 1048575 bytes, wanted 1 to 255 of UTF-8");
    CHECK_INT(hl_sandbox_call(&ret, box, "caf\xe9", NULL, 0, &err), HL_E_INVALID);
    CHECK_STR(err.text, "name of 4 bytes, wanted 1 to 255 of UTF-8");
    hl_sandbox_destroy(box);
}

TEST(without_a_fallback_nothing_runs)
{
    static char giant[1 << 20];
    hl_sandbox *box = make(&without);
    hl_error err;

    memset(giant, 'g', sizeof giant - 1);
    CHECK_INT(hl_sandbox_call(NULL, box, "caf\xe9\x1b", NULL, 0, &err), HL_E_UNKNOWN);
    CHECK_STR(err.text, "the guest exports no function caf\\xe9\\x1b");
    CHECK_INT(hl_sandbox_call(NULL, box, "", NULL, 0, &err), HL_E_UNKNOWN);
    CHECK_INT(hl_sandbox_call(NULL, box, "%n", NULL, 0, &err), HL_E_UNKNOWN);
    CHECK_STR(err.text, "the guest exports no function %n");
    CHECK_INT(hl_sandbox_call(NULL, box, giant, NULL, 0, &err), HL_E_UNKNOWN);
    CHECK_INT(strlen(err.text), strlen("the guest exports no function ") + 255);
    CHECK_INT(fake_of(box)->runs, 1);
    hl_sandbox_destroy(box);
}
