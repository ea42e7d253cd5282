/* SPDX-License-Identifier: Apache-2.0 */
/* What VM tests share: guests and sandboxes on the hypervisor of this machine. */
#ifndef HL_TESTS_VM_H
#define HL_TESTS_VM_H

#include <hyperlight/easy.h>

#include "test.h"

/* A sandbox of tests/guests/NAME; the test is skipped, with the reason, where
 * no hypervisor is usable, and fails if anything else is wrong. */
hl_sandbox *vm_box(const char *name, const hl_host *host, const hl_config *config);
hl_guest *vm_guest(const char *name);
/* What sandboxes are made on: HL_TEST_HYPERVISOR=process, else the best one. */
hl_hypervisor vm_hypervisor(void);
/* HL_TEST_HYPERVISOR=log: on a KVM that has no dirty ring. */
bool vm_without_ring(void);
void vm_needs_kvm(void); /* skips a test of KVM itself where another is meant */
hl_host *vm_host(const hl_host_function fns[], size_t count);

/* Expects a call to end with this status and, unless NULL, this in its text. */
void vm_expect(hl_status status, const char *text, hl_sandbox *box, const char *function,
               const hl_value args[], uint32_t count, hl_error *err);
/* Expects it to succeed. */
hl_value vm_call(hl_sandbox *box, const char *function, const hl_value args[], uint32_t count);

/* From here on this system call fails with `error` where its argument `arg`
 * (from 0) has this value; a later refusal of the same counts. */
void vm_refuse(long call, unsigned arg, uint32_t value, int error);

#define ARGS(...) \
    (const hl_value[]){__VA_ARGS__}, \
        (uint32_t)(sizeof((hl_value[]){__VA_ARGS__}) / sizeof(hl_value))
#define NONE NULL, 0
#endif
