/* SPDX-License-Identifier: Apache-2.0 */
/* A guest, on the fake hypervisor, that leaves by any door and says anything. */
#include "../src/host/snapshot.h"
#include "player.h"

enum { CALLS = 4, NEST = 3 };

static hl_sandbox *box; /* made once: each input begins with a restore */
static hl_snapshot *start;
static hl_host *host;

static void read_log(void *user, const hl_log_record *record)
{
    (void)user;
    FUZZ_CHECK(record->level >= HL_LEVEL_ERROR && record->level <= HL_LEVEL_TRACE);
    FUZZ_CHECK(strlen(record->text) + strlen(record->file) < 1 << 20);
}

static const hl_config config = {.struct_size = sizeof(hl_config),
                                 .heap_size = 64 << 10,
                                 .stack_size = 16 << 10,
                                 .message_size = 64 << 10,
                                 .call_depth = NEST,
                                 .log = read_log,
                                 .log_level = HL_LEVEL_TRACE};

static void call(hl_sandbox *in)
{
    const uint32_t function = script_below(&player.script, PLAYER_COUNT + 1);
    hl_value args[HL_PARAMS_MAX], ret;
    const uint32_t count = player_args(args, function);
    const bool nested = hl_sandbox_state(in) == HL_RUNNING;
    hl_error err;
    const hl_status status = hl_sandbox_call(
        &ret, in, function < PLAYER_COUNT ? player_names[function] : "other", args, count, &err);

    player_check(status, &err);
    FUZZ_CHECK(!status || ret.type == HL_VOID);
    if (!nested && (status == HL_E_FAILED || status >= HL_E_MISMATCH))
        FUZZ_CHECK(hl_sandbox_state(in) == HL_READY);
    else if (!nested)
        FUZZ_CHECK(hl_sandbox_state(in) == HL_POISONED);
}

static void call_back(hl_call *from)
{
    if (script_below(&player.script, 2) && !hl_call_stopped(from))
        call(hl_call_sandbox(from));
}

static void open_box(void)
{
    player_start(NULL, 0);
    host = player_host();
    FUZZ_CHECK(!fake_create(&box, &player.program, host, &config, NULL));
    FUZZ_CHECK(!hl_snapshot_take(&start, box, NULL));
    player.stop = hl_sandbox_interrupt(box);
    player.host = call_back;
}

/* An init is guest code as well. */
static void create(void)
{
    hl_sandbox *another;
    hl_error err;
    const hl_status status = fake_create(&another, &player.program, host, &config, &err);

    player_check(status, &err);
    FUZZ_CHECK((status == HL_OK) == (another != NULL));
    hl_sandbox_destroy(another);
    FUZZ_CHECK(fake_alive() == 1);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    hl_error err;
    int i;

    if (!box)
        open_box();
    player.script = (struct script){data, size};
    if (script_below(&player.script, 8) == 7)
        create();
    for (i = 0; i < CALLS && hl_sandbox_state(box) == HL_READY; i++)
        call(box);
    /* Whatever it did: a restore heals, and the first call answers. */
    player.script.left = 0;
    FUZZ_CHECK(!hl_sandbox_restore(box, start, &err));
    FUZZ_CHECK(!hl_sandbox_call(NULL, box, "nothing", NULL, 0, &err));
    return 0;
}
