/* SPDX-License-Identifier: Apache-2.0 */
/* A fake guest that is saved, and a folder to save it in. */
#ifndef HL_TESTS_SNAPFILE_FIXTURE_H
#define HL_TESTS_SNAPFILE_FIXTURE_H

#include "../fake/fake.h"
#include "../test.h"
#include "snapfile_bytes.h"

/* A guest of two image pages, 1 MiB of heap, 64 KiB of stack and of messages,
 * depth 3, init data "abc", an init, a fallback, exports
 *   0 get u64(u32)   the first word of a page of the heap
 *   1 put u64(u32, u32, u64)   writes it: first page, pages, value
 * and import h void(i32); at run time it has added exports late0, late1
 * void(i32) and the import h again. */
hl_sandbox *snapfile_box(void);
hl_host *snapfile_host(void);
void snapfile_put(hl_sandbox *box, uint32_t first, uint32_t pages, uint64_t value);
uint64_t snapfile_get(hl_sandbox *box, uint32_t page);
/* What a VM of a loaded one runs. */
void snapfile_use(void);

/* Of such a guest that wrote 5 to heap page 1 and 7 to pages 40 and 41. */
hl_snapshot *snapfile_snapshot(void);

/* A new folder, removed with all that is in it at the end of the test. */
const char *snapfile_folder(void);
const char *snapfile_path(const char *name); /* in it; until the next call */
int snapfile_entries(void);                  /* files in it */

/* The bytes of that snapshot's file. */
uint8_t *snapfile_bytes(size_t *size);

/* Loads bytes; *out may be NULL: it must fail. */
hl_status snapfile_load(hl_snapshot **out, const uint8_t *bytes, size_t size, hl_error *err);
#endif
