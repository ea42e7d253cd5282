/* SPDX-License-Identifier: Apache-2.0 */
/* Plays guest and host functions by a script. */
#include "player.h"

#include <stdarg.h>
#include <stdio.h>

#include "../src/host/arch/x86_64/system.h"
#include "../src/host/error.h"
#include "../tests/test.h"

struct player player;

const char *const player_names[PLAYER_COUNT] = {"number", "bytes", "text", "nothing"};
static const char *const signatures[PLAYER_COUNT] = {"i32(i32, u64)", "bytes(bytes)",
                                                     "str(str, f64, bool)", "void()"};
static const uint8_t results[] = {HL_I32, HL_BYTES, HL_STR, HL_VOID};

/* The fake reports what breaks the rules as a test does. */
void test_fail(const char *file, int line, const char *format, ...)
{
    va_list args;

    fprintf(stderr, "%s:%d: ", file, line);
    va_start(args, format);
    vfprintf(stderr, format, args);
    va_end(args);
    fputc('\n', stderr);
    __builtin_trap();
}

void player_check(hl_status status, const hl_error *err)
{
    FUZZ_CHECK(err->status == status && status <= HL_OK);
    /* Only what a function says of its own failure may be nothing. */
    FUZZ_CHECK((*err->text || status == HL_E_FAILED) && memchr(err->text, 0, sizeof err->text));
    FUZZ_CHECK(status || !strcmp(err->text, "ok"));
    FUZZ_CHECK(status == HL_E_FAILED || status == HL_E_ABORT || !err->code);
}

/* ---- Arguments ----------------------------------------------------------------- */

static uint32_t values_for(hl_value values[], const char *signature)
{
    struct hl_signature parsed;
    uint32_t i;

    FUZZ_CHECK(!hl__signature_parse(&parsed, signature, strlen(signature)));
    for (i = 0; i < parsed.count; i++)
        values[i] = script_value(&player.script, parsed.params[i]);
    return parsed.count;
}

static uint32_t values_of_any_kind(hl_value values[], uint32_t count)
{
    uint32_t i;

    for (i = 0; i < count; i++)
        values[i] = script_value(&player.script, script_below(&player.script, HL_BYTES + 2));
    return count;
}

uint32_t player_args(hl_value args[HL_PARAMS_MAX], uint32_t function)
{
    if (function < PLAYER_COUNT && script_below(&player.script, 8) != 7)
        return values_for(args, signatures[function]);
    return values_of_any_kind(args, script_below(&player.script, HL_PARAMS_MAX + 1));
}

/* The guest's own side checks before it sends: only what is legal is sent so. */
static bool legal(const struct fake_guest *guest, const hl_value values[], uint32_t count)
{
    const uint64_t room = guest->boot.replies_size - guest->levels[guest->depth].reply_at;
    uint32_t i;

    for (i = 0; i < count; i++)
        if (hl__value_check(&values[i]))
            return false;
    return hl__wire_size(values, count) <= room;
}

/* ---- The guest ------------------------------------------------------------------ */

/* No answer will come: the next entry finds no new frame. A restore clears it. */
static void expect_none(struct fake_guest *guest)
{
    guest->levels[0].step = 1;
}

static void send(struct fake_guest *guest, enum hl_kind kind, uint32_t index,
                 const hl_value values[], uint32_t count)
{
    fake_send(guest, kind, index, values, count);
    if (kind == HL_KIND_LOG)
        expect_none(guest);
}

/* The right answer to the request in progress. */
static void answer(struct fake_guest *guest)
{
    const uint32_t function = guest->levels[guest->depth].step;
    const uint32_t type = function < PLAYER_COUNT ? results[function] : HL_VOID;
    hl_value value = script_value(&player.script, type);

    if (type == HL_VOID || !legal(guest, &value, 1)) {
        value = hl_void();
        value.type = type;
        value.as.str = type == HL_STR ? "" : NULL;
    }
    fake_return(guest, value);
}

static void call_import(struct fake_guest *guest)
{
    const uint32_t import = script_below(&player.script, PLAYER_COUNT);
    hl_value values[HL_VALUES_MAX];
    const uint32_t count = values_for(values, signatures[import]);

    if (legal(guest, values, count))
        send(guest, HL_KIND_CALL, import, values, count);
    else
        answer(guest);
}

/* A frame in order, but of any kind and with any values. */
static void say_anything(struct fake_guest *guest)
{
    const enum hl_kind kind = (enum hl_kind)script_below(&player.script, HL_KIND_IMPORT + 2);
    const uint32_t index = script_below(&player.script, 8);
    hl_value values[HL_VALUES_MAX];
    const uint32_t count = values_of_any_kind(values,
                                              script_below(&player.script, HL_VALUES_MAX + 1));

    if (legal(guest, values, count))
        send(guest, kind, index, values, count);
    else
        answer(guest);
}

/* Bytes that need be no frame; made a little more like one, so that some get on. */
static void say_bytes(struct fake_guest *guest)
{
    const uint32_t mend = script_below(&player.script, 8);
    struct fake_level *level = &guest->levels[guest->depth];
    const uint64_t room = guest->boot.replies_size - level->reply_at;
    uint8_t bytes[sizeof(struct hl_frame) + 4 * sizeof(struct hl_slot) + 64];
    struct hl_frame *head = (struct hl_frame *)bytes;

    script_bytes(bytes, &player.script, sizeof bytes);
    head->depth = mend & 1 ? guest->depth : head->depth;
    head->kind = mend & 2 ? head->kind % (HL_KIND_IMPORT + 1) : head->kind;
    head->reserved = 0;
    if (mend & 4) {
        head->count %= 5;
        head->size = hl__wire_payload(head->count) + head->size % 4 * 16;
    }
    memcpy(guest->replies + level->reply_at, bytes, sizeof bytes < room ? sizeof bytes : room);
    fake_wrote(guest, (uint64_t)(guest->replies - guest->memory) / HL_PAGE);
    if (head->kind == HL_KIND_RETURN || head->kind == HL_KIND_FAIL)
        guest->depth--;
    else if (head->kind == HL_KIND_LOG)
        expect_none(guest);
    else
        level->reply_size = head->size < room ? head->size : sizeof *head;
}

/* Run-time exports and imports, an abort, a log line: well formed, mostly. */
static void ask(struct fake_guest *guest)
{
    static const enum hl_kind kinds[] = {HL_KIND_EXPORT, HL_KIND_IMPORT, HL_KIND_ABORT,
                                         HL_KIND_LOG};
    const enum hl_kind kind = kinds[script_below(&player.script, 4)];
    const uint32_t function = script_below(&player.script, PLAYER_COUNT);
    hl_value values[] = {hl_str(player_names[function]), hl_str(signatures[function]), hl_void()};

    if (kind == HL_KIND_LOG) {
        values[0] = script_value(&player.script, HL_BYTES);
        values[1] = script_value(&player.script, HL_BYTES);
        values[2] = hl_u32(script_below(&player.script, 256));
    } else if (kind == HL_KIND_ABORT) {
        values[0] = hl_i32((int32_t)script_u32(&player.script));
        values[1] = script_value(&player.script, HL_BYTES);
    } else if (script_below(&player.script, 2)) {
        values[0] = script_value(&player.script, HL_STR);
    }
    if (legal(guest, values, kind == HL_KIND_LOG ? 3 : 2))
        send(guest, kind, kind == HL_KIND_LOG ? 1 + script_below(&player.script, 6) : 0, values,
             kind == HL_KIND_LOG ? 3 : 2);
    else
        answer(guest);
}

/* Any exit but the gate's. */
static void leave(struct fake_guest *guest, struct hv_exit *exit)
{
    *exit = (struct hv_exit){
        .kind = (enum hv_exit_kind)(HV_EXIT_FAULT + script_below(&player.script, HV_EXIT_OTHER)),
        .write = script_below(&player.script, 2),
        .known = script_below(&player.script, 2),
        .call = script_below(&player.script, 8) == 7,
        .size = (uint8_t)(1u << script_below(&player.script, 3)),
        .port = (uint16_t)(PORT_GATE + script_below(&player.script, 4) - 1),
        .count = script_u32(&player.script),
        .code = script_u32(&player.script),
        .vector = script_below(&player.script, 40),
        .error = script_u32(&player.script),
        .address = script_u64(&player.script),
        .rip = script_u64(&player.script),
    };
    if (exit->kind == HV_EXIT_PORT && exit->port == PORT_GATE)
        exit->size = 2;
    if (exit->kind == HV_EXIT_STOPPED || exit->kind == HV_EXIT_DIRTY)
        expect_none(guest);
}

static void report_fault(struct fake_guest *guest, struct hv_exit *exit)
{
    script_bytes(guest->memory + SYSTEM_REPORT, &player.script, sizeof(struct system_report));
    fake_wrote(guest, SYSTEM_REPORT / HL_PAGE);
    exit->port = PORT_REPORT;
}

static void write_page(struct fake_guest *guest)
{
    const uint64_t first = layout_gpa(guest->boot.stack) / HL_PAGE;
    const uint64_t page = first + script_below(&player.script, 4);

    memset(guest->memory + page * HL_PAGE, (int)script_below(&player.script, 3), HL_PAGE);
    fake_wrote(guest, page);
}

static void stop_itself(struct fake_guest *guest, struct hv_exit *exit)
{
    if (player.stop)
        hl_interrupt_stop(player.stop);
    exit->kind = HV_EXIT_STOPPED;
    expect_none(guest);
}

static hl_status play(struct fake_guest *guest, struct hv_exit *exit, hl_error *err)
{
    if (guest->levels[0].step) {
        guest->levels[0].step = 0;
    } else {
        fake_receive(guest);
        if (guest->in.kind == HL_KIND_CALL || guest->in.kind == HL_KIND_INIT)
            guest->levels[guest->depth].step = guest->in.kind == HL_KIND_CALL ? guest->in.index
                                                                              : PLAYER_NOTHING;
    }
    if (script_below(&player.script, 4) == 3)
        write_page(guest);
    switch (script_below(&player.script, 12)) {
    case 1:
        return fake_fail(guest, (int32_t)script_u32(&player.script), "the script says so");
    case 2:
    case 3:
        call_import(guest);
        return HL_OK;
    case 4:
        say_anything(guest);
        return HL_OK;
    case 5:
        say_bytes(guest);
        return HL_OK;
    case 6:
        ask(guest);
        return HL_OK;
    case 7:
        leave(guest, exit);
        return HL_OK;
    case 8:
        report_fault(guest, exit);
        return HL_OK;
    case 9:
        stop_itself(guest, exit);
        return HL_OK;
    case 10:
        return error_set(err, HL_E_SYSTEM, "the script breaks the hypervisor");
    default:
        answer(guest);
        return HL_OK;
    }
}

/* ---- The host's functions --------------------------------------------------------- */

static hl_status serve(hl_call *call, const hl_value args[], hl_value *ret)
{
    const uint32_t function = (uint32_t)(uintptr_t)hl_call_user(call);
    void *memory;

    (void)args;
    FUZZ_CHECK(!strcmp(hl_call_name(call), player_names[function]));
    if (player.host)
        player.host(call);
    switch (script_below(&player.script, 8)) {
    case 5:
        return hl_fail(call, (int32_t)script_u32(&player.script),
                       script_value(&player.script, HL_STR).as.str);
    case 6:
        return (hl_status)script_u32(&player.script);
    case 7:
        memory = hl_call_alloc(call, 20);
        FUZZ_CHECK(memory);
        memset(memory, 0, 20);
        *ret = hl_bytes(memory, 20);
        return HL_OK;
    default:
        *ret = script_value(&player.script, results[function]);
        return HL_OK;
    }
}

hl_host *player_host(void)
{
    hl_host_function functions[PLAYER_COUNT];
    hl_host *host;
    size_t i;

    for (i = 0; i < PLAYER_COUNT; i++)
        functions[i] = (hl_host_function){player_names[i], signatures[i], serve, (void *)i};
    FUZZ_CHECK(!hl_host_create(&host, functions, PLAYER_COUNT, NULL));
    return host;
}

void player_start(const uint8_t *data, size_t size)
{
    static struct fake_function exports[PLAYER_COUNT + 1];
    static hl_symbol imports[PLAYER_COUNT];
    uint32_t i;

    for (i = 0; i < PLAYER_COUNT; i++) {
        exports[i] = (struct fake_function){player_names[i], signatures[i], NULL};
        imports[i] = (hl_symbol){player_names[i], signatures[i]};
    }
    exports[PLAYER_COUNT] = (struct fake_function){"", NULL, NULL};
    player.program = (struct fake_program){.exports = exports,
                                           .export_count = PLAYER_COUNT + 1,
                                           .imports = imports,
                                           .import_count = PLAYER_COUNT,
                                           .data = 1, /* no image is all zeros */
                                           .whole = play};
    player.script = (struct script){data, size};
}
