/* SPDX-License-Identifier: Apache-2.0 */
/* Every port and every instruction, from user mode: each ends with a name, and is restored. */
#include "held.h"
#include "vm.h"

enum { GATE_PORT = 0x80, GENERAL_PROTECTION = 13 };

/* A sandbox that is put back after each attempt, whatever that came to. */
struct sweep {
    struct held before;
    struct bystander bystander;
    hl_sandbox *box;
    hl_snapshot *start;
    uint64_t deadline_us; /* of attempts: on a slow machine others take longer */
    uint32_t attempts;
};

static void begin(struct sweep *sweep, uint64_t deadline_us)
{
    const hl_config config = {.struct_size = sizeof config, .message_size = 65536};
    hl_error err;

    *sweep = (struct sweep){.deadline_us = deadline_us};
    sweep->box = vm_box("sweep", NULL, &config);
    hl_sandbox_set_deadline(sweep->box, deadline_us, NULL); /* starts the watcher */
    hl_sandbox_destroy(sweep->box);
    hl_cache_trim(0);
    sweep->before = held_now();
    bystander_start(&sweep->bystander);
    sweep->box = vm_box("sweep", NULL, &config);
    hl_sandbox_set_deadline(sweep->box, deadline_us, NULL);
    if (hl_snapshot_take(&sweep->start, sweep->box, &err))
        FAIL("take: %s", err.text);
}

static void restore(struct sweep *sweep)
{
    hl_error err;

    if (hl_sandbox_restore(sweep->box, sweep->start, &err))
        FAIL("restore: %s", err.text);
}

/* It is as it was, and works. */
static void check(struct sweep *sweep)
{
    hl_sandbox_set_deadline(sweep->box, 0, NULL);
    CHECK_INT(vm_call(sweep->box, "Count", NONE).as.i32, 1);
    restore(sweep);
    hl_sandbox_set_deadline(sweep->box, sweep->deadline_us, NULL);
}

/* OK: it is harmless in user mode. Of the others only the guest is at fault. */
static void attempt(struct sweep *sweep, const char *function, uint32_t a, uint32_t b,
                    uint32_t count, hl_error *err)
{
    const hl_value args[] = {hl_u32(a), hl_u32(b)};
    const hl_status status = hl_sandbox_call(NULL, sweep->box, function, args, count, err);

    if (status != HL_OK && status != HL_E_FAULT && status != HL_E_PROTOCOL &&
        status != HL_E_DEADLINE)
        FAIL("%s(%u, %u): %d, %s", function, a, b, status, err->text);
    if (status == HL_E_FAULT && err->vector >= 32)
        FAIL("%s(%u, %u): vector %u", function, a, b, err->vector);
    CHECK(err->status == status && *err->text);
    CHECK_INT(hl_sandbox_state(sweep->box), status == HL_OK ? HL_READY : HL_POISONED);
    restore(sweep);
    if (sweep->attempts++ % 256 == 0)
        check(sweep);
}

static void end(struct sweep *sweep)
{
    check(sweep);
    bystander_end(&sweep->bystander);
    hl_snapshot_release(sweep->start);
    hl_sandbox_destroy(sweep->box);
    held_check(&sweep->before);
}

/* ---- Ports ------------------------------------------------------------------------ */

enum { PORTS = 65536, ACCESSES = 14 }; /* in, out; 8, 16, 32 bits; plain, string, repeated */

static void access_port(struct sweep *sweep, uint32_t port, uint32_t access)
{
    hl_error err;

    attempt(sweep, "Port", port, access, 2, &err);
    if (port == GATE_PORT)
        return; /* test_hostile has what each of these comes to */
    if (err.status != HL_E_FAULT || err.vector != GENERAL_PROTECTION)
        FAIL("port 0x%x, access %u: %d, %s", port, access, err.status, err.text);
}

/* Each port, each time in another way; the long version has all ways. Where the
 * host's kernel refuses them all alike, and each takes a new process, a few do. */
TEST_LIMIT(sweep_ports, 3600)
{
    const uint32_t step = vm_hypervisor() == HL_HYPERVISOR_PROCESS && !test_full() ? 61 : 1;
    struct sweep sweep;
    uint32_t port, access;

    begin(&sweep, 60000000);
    for (port = 0; port < PORTS; port += step)
        for (access = 0; access < ACCESSES; access++)
            if (test_full() || port < 0x200 || port % ACCESSES == access)
                access_port(&sweep, port, access);
    end(&sweep);
}

/* ---- Instructions ------------------------------------------------------------------- */

/* The maps of opcodes: one byte, 0F, 0F 38, 0F 3A, and groups that ModRM decides. */
enum { MAPS = 5, TWO_BYTES = 1, GROUPS = 4 };

static uint32_t count_of(struct sweep *sweep, uint32_t map)
{
    uint32_t count;

    hl_sandbox_set_deadline(sweep->box, 0, NULL);
    count = vm_call(sweep->box, "Instructions", ARGS(hl_u32(map))).as.u32;
    CHECK(count >= 1280);
    hl_sandbox_set_deadline(sweep->box, sweep->deadline_us, NULL);
    return count;
}

static void run_map(struct sweep *sweep, uint32_t first, uint32_t count, uint32_t step)
{
    hl_error err;
    uint32_t i;

    for (i = 0; i < count; i += step)
        attempt(sweep, "Instruction", first + i, 0, 1, &err);
}

/* All of two bytes and the groups, of the others every 13th; the long version has all. */
TEST_LIMIT(sweep_instructions, 3600)
{
    struct sweep sweep;
    uint32_t map, count, first = 0;

    begin(&sweep, 20000); /* some jump to themselves */
    for (map = 0; map < MAPS; map++) {
        count = count_of(&sweep, map);
        run_map(&sweep, first, count, test_full() || map == TWO_BYTES || map == GROUPS ? 1 : 13);
        first += count;
    }
    hl_sandbox_set_deadline(sweep.box, 0, NULL);
    vm_expect(HL_E_FAILED, "no such instruction", sweep.box, "Instruction", ARGS(hl_u32(first)),
              NULL);
    end(&sweep);
}
