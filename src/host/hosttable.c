/* SPDX-License-Identifier: Apache-2.0 */
/* Building and sharing tables of host functions. */
#include "hosttable.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "../shared/abi.h"
#include "../shared/utf8.h"
#include "error.h"
#include "os/lock.h"

static _Atomic uint64_t last_id;

static void host_free(hl_host *host)
{
    uint32_t i;

    for (i = 0; i < host->count; i++)
        free(host->functions[i].name);
    free(host->functions);
    names_free(&host->names);
    free(host);
}

static hl_status check_entry(const hl_host_function *entry, size_t position,
                             struct hl_signature *signature, hl_error *err)
{
    size_t len = entry->name ? strlen(entry->name) : 0;
    const char *wrong;

    if (!len || len > HL_NAME_MAX || !hl__utf8_valid(entry->name, len))
        return error_set(err, HL_E_INVALID,
                         "host function %zu: name of %zu bytes, wanted 1 to %d of UTF-8", position,
                         len, HL_NAME_MAX);
    if (!entry->fn)
        return error_set(err, HL_E_INVALID, "host function %s: fn is NULL", entry->name);
    if (!entry->signature)
        return error_set(err, HL_E_INVALID, "host function %s: signature is NULL", entry->name);
    wrong = hl__signature_parse(signature, entry->signature, strlen(entry->signature));
    if (wrong)
        return error_set(err, HL_E_INVALID, "host function %s: signature \"%s\": %s", entry->name,
                         entry->signature, wrong);
    return HL_OK;
}

static hl_status add(hl_host *host, const hl_host_function *entry, size_t position, hl_error *err)
{
    struct host_function *to = &host->functions[host->count];
    hl_status status = check_entry(entry, position, &to->signature, err);

    if (status)
        return status;
    assert(host->functions);
    to->name = strdup(entry->name);
    if (!to->name)
        return error_set(err, HL_E_MEMORY, "no memory for host function %s", entry->name);
    to->fn = entry->fn;
    to->user = entry->user;
    host->count++;
    if (names_add(&host->names, to->name, host->count - 1) != NAMES_NONE)
        return error_set(err, HL_E_INVALID, "host function %s: named twice", entry->name);
    return HL_OK;
}

static hl_status add_print(hl_host *host, hl_error *err)
{
    static const hl_host_function print = {"HostPrint", "i32(str)", host_print, NULL};
    const struct host_function *own = host_find(host, print.name);
    struct hl_signature wanted;

    if (!own)
        return add(host, &print, host->count, err);
    hl__signature_parse(&wanted, print.signature, strlen(print.signature));
    if (!hl__signature_equal(&own->signature, &wanted))
        return error_set(err, HL_E_INVALID, "host function HostPrint: its signature must be %s",
                         print.signature);
    return HL_OK;
}

hl_status hl_host_create(hl_host **out, const hl_host_function fns[], size_t count, hl_error *err)
{
    hl_status status = HL_OK;
    hl_host *host;
    size_t i;

    if (!out)
        return error_set(err, HL_E_INVALID, "hl_host_create: out is NULL");
    *out = NULL;
    if (!fns && count)
        return error_set(err, HL_E_INVALID, "hl_host_create: fns is NULL, count %zu", count);
    if (count > HL_FUNCTIONS_MAX)
        return error_set(err, HL_E_INVALID, "%zu host functions, at most %u are possible", count,
                         HL_FUNCTIONS_MAX);
    host = calloc(1, sizeof *host);
    if (!host)
        return error_set(err, HL_E_MEMORY, "no memory for a host table");
    atomic_init(&host->references, 1);
    host->id = atomic_fetch_add(&last_id, 1) + 1;
    host->functions = calloc(count + 1, sizeof *host->functions);
    if (!host->functions || !names_create(&host->names, (uint32_t)count + 1))
        status = error_set(err, HL_E_MEMORY, "no memory for %zu host functions", count);
    for (i = 0; !status && i < count; i++)
        status = add(host, &fns[i], i, err);
    if (!status)
        status = add_print(host, err);
    if (status) {
        host_free(host);
        return status;
    }
    *out = host;
    return error_none(err);
}

hl_status host_default(const hl_host **out, hl_error *err)
{
    static struct lock lock;
    static hl_host *made;
    hl_status status = HL_OK;

    lock_take(&lock);
    if (!made)
        status = hl_host_create(&made, NULL, 0, err);
    hl_host_retain(made);
    *out = made;
    lock_drop(&lock);
    return status;
}

void hl_host_retain(const hl_host *host)
{
    if (host)
        atomic_fetch_add(&((hl_host *)(uintptr_t)host)->references, 1);
}

void hl_host_release(const hl_host *host)
{
    hl_host *mine = (hl_host *)(uintptr_t)host;

    if (mine && atomic_fetch_sub(&mine->references, 1) == 1)
        host_free(mine);
}

const struct host_function *host_find(const hl_host *host, const char *name)
{
    uint32_t position = names_find(&host->names, name);

    return position == NAMES_NONE ? NULL : &host->functions[position];
}
