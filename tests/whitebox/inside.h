/* SPDX-License-Identifier: Apache-2.0 */
/* What whitebox VM tests share: sandboxes on each dirty tracker, and all of their memory. */
#ifndef HL_TESTS_INSIDE_H
#define HL_TESTS_INSIDE_H

#include "../../src/host/sandbox.h"
#include "../../src/host/snapshot.h"
#include "vm/vm.h"

enum { PAGE = 4096 };

/* Two tests of one body: with the dirty ring, with the dirty log. */
#define BOTH_TRACKERS(id) \
    static void id(const struct hv_ops *hv); \
    TEST_SLOW(id##_ring) \
    { \
        id(&hv_kvm); \
    } \
    TEST_SLOW(id##_log) \
    { \
        id(&hv_kvm_log); \
    } \
    static void id(const struct hv_ops *hv)

/* As their namesakes of vm.h; they fail the test if anything goes wrong. */
hl_sandbox *inside_create(const struct hv_ops *hv, const hl_guest *guest, const hl_host *host,
                          const hl_config *config);
hl_sandbox *inside_box(const struct hv_ops *hv, const char *name, const hl_config *config);
hl_sandbox *inside_clone(const hl_snapshot *snapshot, const hl_host *host, const hl_config *config);
void inside_restore(hl_sandbox *box, const hl_snapshot *snapshot);

/* All of guest memory that is not zero, but for system area and messages. */
struct inside_page {
    uint64_t number;
    uint8_t bytes[PAGE];
};
struct inside_copy {
    uint64_t count;
    struct inside_page *pages; /* ascending */
};
void inside_copy_take(struct inside_copy *out, const struct vm *vm);
void inside_copy_free(struct inside_copy *copy);

/* Takes a snapshot, and a copy of memory that knows nothing of it; both are equal. */
hl_snapshot *inside_take(struct inside_copy *out, hl_sandbox *box);

/* After a restore: guest memory and what the engine believes it to be are the
 * copy, byte for byte, and the messages are zero; else the test fails, naming
 * the first difference. */
void inside_check(struct vm *vm, const struct inside_copy *copy);

/* Bytes of guest memory that are resident in the process. */
uint64_t inside_resident(const struct vm *vm);
uint64_t inside_resident_area(const struct vm *vm, int area);
#endif
