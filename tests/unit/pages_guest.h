/* SPDX-License-Identifier: Apache-2.0 */
/* A fake guest whose functions write pages and end in bad ways. */
#ifndef HL_TESTS_PAGES_GUEST_H
#define HL_TESTS_PAGES_GUEST_H

#include "../../src/host/snapshot.h"
#include "../fake/fake.h"
#include "../test.h"

/* Exports:
 *   write  void(u64, u64)  fills a page, by its guest-physical number, with a word
 *   read   u64(u64)        its first word
 *   many   void(u64, u64, u64)  writes from a page on, so many, with a word
 *   deep   void(u64)       is parked so many bytes lower from now on
 *   ask    void()          calls the host function "h"
 *   fault, shut, system    void(): a page fault, a triple fault, and a page fault
 *                          after it has changed the system area
 * It imports h: void(). */
struct fake_program pages_program(void);

enum { PAGES_BASE = 0x1d }; /* each byte of the image's second page */

/* The sandboxes of a test share one image; heap_pages decides their size. */
struct pages {
    struct fake_program program;
    const struct hv_ops *hv;
    hl_guest *guest;
    hl_host *host; /* offers h */
    hl_config config;
};
/* Makes image and host, and lets the cache hold `idle` VMs. */
void pages_open(struct pages *pages, const struct hv_ops *hv, uint32_t idle);
/* Everything must have been given back: VMs, frozen pages, references. */
void pages_close(struct pages *pages);

hl_sandbox *pages_box(const struct pages *pages);
hl_sandbox *pages_clone(const struct pages *pages, const hl_snapshot *snapshot);
hl_snapshot *pages_take(hl_sandbox *box);
void pages_restore(hl_sandbox *box, const hl_snapshot *snapshot);

/* The heap's page of this number, as a guest-physical one. */
uint64_t pages_heap(const hl_sandbox *box, uint64_t number);
void pages_write(hl_sandbox *box, uint64_t page, uint64_t word);
uint64_t pages_read(hl_sandbox *box, uint64_t page);
void pages_many(hl_sandbox *box, uint64_t page, uint64_t count, uint64_t word);
/* Calls a function that ends so. */
void pages_end(hl_sandbox *box, const char *function, hl_status wanted);

hl_cache_stats pages_stats(void);
#endif
