/* SPDX-License-Identifier: Apache-2.0 */
/* Tables of host functions. */
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "../../src/host/hosttable.h"
#include "../../src/shared/abi.h"
#include "../fake/fake.h"
#include "../test.h"

static hl_status fn(hl_call *call, const hl_value args[], hl_value *ret)
{
    (void)call;
    (void)args;
    *ret = hl_i32(1);
    return HL_OK;
}

static void expect_bad(const hl_host_function *functions, size_t count, const char *text)
{
    hl_host *host = (hl_host *)&host;
    hl_error err;

    CHECK_INT(hl_host_create(&host, functions, count, &err), HL_E_INVALID);
    CHECK_STR(err.text, text);
    CHECK(!host);
    host = (hl_host *)&host;
    CHECK_INT(hl_host_create(&host, functions, count, NULL), HL_E_INVALID);
    CHECK(!host);
}

TEST(entries_are_copied)
{
    char name[] = "Sum", signature[] = " i64 ( i64,i64 ) ", user;
    const hl_host_function functions[] = {{"first", "void()", fn, NULL},
                                          {name, signature, fn, &user}};
    const struct host_function *found;
    hl_host *host;
    hl_error err;

    CHECK_INT(hl_host_create(&host, functions, 2, &err), HL_OK);
    CHECK_STR(err.text, "ok");
    memset(name, 'x', sizeof name - 1);
    memset(signature, 'x', sizeof signature - 1);
    found = host_find(host, "Sum");
    CHECK(found && found->fn == fn && found->user == &user);
    CHECK_STR(found->name, "Sum");
    CHECK_INT(found->signature.result, HL_I64);
    CHECK_INT(found->signature.count, 2);
    CHECK(!host_find(host, "Su"));
    CHECK(!host_find(host, ""));
    CHECK(host_find(host, "first") != found);
    hl_host_release(host);
}

TEST(shared_and_counted)
{
    hl_host *host;

    CHECK_INT(hl_host_create(&host, NULL, 0, NULL), HL_OK);
    CHECK(host_find(host, "HostPrint"));
    hl_host_retain(host);
    hl_host_release(host);
    CHECK(host_find(host, "HostPrint"));
    hl_host_release(host);
    hl_host_release(NULL);
    hl_host_retain(NULL);
}

TEST(bad_entries_are_named)
{
    static char longest[HL_NAME_MAX + 2];
    hl_host_function entry[] = {{"good", "void()", fn, NULL}, {"f", "void()", fn, NULL}};

    memset(longest, 'n', HL_NAME_MAX + 1);
    entry[1].name = NULL;
    expect_bad(entry, 2, "host function 1: name of 0 bytes, wanted 1 to 255 of UTF-8");
    entry[1].name = "";
    expect_bad(entry, 2, "host function 1: name of 0 bytes, wanted 1 to 255 of UTF-8");
    entry[1].name = longest;
    expect_bad(entry, 2, "host function 1: name of 256 bytes, wanted 1 to 255 of UTF-8");
    entry[1].name = "caf\xe9";
    expect_bad(entry, 2, "host function 1: name of 4 bytes, wanted 1 to 255 of UTF-8");
    entry[1] = (hl_host_function){"f", "void()", NULL, NULL};
    expect_bad(entry, 2, "host function f: fn is NULL");
    entry[1] = (hl_host_function){"f", NULL, fn, NULL};
    expect_bad(entry, 2, "host function f: signature is NULL");
    entry[1].signature = "int(void)";
    expect_bad(entry, 2, "host function f: signature \"int(void)\": unknown result type");
    entry[1].signature = "";
    expect_bad(entry, 2, "host function f: signature \"\": unknown result type");
    entry[1] = entry[0];
    expect_bad(entry, 2, "host function good: named twice");
    expect_bad(NULL, 1, "hl_host_create: fns is NULL, count 1");
}

TEST(longest_name_is_fine)
{
    static char longest[HL_NAME_MAX + 1];
    const hl_host_function entry = {longest, "void()", fn, NULL};
    hl_host *host;

    memset(longest, 'n', HL_NAME_MAX);
    CHECK_INT(hl_host_create(&host, &entry, 1, NULL), HL_OK);
    CHECK(host_find(host, longest));
    hl_host_release(host);
}

TEST(as_many_as_allowed)
{
    static char names[HL_FUNCTIONS_MAX + 1][8];
    static hl_host_function functions[HL_FUNCTIONS_MAX + 1];
    hl_host *host;
    uint32_t i;

    for (i = 0; i <= HL_FUNCTIONS_MAX; i++) {
        snprintf(names[i], sizeof names[i], "f%u", i);
        functions[i] = (hl_host_function){names[i], "i32()", fn, &names[i]};
    }
    CHECK_INT(hl_host_create(&host, functions, HL_FUNCTIONS_MAX, NULL), HL_OK);
    for (i = 0; i < HL_FUNCTIONS_MAX; i++)
        CHECK(host_find(host, names[i])->user == &names[i]);
    CHECK(host_find(host, "HostPrint"));
    hl_host_release(host);
    expect_bad(functions, HL_FUNCTIONS_MAX + 1, "4097 host functions, at most 4096 are possible");
    expect_bad(functions, SIZE_MAX,
               "18446744073709551615 host functions, at most 4096 are possible");
}

/* ---- HostPrint --------------------------------------------------------------------- */

TEST(print_can_be_replaced)
{
    hl_host_function print = {"HostPrint", "i32(str)", fn, NULL};
    hl_host *host;

    CHECK_INT(hl_host_create(&host, &print, 1, NULL), HL_OK);
    CHECK(host_find(host, "HostPrint")->fn == fn);
    hl_host_release(host);
    print.signature = "void(str)";
    expect_bad(&print, 1, "host function HostPrint: its signature must be i32(str)");
}
