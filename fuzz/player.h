/* SPDX-License-Identifier: Apache-2.0 */
/* A fake guest that does what the bytes of an input say. */
#ifndef HL_FUZZ_PLAYER_H
#define HL_FUZZ_PLAYER_H

#include "../tests/fake/fake.h"
#include "fuzz.h"
#include "script.h"

/* What the guest exports and imports: the same names, so that calls can go to
 * and fro; by position. The last export is the fallback. */
enum player_function { PLAYER_NUMBER, PLAYER_BYTES, PLAYER_TEXT, PLAYER_NOTHING, PLAYER_COUNT };

struct player {
    struct script script; /* what is left of it */
    hl_interrupt *stop;   /* the guest may stop itself by it; or NULL */
    /* What a host function does before it answers; or NULL. */
    void (*host)(hl_call *call);
    struct fake_program program; /* its failures may be set */
};
extern struct player player;

/* Readies the program; what is in the script decides from now on. */
void player_start(const uint8_t *data, size_t size);

/* The four functions, as a host offers them. */
hl_host *player_host(void);

/* Arguments for the function, mostly right ones; their number. */
uint32_t player_args(hl_value args[HL_PARAMS_MAX], uint32_t function);
extern const char *const player_names[PLAYER_COUNT];

/* What is true of the error that every call leaves. */
void player_check(hl_status status, const hl_error *err);
#endif
