/* SPDX-License-Identifier: Apache-2.0 */
/* Out-parameters: written whole, and nothing beside them is. */
#include <stdlib.h>

#include "../fake/fake.h"
#include "../test.h"

/* ---- Canaries ---------------------------------------------------------------------- */

enum { MARGIN = 64, LIVE = 0x5a, DEAD = 0xc7 };

/* One out-parameter of a type, between canaries; comes in full of LIVE bytes. */
#define GUARDED(type) \
    struct { \
        uint8_t before[MARGIN]; \
        type it; \
        uint8_t after[MARGIN]; \
    }

static void arm(void *guarded, size_t size)
{
    uint8_t *bytes = guarded;

    memset(bytes, DEAD, MARGIN);
    memset(bytes + MARGIN, LIVE, size - 2 * MARGIN);
    memset(bytes + size - MARGIN, DEAD, MARGIN);
}

static void check_canaries(const void *guarded, size_t size, int line)
{
    const uint8_t *bytes = guarded;
    size_t i;

    for (i = 0; i < MARGIN; i++)
        if (bytes[i] != DEAD || bytes[size - 1 - i] != DEAD)
            test_fail(__FILE__, line, "a canary is dead, %zu bytes from the margin's end", i);
}
#define ARM(x) arm(&x, sizeof x)
#define ALIVE(x) check_canaries(&x, sizeof x, __LINE__)

_Static_assert(offsetof(GUARDED(hl_error), it) == MARGIN, "no padding before");
_Static_assert(sizeof(GUARDED(hl_value)) == sizeof(hl_value) + 2 * MARGIN, "none after");

static GUARDED(hl_error) err;
static GUARDED(hl_value) ret;

/* After a call: status and text are new, and NUL-terminated inside. */
static void check_error(hl_status status, hl_status wanted, const char *part)
{
    ALIVE(err);
    CHECK_INT(status, wanted);
    CHECK_INT(err.it.status, wanted);
    CHECK(memchr(err.it.text, 0, sizeof err.it.text));
    CHECK_HAS(err.it.text, part);
    CHECK_INT(err.it.code, 0);
    CHECK_INT(err.it.rip, 0);
    ARM(err);
}

/* ---- A sandbox --------------------------------------------------------------------- */

static hl_status echo(struct fake_guest *guest, struct hv_exit *exit, hl_error *error)
{
    (void)exit;
    (void)error;
    return fake_return(guest, guest->args[0]);
}

static hl_status fail(struct fake_guest *guest, struct hv_exit *exit, hl_error *error)
{
    (void)exit;
    (void)error;
    return fake_fail(guest, 0, "it failed");
}

static hl_status crash(struct fake_guest *guest, struct hv_exit *exit, hl_error *error)
{
    (void)guest;
    (void)error;
    *exit = (struct hv_exit){.kind = HV_EXIT_SHUTDOWN};
    return HL_OK;
}

static const struct fake_function exports[] = {{"echo", "str(str)", echo},
                                               {"fail", "i32()", fail},
                                               {"crash", "i32()", crash}};
static const hl_symbol imports[] = {{"HostPrint", "i32(str)"}};
static const struct fake_program program = {.exports = exports,
                                            .export_count = 3,
                                            .imports = imports,
                                            .import_count = 1};

static hl_sandbox *make(void)
{
    hl_sandbox *box;

    CHECK_INT(fake_create(&box, &program, NULL, NULL, NULL), HL_OK);
    ARM(err);
    ARM(ret);
    return box;
}

/* ---- Calls ------------------------------------------------------------------------- */

static void check_void(void)
{
    ALIVE(ret);
    CHECK_INT(ret.it.type, HL_VOID);
    CHECK_INT(ret.it.len, 0);
    CHECK_INT(ret.it.as.u64, 0);
    ARM(ret);
}

TEST(result_and_error_of_a_call)
{
    hl_sandbox *box = make();
    const hl_value arg = hl_str("text"), number = hl_i32(1);

    check_error(hl_sandbox_call(&ret.it, box, "echo", &arg, 1, &err.it), HL_OK, "ok");
    ALIVE(ret);
    CHECK_STR(ret.it.as.str, "text");
    ARM(ret);
    check_error(hl_sandbox_call(&ret.it, NULL, "echo", &arg, 1, &err.it), HL_E_INVALID,
                "hl_sandbox_call: box is NULL");
    check_void();
    check_error(hl_sandbox_call(&ret.it, box, NULL, &arg, 1, &err.it), HL_E_INVALID,
                "hl_sandbox_call: name is NULL");
    check_void();
    check_error(hl_sandbox_call(&ret.it, box, "nothing", &arg, 1, &err.it), HL_E_UNKNOWN,
                "the guest exports no function nothing");
    check_void();
    check_error(hl_sandbox_call(&ret.it, box, "", &arg, 1, &err.it), HL_E_UNKNOWN,
                "the guest exports no function ");
    check_void();
    check_error(hl_sandbox_call(&ret.it, box, "echo", NULL, 0, &err.it), HL_E_SIGNATURE,
                "echo: 0 arguments, wanted 1");
    check_void();
    check_error(hl_sandbox_call(&ret.it, box, "echo", NULL, 1, &err.it), HL_E_INVALID,
                "echo: args is NULL, count 1");
    check_void();
    check_error(hl_sandbox_call(&ret.it, box, "echo", &number, 1, &err.it), HL_E_SIGNATURE,
                "echo: argument 1 is i32, wanted str");
    check_void();
    check_error(hl_sandbox_call(&ret.it, box, "fail", NULL, 0, &err.it), HL_E_FAILED, "it failed");
    check_void();
    check_error(hl_sandbox_call(&ret.it, box, "crash", NULL, 0, &err.it), HL_E_FAULT,
                "triple fault");
    check_void();
    check_error(hl_sandbox_call(&ret.it, box, "echo", &arg, 1, &err.it), HL_E_STATE, "POISONED");
    check_void();
    hl_sandbox_destroy(box);
}

TEST(arguments_are_checked_by_value)
{
    static const struct {
        hl_value value;
        const char *text;
    } rows[] = {
        {{HL_STR, 3, {.str = NULL}}, "echo: argument 1: NULL pointer"},
        {{HL_STR, 0, {.str = NULL}}, "echo: argument 1: NULL pointer"},
        {{HL_STR, 3, {.str = "a\0b"}}, "echo: argument 1: str holds a NUL or invalid UTF-8"},
        {{HL_STR, 2, {.str = "\xc0\x80"}}, "echo: argument 1: str holds a NUL or invalid UTF-8"},
        {{HL_STR, UINT32_MAX, {.str = "x"}}, "echo: argument 1: longer than 2 GiB - 1"},
    };
    hl_sandbox *box = make();
    size_t i;

    for (i = 0; i < sizeof rows / sizeof *rows; i++) {
        check_error(hl_sandbox_call(&ret.it, box, "echo", &rows[i].value, 1, &err.it), HL_E_INVALID,
                    rows[i].text);
        check_void();
    }
    CHECK_INT(fake_of(box)->runs, 1); /* nothing of it ran */
    hl_sandbox_destroy(box);
}

TEST(function_handles)
{
    hl_sandbox *box = make();
    GUARDED(hl_function *) function, again;
    const hl_value arg = hl_str("x");

    ARM(function);
    ARM(again);
    check_error(hl_sandbox_find(&function.it, box, "echo", &err.it), HL_OK, "ok");
    ALIVE(function);
    check_error(hl_sandbox_find(&again.it, box, "echo", &err.it), HL_OK, "ok");
    ALIVE(again);
    CHECK(again.it == function.it);
    check_error(hl_function_call(&ret.it, function.it, &arg, 1, &err.it), HL_OK, "ok");
    ALIVE(ret);
    CHECK_STR(ret.it.as.str, "x");
    ARM(ret);
    check_error(hl_function_call(&ret.it, function.it, &arg, 2, &err.it), HL_E_SIGNATURE,
                "echo: 2 arguments, wanted 1");
    check_void();
    check_error(hl_function_call(&ret.it, NULL, &arg, 1, &err.it), HL_E_INVALID,
                "hl_function_call: fn is NULL");
    check_void();

    ARM(function);
    check_error(hl_sandbox_find(&function.it, box, "ech", &err.it), HL_E_UNKNOWN,
                "the guest exports no function ech");
    ALIVE(function);
    CHECK(!function.it);
    check_error(hl_sandbox_find(NULL, box, "echo", &err.it), HL_E_INVALID,
                "hl_sandbox_find: out is NULL");
    check_error(hl_sandbox_find(&function.it, NULL, "echo", &err.it), HL_E_INVALID,
                "hl_sandbox_find: box is NULL");
    check_error(hl_sandbox_find(&function.it, box, NULL, &err.it), HL_E_INVALID,
                "hl_sandbox_find: name is NULL");
    ALIVE(function);
    CHECK(!function.it);
    hl_sandbox_destroy(box);
}

/* ---- Objects ----------------------------------------------------------------------- */

TEST(guest_host_and_handle)
{
    GUARDED(hl_guest *) guest;
    GUARDED(hl_host *) host;
    GUARDED(hl_interrupt *) stop;

    ARM(err);
    ARM(guest);
    check_error(hl_guest_open(&guest.it, "/nonexistent/image", &err.it), HL_E_SYSTEM,
                "/nonexistent/image: No such file or directory");
    ALIVE(guest);
    CHECK(!guest.it);
    ARM(guest);
    check_error(hl_guest_open(&guest.it, NULL, &err.it), HL_E_INVALID, "path is NULL");
    CHECK(!guest.it);
    ARM(guest);
    check_error(hl_guest_open_memory(&guest.it, "#!/bin/sh\n", 10, &err.it), HL_E_IMAGE, "");
    ALIVE(guest);
    CHECK(!guest.it);
    ARM(guest);
    check_error(hl_guest_open_memory(&guest.it, NULL, 0, &err.it), HL_E_INVALID, "image is NULL");
    CHECK(!guest.it);
    check_error(hl_guest_open(NULL, "x", &err.it), HL_E_INVALID, "out is NULL");
    check_error(hl_guest_open_memory(NULL, "x", 1, &err.it), HL_E_INVALID, "out is NULL");

    ARM(host);
    check_error(hl_host_create(&host.it, NULL, 0, &err.it), HL_OK, "ok");
    ALIVE(host);
    hl_host_release(host.it);
    ARM(host);
    check_error(hl_host_create(&host.it, NULL, 3, &err.it), HL_E_INVALID, "fns is NULL");
    ALIVE(host);
    CHECK(!host.it);
    check_error(hl_host_create(NULL, NULL, 0, &err.it), HL_E_INVALID, "out is NULL");

    ARM(stop);
    check_error(hl_interrupt_create(&stop.it, &err.it), HL_OK, "ok");
    ALIVE(stop);
    hl_interrupt_release(stop.it);
    check_error(hl_interrupt_create(NULL, &err.it), HL_E_INVALID, "out is NULL");
}

TEST(sandbox)
{
    const hl_config wrong = {.struct_size = sizeof wrong, .hypervisor = 9};
    hl_guest *guest = fake_image(&program);
    GUARDED(hl_sandbox *) box;

    ARM(err);
    ARM(box);
    check_error(hl_sandbox_create(&box.it, NULL, NULL, NULL, &err.it), HL_E_INVALID,
                "hl_sandbox_create: guest is NULL");
    ALIVE(box);
    CHECK(!box.it);
    check_error(hl_sandbox_create(NULL, guest, NULL, NULL, &err.it), HL_E_INVALID, "out is NULL");
    ARM(box);
    check_error(hl_sandbox_create(&box.it, guest, NULL, &wrong, &err.it), HL_E_INVALID,
                "hl_config.hypervisor is 9, wanted 0 (any), 1 (kvm) or 2 (process)");
    ALIVE(box);
    CHECK(!box.it);
    ARM(box);
    fake_use(&program);
    check_error(sandbox_create_on(&box.it, &hv_fake, guest, NULL, NULL, &err.it), HL_OK, "ok");
    ALIVE(box);
    hl_sandbox_destroy(box.it);
    hl_sandbox_destroy(NULL);
    hl_guest_release(guest);
    hl_guest_release(NULL);
}

/* ---- For tools --------------------------------------------------------------------- */

TEST(enumerations)
{
    hl_guest *guest = fake_image(&program);
    hl_sandbox *box = make();
    GUARDED(hl_symbol) symbol;
    GUARDED(hl_area) area;
    size_t i;

    ARM(symbol);
    ARM(area);
    for (i = 0; i < 3; i++) {
        CHECK(hl_guest_export(&symbol.it, guest, i));
        CHECK_STR(symbol.it.name, exports[i].name);
        CHECK_STR(symbol.it.signature, exports[i].signature);
        CHECK(hl_sandbox_export(&symbol.it, box, i));
        CHECK_STR(symbol.it.name, exports[i].name);
    }
    CHECK(!hl_guest_export(&symbol.it, guest, 3) && !hl_guest_export(&symbol.it, guest, SIZE_MAX));
    CHECK(!hl_sandbox_export(&symbol.it, box, 3) && !hl_sandbox_export(&symbol.it, box, SIZE_MAX));
    CHECK(hl_guest_import(&symbol.it, guest, 0));
    CHECK_STR(symbol.it.name, "HostPrint");
    CHECK(!hl_guest_import(&symbol.it, guest, 1) && !hl_guest_import(&symbol.it, guest, SIZE_MAX));
    ALIVE(symbol);
    for (i = 0; hl_guest_segment(&area.it, guest, i); i++)
        CHECK_STR(area.it.name, "image");
    CHECK_INT(i, 2);
    CHECK(!hl_guest_segment(&area.it, guest, SIZE_MAX));
    ALIVE(area);
    hl_guest_release(guest);
    hl_sandbox_destroy(box);
}

/* Ascending, without overlap, complete. */
TEST(areas_of_a_sandbox)
{
    static const char *const wanted[] = {"gate",  "boot block", "image",   "image",
                                         "stack", "requests",   "replies", "heap"};
    hl_sandbox *box = make();
    GUARDED(hl_area) area;
    uint64_t end = 0;
    size_t i;

    ARM(area);
    for (i = 0; hl_sandbox_area(&area.it, box, i); i++) {
        CHECK(i < 8);
        CHECK_STR(area.it.name, wanted[i]);
        CHECK(area.it.address >= end);
        CHECK(area.it.size && area.it.size % 4096 == 0 && area.it.access & HL_READ);
        end = area.it.address + area.it.size;
    }
    CHECK_INT(i, 8);
    CHECK(!hl_sandbox_area(&area.it, box, 1000));
    ALIVE(area);
    hl_sandbox_destroy(box);
}
