/* SPDX-License-Identifier: Apache-2.0 */
/* peers: the same jobs in sandboxes, in a process, in Wasm and in Lua, side by side. */
#include "peer.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "../clock.h"
#include "../stats.h"

enum { BURST = 64, SECONDS = 2 };

static const struct peer *const peers[] = {
    &peer_restore, &peer_clone, &peer_guarded, &peer_process,
#ifdef PEER_WASM
    &peer_wasm,
#endif
#ifdef PEER_LUA
    &peer_lua,
#endif
};

static uint8_t data[DATA_SIZE];

bool peer_fail(const char *format, ...)
{
    va_list args;

    fputs("peers: ", stderr);
    va_start(args, format);
    vfprintf(stderr, format, args);
    va_end(args);
    fputc('\n', stderr);
    return false;
}

static bool do_call(const struct peer *peer)
{
    uint32_t found = 0;

    return peer->call(41, &found) && (found == 42 || peer_fail("%s: wrong sum", peer->name));
}

static bool do_fresh(const struct peer *peer)
{
    uint32_t found = 0;

    return peer->fresh(41, &found) && (found == 42 || peer_fail("%s: wrong sum", peer->name));
}

static bool do_hash(const struct peer *peer)
{
    uint32_t found = 0;

    return peer->hash(data, &found) &&
           (found == peer_fnv(data, sizeof data) || peer_fail("%s: wrong hash", peer->name));
}

/* The lower quartile of what the job takes; negative if it fails. */
static double measure(const struct peer *peer, bool (*job)(const struct peer *), int batch)
{
    const double end = now_us() + SECONDS * 1e6 / 3;
    struct samples samples = {0};
    bool ok = true;
    double start, q1;
    int i;

    while (ok && now_us() < end) {
        start = now_us();
        for (i = 0; ok && i < batch; i++)
            ok = job(peer);
        ok = ok && samples_add(&samples, (now_us() - start) / batch);
    }
    q1 = samples_summary(&samples).q1;
    samples_free(&samples);
    return ok ? q1 : -1;
}

static bool run(const struct peer *peer, const char *guests)
{
    double call, fresh, hash;
    bool ok = peer->open(guests) && do_call(peer) && do_fresh(peer) && do_hash(peer);

    if (!ok)
        return false;
    call = measure(peer, do_call, BURST);
    fresh = measure(peer, do_fresh, 1);
    hash = measure(peer, do_hash, 1);
    peer->close();
    printf("%-20s %12.3f %12.2f %12.1f\n", peer->name, call, fresh, hash);
    return call >= 0 && fresh >= 0 && hash >= 0;
}

int main(int argc, char **argv)
{
    bool ok = argc == 2;

    if (!ok)
        return fputs("usage: peers FOLDER_OF_GUESTS\n", stderr), 2;
    setvbuf(stdout, NULL, _IOLBF, 0);
    for (size_t i = 0; i < sizeof data; i++)
        data[i] = (uint8_t)(i * 2654435761u >> 13);
    printf("%-20s %12s %12s %12s\n", "us, lower quartile", "call", "fresh call", "hash 64 KiB");
    for (size_t i = 0; i < sizeof peers / sizeof *peers; i++)
        ok = run(peers[i], argv[1]) && ok;
    return !ok;
}
