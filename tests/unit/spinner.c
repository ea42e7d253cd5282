/* SPDX-License-Identifier: Apache-2.0 */
/* A guest that spins or asks its host, for tests of what ends a call. */
#include "spinner.h"

#include "../test.h"

hl_status spinner_spin(struct fake_guest *guest, struct hv_exit *exit, hl_error *err)
{
    (void)err;
    return fake_spin(guest, exit);
}

hl_status spinner_ask(struct fake_guest *guest, struct hv_exit *exit, hl_error *err)
{
    (void)exit;
    (void)err;
    return guest->step ? fake_return(guest, hl_void()) : fake_call(guest, 0, NULL, 0);
}

static const struct fake_function exports[] = {{"noop", "void()", NULL},
                                               {"spin", "void()", spinner_spin},
                                               {"ask", "void()", spinner_ask}};
static const hl_symbol imports[] = {{"h", "void()"}};
const struct fake_program spinner_program = {.exports = exports,
                                             .export_count = 3,
                                             .imports = imports,
                                             .import_count = 1};

hl_host *spinner_host(hl_fn fn, void *user)
{
    const hl_host_function function = {"h", "void()", fn, user};
    hl_host *host;

    CHECK_INT(hl_host_create(&host, &function, 1, NULL), HL_OK);
    return host;
}

hl_sandbox *spinner_box(hl_fn fn, void *user, uint64_t deadline_us)
{
    const hl_config config = {
        .struct_size = sizeof config, .deadline_us = deadline_us, .message_size = 64 * 1024};
    hl_host *host = spinner_host(fn, user);
    hl_sandbox *box;
    hl_error err;

    CHECK_INT(fake_create(&box, &spinner_program, host, &config, &err), HL_OK);
    hl_host_release(host);
    return box;
}

hl_status spinner_call(hl_sandbox *box, const char *name, hl_error *err)
{
    return hl_sandbox_call(NULL, box, name, NULL, 0, err);
}
