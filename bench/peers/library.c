/* SPDX-License-Identifier: Apache-2.0 */
/* This library, in a VM or a process: a sandbox that is restored, or a clone for each call. */
#include <hyperlight/hyperlight.h>
#include <stdio.h>

#include "peer.h"

static struct {
    hl_guest *guest;
    hl_sandbox *box;
    hl_snapshot *snapshot;
    hl_error err;
} self;

static bool open_on(const char *guests, hl_hypervisor hypervisor)
{
    const hl_config config = {.struct_size = sizeof config, .hypervisor = hypervisor};
    char path[4096];

    snprintf(path, sizeof path, "%s/peer_guest", guests);
    return (!hl_guest_open(&self.guest, path, &self.err) &&
            !hl_sandbox_create(&self.box, self.guest, NULL, &config, &self.err) &&
            !hl_snapshot_take(&self.snapshot, self.box, &self.err)) ||
           peer_fail("%s", self.err.text);
}

static bool open(const char *guests)
{
    return open_on(guests, HL_HYPERVISOR_KVM);
}

static bool open_process(const char *guests)
{
    return open_on(guests, HL_HYPERVISOR_PROCESS);
}

static void close(void)
{
    hl_snapshot_release(self.snapshot);
    hl_sandbox_destroy(self.box);
    hl_guest_release(self.guest);
    hl_cache_trim(0);
}

static bool call_of(hl_sandbox *box, const char *function, hl_value arg, uint32_t *out)
{
    hl_value ret;

    if (hl_sandbox_call(&ret, box, function, &arg, 1, &self.err))
        return peer_fail("%s", self.err.text);
    *out = ret.as.u32;
    return true;
}

static bool call(uint32_t x, uint32_t *out)
{
    return call_of(self.box, "AddOne", hl_u32(x), out);
}

static bool hash(const uint8_t data[DATA_SIZE], uint32_t *out)
{
    return call_of(self.box, "Hash", hl_bytes(data, DATA_SIZE), out);
}

static bool restored(uint32_t x, uint32_t *out)
{
    if (hl_sandbox_restore(self.box, self.snapshot, &self.err))
        return peer_fail("%s", self.err.text);
    return call(x, out);
}

static bool cloned(uint32_t x, uint32_t *out)
{
    hl_sandbox *clone;
    bool ok;

    if (hl_sandbox_create_from(&clone, self.snapshot, NULL, NULL, &self.err))
        return peer_fail("%s", self.err.text);
    ok = call_of(clone, "AddOne", hl_u32(x), out);
    hl_sandbox_destroy(clone);
    return ok;
}

const struct peer peer_restore = {"sandbox, restored", open, close, call, restored, hash};
const struct peer peer_clone = {"sandbox, cloned", open, close, call, cloned, hash};
const struct peer peer_guarded = {
    "sandbox in a process", open_process, close, call, restored, hash};
