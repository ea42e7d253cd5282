/* SPDX-License-Identifier: Apache-2.0 */
/* Any sequence of public calls, legal and illegal, from outside and from host functions. */
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "../tests/test.h"
#include "player.h"

enum { SLOTS = 3, STEPS = 40, NEST = 3 };

static struct {
    hl_guest *guest;
    hl_host *host;
    hl_interrupt *stop;
    hl_sandbox *boxes[SLOTS];
    hl_function *functions[SLOTS]; /* one of each box, or NULL */
    hl_snapshot *snapshots[SLOTS];
    uint32_t steps; /* that are left, nested ones included */
} world;

/* The linker puts this in the place of hv_find: every sandbox is on the fake. */
const struct hv_ops *__wrap_hv_find(hl_hypervisor which);
const struct hv_ops *__wrap_hv_find(hl_hypervisor which)
{
    return which <= HL_HYPERVISOR_KVM ? &hv_fake : NULL;
}

static uint32_t below(uint32_t n)
{
    return script_below(&player.script, n);
}

static bool is_misuse(hl_status status)
{
    return status <= HL_E_INVALID && status >= HL_E_MISMATCH;
}

/* ---- Options ----------------------------------------------------------------------- */

static void read_log(void *user, const hl_log_record *record)
{
    (void)user;
    FUZZ_CHECK(strlen(record->text) + strlen(record->file) < 1 << 20);
}

union config { /* with room for the members of a later version */
    hl_config now;
    uint8_t later[256];
};

/* Mostly the same small sizes, so that snapshots fit; now and then anything. */
static const hl_config *some_config(union config *room, bool sizes)
{
    hl_config *config = &room->now;

    memset(room, 0, sizeof *room);
    *config = (hl_config){.struct_size = sizeof *config,
                          .trust_domain = below(3),
                          .no_reuse = below(8) == 7,
                          .interrupt = below(2) ? world.stop : NULL,
                          .deadline_us = below(4) == 3 ? UINT64_C(1) << 40 : 0,
                          .log = below(2) ? read_log : NULL,
                          .log_level = below(8),
                          .user = &world};
    if (sizes) {
        config->heap_size = UINT64_C(65536) << below(2);
        config->stack_size = 16 << 10;
        config->message_size = 64 << 10;
        config->call_depth = 1 + below(NEST);
        config->init_data = &world;
        config->init_size = below(3);
    }
    switch (below(16)) {
    case 11:
        config->struct_size = below(256);
        break;
    case 12:
        config->heap_size = script_u64(&player.script);
        break;
    case 13:
        config->call_depth = script_u32(&player.script) % 100;
        break;
    case 14:
        config->hypervisor = below(4);
        break;
    case 15:
        return NULL;
    default:
        break;
    }
    return config;
}

/* ---- Sandboxes ---------------------------------------------------------------------- */

static void took(hl_status status, const hl_error *err, const void *out)
{
    player_check(status, err);
    FUZZ_CHECK((status == HL_OK) == (out != NULL));
}

static void create(uint32_t slot)
{
    union config config;
    hl_sandbox *box = NULL;
    hl_error err;
    hl_status status;

    if (world.boxes[slot])
        return;
    status = hl_sandbox_create(&box, world.guest, below(8) ? world.host : NULL,
                               some_config(&config, true), &err);
    took(status, &err, box);
    if (world.boxes[slot]) { /* by a host function of its init */
        hl_sandbox_destroy(box);
        return;
    }
    world.boxes[slot] = box;
    world.functions[slot] = NULL;
}

static void create_from(uint32_t slot)
{
    union config config;
    hl_sandbox *box = NULL;
    hl_error err;
    hl_status status;

    if (world.boxes[slot])
        return;
    status = hl_sandbox_create_from(&box, world.snapshots[below(SLOTS)],
                                    below(8) ? world.host : NULL, some_config(&config, false),
                                    &err);
    took(status, &err, box);
    world.boxes[slot] = box;
    world.functions[slot] = NULL;
}

/* From one of its own host functions the memory lives on until the call ends. */
static void destroy(uint32_t slot)
{
    hl_sandbox *box = world.boxes[slot];

    world.boxes[slot] = NULL;
    world.functions[slot] = NULL;
    hl_sandbox_destroy(box);
}

/* What a call left, if the sandbox is still there; before: its state then. */
static void check_state(uint32_t slot, const hl_sandbox *box, hl_state before, hl_status status)
{
    hl_state after;

    if (!box || world.boxes[slot] != box)
        return;
    after = hl_sandbox_state(box);
    if (before == HL_RUNNING)
        FUZZ_CHECK(after == HL_RUNNING || after == HL_POISONED);
    else if (status == HL_OK || status == HL_E_FAILED)
        FUZZ_CHECK(after == HL_READY);
    else if (is_misuse(status))
        FUZZ_CHECK(after == before);
    else
        FUZZ_CHECK(after == HL_POISONED);
}

static hl_state state_of(const hl_sandbox *box)
{
    return box ? hl_sandbox_state(box) : HL_DEAD;
}

static void call(uint32_t slot)
{
    const uint32_t function = below(PLAYER_COUNT + 2);
    hl_sandbox *box = world.boxes[slot];
    const hl_state before = state_of(box);
    hl_value args[HL_PARAMS_MAX], ret;
    const uint32_t count = player_args(args, function);
    const char *name = function < PLAYER_COUNT    ? player_names[function]
                       : function == PLAYER_COUNT ? "other"
                                                  : NULL;
    hl_error err;
    const hl_status status = hl_sandbox_call(&ret, box, name, args, count, &err);

    player_check(status, &err);
    FUZZ_CHECK(!status || ret.type == HL_VOID);
    check_state(slot, box, before, status);
}

static void find(uint32_t slot)
{
    hl_error err;
    hl_function *found = NULL;
    const hl_status status = hl_sandbox_find(&found, world.boxes[slot],
                                             player_names[below(PLAYER_COUNT)], &err);

    took(status, &err, found);
    world.functions[slot] = found;
}

static void call_function(uint32_t slot)
{
    hl_sandbox *box = world.boxes[slot];
    const hl_state before = state_of(box);
    hl_value args[HL_PARAMS_MAX];
    const uint32_t count = player_args(args, below(PLAYER_COUNT));
    hl_error err;
    const hl_status status = hl_function_call(NULL, world.functions[slot], args, count, &err);

    player_check(status, &err);
    check_state(slot, box, before, status);
}

static void set_deadline(uint32_t slot)
{
    hl_error err;

    player_check(hl_sandbox_set_deadline(world.boxes[slot], below(2) ? UINT64_C(1) << 40 : 0, &err),
                 &err);
}

static void ask(uint32_t slot)
{
    const hl_sandbox *box = world.boxes[slot];
    hl_symbol symbol;
    hl_area area, last = {.address = 0, .size = 0};
    size_t i;

    if (!box)
        return;
    FUZZ_CHECK(hl_sandbox_interrupt(box) && hl_sandbox_hypervisor(box) == HL_HYPERVISOR_ANY);
    for (i = 0; hl_sandbox_export(&symbol, box, i); i++)
        FUZZ_CHECK(*symbol.name && *symbol.signature);
    FUZZ_CHECK(i >= PLAYER_COUNT);
    for (i = 0; hl_sandbox_area(&area, box, i); i++, last = area)
        FUZZ_CHECK(area.address >= last.address + last.size && !(area.size % HL_PAGE));
}

/* ---- Files and buffers --------------------------------------------------------------- */

static _Alignas(4096) uint8_t buffer[2 * 4096];

static void map(uint32_t slot)
{
    static uint64_t addresses[SLOTS];
    hl_sandbox *box = world.boxes[slot];
    const hl_state before = state_of(box);
    const hl_mapping mapping = {.struct_size = sizeof mapping,
                                .writable = below(3) == 2,
                                .path = below(2) ? "/proc/self/exe" : NULL,
                                .data = below(2) ? buffer + below(8) / 7 : NULL,
                                .offset = UINT64_C(4096) * below(3),
                                .size = UINT64_C(4096) * below(4)};
    hl_error err;
    hl_status status;

    if (below(2)) {
        status = hl_sandbox_map(&addresses[slot], box, &mapping, &err);
        FUZZ_CHECK(state_of(box) == before);
    } else {
        status = hl_sandbox_unmap(box, addresses[slot], &err);
        FUZZ_CHECK(state_of(box) == before || state_of(box) == HL_DEAD);
    }
    player_check(status, &err);
}

/* ---- Snapshots ----------------------------------------------------------------------- */

static void take(uint32_t slot)
{
    hl_snapshot *snapshot = NULL;
    hl_error err;
    hl_status status;

    if (world.snapshots[slot])
        return;
    status = hl_snapshot_take(&snapshot, world.boxes[below(SLOTS)], &err);
    took(status, &err, snapshot);
    world.snapshots[slot] = snapshot;
}

static void release(uint32_t slot)
{
    hl_snapshot_release(world.snapshots[slot]);
    world.snapshots[slot] = NULL;
}

static void restore(uint32_t slot)
{
    hl_sandbox *box = world.boxes[slot];
    const hl_state before = state_of(box);
    hl_error err;
    const hl_status status = hl_sandbox_restore(box, world.snapshots[below(SLOTS)], &err);
    const hl_state after = state_of(box);

    player_check(status, &err);
    if (status == HL_OK)
        FUZZ_CHECK(after == HL_READY);
    else if (is_misuse(status))
        FUZZ_CHECK(after == before);
    else
        FUZZ_CHECK(after == HL_DEAD || after == before);
}

/* A snapshot that was saved can be loaded. */
static void save_and_load(uint32_t slot)
{
    hl_snapshot *loaded = NULL;
    char path[64];
    hl_error err;
    hl_status status;

    snprintf(path, sizeof path, "/dev/shm/hl_fuzz_%d", (int)getpid());
    status = hl_snapshot_save(world.snapshots[slot], path, &err);
    player_check(status, &err);
    FUZZ_CHECK(world.snapshots[slot] ? !status : status == HL_E_INVALID);
    if (status)
        return;
    status = hl_snapshot_load(&loaded, path, &err);
    unlink(path);
    took(status, &err, loaded);
    if (status)
        FAIL("a snapshot that was saved cannot be loaded: %s", err.text);
    release(slot);
    world.snapshots[slot] = loaded;
}

/* ---- The cache, stopping, failures ------------------------------------------------------ */

static void cache(uint32_t slot)
{
    union config config;
    hl_cache_stats stats;
    hl_error err;

    switch (below(4)) {
    case 1:
        hl_cache_limit(below(4));
        break;
    case 2:
        hl_cache_trim(below(3));
        break;
    case 3:
        player_check(hl_cache_fill(world.snapshots[slot], world.host, some_config(&config, false),
                                   below(4), &err),
                     &err);
        break;
    default:
        hl_cache_get_stats(&stats);
        FUZZ_CHECK(stats.idle <= 16);
    }
}

static void stop(uint32_t slot)
{
    if (below(2))
        hl_interrupt_stop(world.stop);
    else if (world.boxes[slot])
        hl_interrupt_stop(hl_sandbox_interrupt(world.boxes[slot]));
}

/* From now on the hypervisor fails at one thing, or at nothing any more. */
static void break_something(uint32_t slot)
{
    struct fake_program *program = &player.program;
    hl_status *const what[] = {&program->create, &program->dirty, &program->forget,
                               &program->scrub};

    (void)slot;
    program->create = program->dirty = program->forget = program->scrub = HL_OK;
    if (below(2))
        *what[below(4)] = below(2) ? HL_E_SYSTEM : HL_E_MEMORY;
}

static void step(void)
{
    static void (*const steps[])(uint32_t slot) = {
        call,    create, call_function, take,         restore, create_from, find, destroy,
        release, cache,  save_and_load, set_deadline, ask,     stop,        call, break_something,
        map};
    const uint32_t slot = below(SLOTS);

    world.steps--;
    steps[below(sizeof steps / sizeof *steps)](slot);
}

static void nested_steps(hl_call *from)
{
    uint32_t n = below(3);

    (void)from;
    while (n-- && world.steps && player.script.left)
        step();
}

/* ---- One input -------------------------------------------------------------------------- */

static void close_world(void)
{
    uint32_t i;

    for (i = 0; i < SLOTS; i++) {
        destroy(i);
        release(i);
    }
    hl_interrupt_release(world.stop);
    hl_guest_release(world.guest);
    hl_host_release(world.host);
    hl_cache_trim(0);
    FUZZ_CHECK(!fake_alive());
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    player_start(data, size);
    player.host = nested_steps;
    fake_use(&player.program);
    hl_cache_limit(2);
    world.guest = fake_image(&player.program);
    world.host = player_host();
    FUZZ_CHECK(!hl_interrupt_create(&world.stop, NULL));
    player.stop = world.stop;
    for (world.steps = STEPS; world.steps && player.script.left;)
        step();
    player.script.left = 0;
    close_world();
    return 0;
}
