/* SPDX-License-Identifier: Apache-2.0 */
/* What a process holds, to see that it holds no more later; a bystander who must notice nothing. */
#ifndef HL_TESTS_HELD_H
#define HL_TESTS_HELD_H

#include <hyperlight/hyperlight.h>
#include <pthread.h>
#include <stdatomic.h>

struct held {
    int files, mappings, threads;
    long kib; /* resident memory */
};
struct held held_now(void);

/* Trims the cache; then the process holds no file or thread more than before,
 * and, beyond what allocators do for themselves, no mapping and no memory. */
void held_check(const struct held *before);

int held_entries(const char *folder);
int held_mappings(const char *part); /* of the process, with this in their lines */

/* A sandbox that another thread calls all the time, while others misbehave.
 * Each answer must be right. */
struct bystander {
    hl_sandbox *box;
    pthread_t thread;
    atomic_bool over;
};
void bystander_start(struct bystander *bystander);
void bystander_end(struct bystander *bystander);
#endif
