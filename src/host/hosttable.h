/* SPDX-License-Identifier: Apache-2.0 */
/* The table of functions that an application offers its guests. */
#ifndef HL_HOST_HOSTTABLE_H
#define HL_HOST_HOSTTABLE_H

#include <hyperlight/hyperlight.h>
#include <stdatomic.h>

#include "../shared/signature.h"
#include "names.h"

struct host_function {
    char *name;
    struct hl_signature signature;
    hl_fn fn;
    void *user;
};

struct hl_host {
    atomic_uint references;
    uint64_t id; /* of this table alone in this process; not 0 */
    struct host_function *functions;
    uint32_t count;
    struct names names;
};

/* The table that offers HostPrint alone, retained: one for all. */
hl_status host_default(const hl_host **out, hl_error *err);

/* NULL if there is none of this name. */
const struct host_function *host_find(const hl_host *host, const char *name);

/* The default HostPrint. */
hl_status host_print(hl_call *call, const hl_value args[], hl_value *ret);
#endif
