/* SPDX-License-Identifier: Apache-2.0 */
/* What tests of mappings share: files, and the guest `memory`, which looks at them. */
#ifndef HL_TESTS_MAP_H
#define HL_TESTS_MAP_H

#include "vm.h"

#define PAGE 4096ull
#define MIB (1ull << 20)

uint64_t map_random(void);

/* A file of random bytes in /tmp. */
struct map_file {
    char path[64];
    uint8_t *bytes; /* what is in it, zeros up to whole pages */
    uint64_t size;
};
void map_file_make(struct map_file *file, uint64_t size);
void map_file_drop(struct map_file *file);
bool map_file_is(const struct map_file *file, const uint8_t *bytes);
hl_mapping map_file(const struct map_file *file, bool writable);
hl_mapping map_buffer(const void *data, uint64_t size);

/* Each fails the test unless it succeeds. */
hl_sandbox *map_box(const hl_config *config);
uint64_t map_in(hl_sandbox *box, hl_mapping mapping);
void map_out(hl_sandbox *box, uint64_t address);
uint64_t map_peek(hl_sandbox *box, uint64_t address);
void map_poke(hl_sandbox *box, uint64_t address, uint64_t value);
void map_peek_faults(hl_sandbox *box, uint64_t address); /* it is POISONED then */
hl_snapshot *map_take(hl_sandbox *box);
void map_restore(hl_sandbox *box, const hl_snapshot *snapshot);
hl_sandbox *map_clone(const hl_snapshot *snapshot);
hl_area map_area(const hl_sandbox *box, uint64_t address); /* size 0: none begins there */

/* A sum that depends on every byte, by the guest and by the host. */
uint64_t map_sum(hl_sandbox *box, uint64_t address, uint64_t size);
uint64_t map_sum_of(const uint8_t *bytes, uint64_t size);
#endif
