/* SPDX-License-Identifier: Apache-2.0 */
/* A way to run code that is not trusted, and the three jobs that each does. */
#ifndef BENCH_PEER_H
#define BENCH_PEER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { DATA_SIZE = 64 << 10 };

/* Each returns false, having printed why, if it fails. */
struct peer {
    const char *name;
    bool (*open)(const char *guests); /* guests: the folder of guest images */
    void (*close)(void);
    /* A call of what is there: adds one. */
    bool (*call)(uint32_t x, uint32_t *out);
    /* The same from a known state, which nothing that ran before has changed. */
    bool (*fresh)(uint32_t x, uint32_t *out);
    /* A call with 64 KiB, which are hashed: how fast its code runs. */
    bool (*hash)(const uint8_t data[DATA_SIZE], uint32_t *out);
};
extern const struct peer peer_clone, peer_restore, peer_guarded, peer_process;
#ifdef PEER_WASM
extern const struct peer peer_wasm;
#endif
#ifdef PEER_LUA
extern const struct peer peer_lua;
#endif

/* FNV-1a, byte by byte; each peer has it in its own language. */
static inline uint32_t peer_fnv(const uint8_t *data, size_t size)
{
    uint32_t hash = 0x811c9dc5;

    for (size_t i = 0; i < size; i++)
        hash = (hash ^ data[i]) * 0x01000193;
    return hash;
}

bool peer_fail(const char *format, ...) __attribute__((format(printf, 1, 2)));
#endif
