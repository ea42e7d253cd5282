/* SPDX-License-Identifier: Apache-2.0 */
/* The fake guest that writes pages. */
#include "pages_guest.h"

#include "../../src/host/arch/x86_64/system.h"
#include "pool.h"

/* ---- The guest ------------------------------------------------------------------------- */

static void fill(struct fake_guest *guest, uint64_t page, uint64_t word)
{
    uint64_t *at = (uint64_t *)(void *)(guest->memory + page * HL_PAGE);
    uint32_t i;

    fake_wrote(guest, page);
    for (i = 0; i < HL_PAGE / sizeof *at; i++)
        at[i] = word;
}

static hl_status play_write(struct fake_guest *guest, struct hv_exit *exit, hl_error *err)
{
    (void)exit;
    (void)err;
    fill(guest, guest->args[0].as.u64, guest->args[1].as.u64);
    return fake_return(guest, hl_void());
}

static hl_status play_read(struct fake_guest *guest, struct hv_exit *exit, hl_error *err)
{
    uint64_t word;

    (void)exit;
    (void)err;
    memcpy(&word, guest->memory + guest->args[0].as.u64 * HL_PAGE, sizeof word);
    return fake_return(guest, hl_u64(word));
}

static hl_status play_many(struct fake_guest *guest, struct hv_exit *exit, hl_error *err)
{
    const uint64_t end = guest->args[0].as.u64 + guest->args[1].as.u64;
    uint64_t page;

    (void)exit;
    (void)err;
    for (page = guest->args[0].as.u64; page < end; page++)
        fill(guest, page, guest->args[2].as.u64);
    return fake_return(guest, hl_void());
}

static hl_status play_deep(struct fake_guest *guest, struct hv_exit *exit, hl_error *err)
{
    (void)exit;
    (void)err;
    guest->rsp -= guest->args[0].as.u64;
    return fake_return(guest, hl_void());
}

static hl_status play_ask(struct fake_guest *guest, struct hv_exit *exit, hl_error *err)
{
    (void)exit;
    (void)err;
    return guest->step ? fake_return(guest, hl_void()) : fake_call(guest, 0, NULL, 0);
}

static hl_status play_fault(struct fake_guest *guest, struct hv_exit *exit, hl_error *err)
{
    const struct system_report report = {.cr2 = 0x10, .vector = 14, .error = 6};

    (void)err;
    memcpy(guest->memory + SYSTEM_REPORT, &report, sizeof report);
    fake_wrote(guest, SYSTEM_REPORT / HL_PAGE);
    exit->port = PORT_REPORT;
    return HL_OK;
}

static hl_status play_shut(struct fake_guest *guest, struct hv_exit *exit, hl_error *err)
{
    (void)guest;
    (void)err;
    *exit = (struct hv_exit){.kind = HV_EXIT_SHUTDOWN};
    return HL_OK;
}

static hl_status play_system(struct fake_guest *guest, struct hv_exit *exit, hl_error *err)
{
    guest->memory[*(const uint64_t *)guest->program->user] ^= 1;
    fake_wrote(guest, *(const uint64_t *)guest->program->user / HL_PAGE);
    return play_fault(guest, exit, err);
}

struct fake_program pages_program(void)
{
    static const struct fake_function exports[] = {
        {"write", "void(u64, u64)", play_write},
        {"read", "u64(u64)", play_read},
        {"many", "void(u64, u64, u64)", play_many},
        {"deep", "void(u64)", play_deep},
        {"fault", "void()", play_fault},
        {"shut", "void()", play_shut},
        {"system", "void()", play_system},
        {"ask", "void()", play_ask}, /* the last one plays run-time exports, too */
    };
    static const hl_symbol imports[] = {{"h", "void()"}};

    return (struct fake_program){.exports = exports,
                                 .export_count = sizeof exports / sizeof *exports,
                                 .imports = imports,
                                 .import_count = 1,
                                 .data = PAGES_BASE};
}

/* ---- Its surroundings ----------------------------------------------------------------------- */

static hl_status h(hl_call *call, const hl_value args[], hl_value *ret)
{
    (void)call;
    (void)args;
    (void)ret;
    return HL_OK;
}

void pages_open(struct pages *pages, const struct hv_ops *hv, uint32_t idle)
{
    static const hl_host_function function = {"h", "void()", h, NULL};

    pages->program = pages_program();
    pages->hv = hv;
    pages->guest = fake_image(&pages->program);
    pages->config = (hl_config){
        .struct_size = sizeof pages->config, .heap_size = 12 << 20, .message_size = 64 << 10};
    CHECK_INT(hl_host_create(&pages->host, &function, 1, NULL), HL_OK);
    fake_use(&pages->program);
    hl_cache_limit(idle);
}

void pages_close(struct pages *pages)
{
    hl_cache_trim(0);
    CHECK_INT(fake_alive(), 0);
    CHECK_INT(atomic_load(&pages->guest->references), 1);
    CHECK_INT(atomic_load(&pages->host->references), 1);
    hl_guest_release(pages->guest);
    hl_host_release(pages->host);
    check_pool_is_empty();
}

hl_sandbox *pages_box(const struct pages *pages)
{
    hl_sandbox *box;
    hl_error err;

    if (sandbox_create_on(&box, pages->hv, pages->guest, pages->host, &pages->config, &err))
        FAIL("create: %s", err.text);
    return box;
}

hl_sandbox *pages_clone(const struct pages *pages, const hl_snapshot *snapshot)
{
    hl_sandbox *box;
    hl_error err;

    if (hl_sandbox_create_from(&box, snapshot, pages->host, NULL, &err))
        FAIL("create_from: %s", err.text);
    return box;
}

hl_snapshot *pages_take(hl_sandbox *box)
{
    hl_snapshot *snapshot;
    hl_error err;

    if (hl_snapshot_take(&snapshot, box, &err))
        FAIL("take: %s", err.text);
    return snapshot;
}

void pages_restore(hl_sandbox *box, const hl_snapshot *snapshot)
{
    hl_error err;

    if (hl_sandbox_restore(box, snapshot, &err))
        FAIL("restore: %s", err.text);
    CHECK_STR(err.text, "ok");
    CHECK_INT(hl_sandbox_state(box), HL_READY);
}

uint64_t pages_heap(const hl_sandbox *box, uint64_t number)
{
    return layout_gpa(box->shape->layout.areas[AREA_HEAP].address) / HL_PAGE + number;
}

static hl_value call(hl_sandbox *box, const char *name, const hl_value args[], uint32_t count)
{
    hl_value ret;
    hl_error err;

    if (hl_sandbox_call(&ret, box, name, args, count, &err))
        FAIL("%s: %s", name, err.text);
    return ret;
}

void pages_write(hl_sandbox *box, uint64_t page, uint64_t word)
{
    call(box, "write", (hl_value[]){hl_u64(page), hl_u64(word)}, 2);
}

uint64_t pages_read(hl_sandbox *box, uint64_t page)
{
    return call(box, "read", (hl_value[]){hl_u64(page)}, 1).as.u64;
}

void pages_many(hl_sandbox *box, uint64_t page, uint64_t count, uint64_t word)
{
    call(box, "many", (hl_value[]){hl_u64(page), hl_u64(count), hl_u64(word)}, 3);
}

void pages_end(hl_sandbox *box, const char *function, hl_status wanted)
{
    hl_error err;

    CHECK_INT(hl_sandbox_call(NULL, box, function, NULL, 0, &err), wanted);
    CHECK_INT(hl_sandbox_state(box), wanted ? HL_POISONED : HL_READY);
}

hl_cache_stats pages_stats(void)
{
    hl_cache_stats stats;

    hl_cache_get_stats(&stats);
    return stats;
}
