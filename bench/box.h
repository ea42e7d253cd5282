/* SPDX-License-Identifier: Apache-2.0 */
/* The bench's guest in a sandbox, as an application would make it. */
#ifndef BENCH_BOX_H
#define BENCH_BOX_H

#include <hyperlight/hyperlight.h>

#include "bench.h"

struct box {
    hl_guest *guest;
    hl_host *host;
    hl_config config;            /* the defaults, on KVM because the floors are */
    hl_sandbox *sandbox;         /* NULL until box_create */
    void (*spinning)(void *ctx); /* called by Spin when it begins; may be NULL */
    void *spinning_ctx;
};

/* Opens the guest image and offers it what it imports; box_close ends it, sandbox
 * included. The box stays where it is meanwhile. */
bool box_open(struct box *box, const struct bench *bench, hl_error *err);
void box_close(struct box *box);

bool box_create(struct box *box, hl_error *err);
void box_destroy(struct box *box);

/* Calls a function that takes nothing. */
bool box_call(struct box *box, const char *name, hl_value *ret, hl_error *err);

#endif
