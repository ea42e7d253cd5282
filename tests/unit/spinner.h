/* SPDX-License-Identifier: Apache-2.0 */
/* A guest that spins or asks its host, for tests of what ends a call. */
#ifndef HL_TESTS_SPINNER_H
#define HL_TESTS_SPINNER_H

#include "../fake/fake.h"

/* Bodies: until it is stopped; one call of import 0, without arguments. */
hl_status spinner_spin(struct fake_guest *guest, struct hv_exit *exit, hl_error *err);
hl_status spinner_ask(struct fake_guest *guest, struct hv_exit *exit, hl_error *err);

/* Exports noop, spin and ask, all void(); imports h, void(). */
extern const struct fake_program spinner_program;

hl_host *spinner_host(hl_fn fn, void *user); /* h is fn */
hl_sandbox *spinner_box(hl_fn fn, void *user, uint64_t deadline_us);
hl_status spinner_call(hl_sandbox *box, const char *name, hl_error *err);
#endif
