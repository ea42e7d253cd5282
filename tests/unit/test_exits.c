/* SPDX-License-Identifier: Apache-2.0 */
/* Every way out of a virtual machine, and what the application is told. */
#include <stdio.h>

#include "../../src/host/arch/x86_64/system.h"
#include "../../src/host/error.h"
#include "../fake/fake.h"
#include "../test.h"

/* ---- A guest whose only function leaves by a door of the test's choice ------------- */

struct door {
    struct hv_exit exit;
    hl_status error;             /* not HL_OK: the hypervisor fails instead */
    struct system_report report; /* left on the vectors' stack */
    uint32_t spurious;           /* STOPPED that many times first */
};

static hl_status leave(struct fake_guest *guest, struct hv_exit *exit, hl_error *err)
{
    struct door *door = guest->program->user;

    if (door->error)
        return error_set(err, door->error, "KVM_RUN: it broke");
    memcpy(guest->memory + SYSTEM_REPORT, &door->report, sizeof door->report);
    *exit = door->exit;
    return HL_OK;
}

static const struct fake_function exports[] = {{"leave", "i32()", leave}};

static hl_sandbox *box_with(struct fake_program *program, struct door *door)
{
    hl_sandbox *box;
    hl_error err;

    *program = (struct fake_program){.exports = exports, .export_count = 1, .user = door};
    CHECK_INT(fake_create(&box, program, NULL, NULL, &err), HL_OK);
    CHECK_INT(hl_sandbox_state(box), HL_READY);
    return box;
}

/* Leaves by the door: the call says status and text, the sandbox is POISONED,
 * remembers the reason and can be destroyed. *out: the error, for more. */
static void expect(hl_error *out, struct door *door, hl_status status, const char *text)
{
    struct fake_program program;
    hl_sandbox *box = box_with(&program, door);
    hl_value ret = hl_i32(7);
    char again[600];
    hl_error err;

    CHECK_INT(hl_sandbox_call(&ret, box, "leave", NULL, 0, out), status);
    CHECK_STR(out->text, text);
    CHECK_INT(out->status, status);
    CHECK_INT(out->code, 0);
    CHECK_INT(ret.type, HL_VOID);
    CHECK_INT(hl_sandbox_state(box), HL_POISONED);
    CHECK_INT(fake_of(box)->runs, 2);

    snprintf(again, sizeof again, "leave: the sandbox is POISONED: %s", text);
    CHECK_INT(hl_sandbox_call(&ret, box, "leave", NULL, 0, &err), HL_E_STATE);
    CHECK_STR(err.text, again);
    CHECK_INT(fake_of(box)->runs, 2);
    hl_sandbox_destroy(box);
    CHECK_INT(fake_alive(), 0);
}

/* The same for an exit that is no exception: nothing of a fault is reported. */
static void expect_exit(struct hv_exit exit, hl_status status, const char *text)
{
    struct door door = {.exit = exit};
    hl_error err;

    expect(&err, &door, status, text);
    CHECK(!err.vector && !err.access && !err.address && !err.rip);
}

#define PORT(number, ...) \
    (struct hv_exit) \
    { \
        .kind = HV_EXIT_PORT, .port = number, __VA_ARGS__ \
    }

TEST(gate_is_the_way_out)
{
    static const struct fake_function good[] = {{"f", "void()", NULL}};
    const struct fake_program program = {.exports = good, .export_count = 1};
    hl_sandbox *box;
    hl_error err;

    CHECK_INT(fake_create(&box, &program, NULL, NULL, &err), HL_OK);
    CHECK_INT(hl_sandbox_call(NULL, box, "f", NULL, 0, &err), HL_OK);
    CHECK_INT(err.status, HL_OK);
    CHECK_STR(err.text, "ok");
    CHECK_INT(hl_sandbox_state(box), HL_READY);
    hl_sandbox_destroy(box);
}

TEST(input_from_the_gate)
{
    expect_exit(PORT(PORT_GATE, .write = false, .size = 1, .count = 1), HL_E_PROTOCOL,
                "the guest broke the protocol: port 0x80, input of 1 x 1 bytes");
}

TEST(wide_output_to_the_gate)
{
    expect_exit(PORT(PORT_GATE, .write = true, .size = 2, .count = 1), HL_E_PROTOCOL,
                "the guest broke the protocol: port 0x80, output of 1 x 2 bytes");
    expect_exit(PORT(PORT_GATE, .write = true, .size = 4, .count = 1), HL_E_PROTOCOL,
                "the guest broke the protocol: port 0x80, output of 1 x 4 bytes");
}

TEST(string_io_on_the_gate)
{
    expect_exit(PORT(PORT_GATE, .write = true, .size = 1, .count = 2), HL_E_PROTOCOL,
                "the guest broke the protocol: port 0x80, output of 2 x 1 bytes");
    expect_exit(PORT(PORT_GATE, .write = true, .size = 1, .count = UINT32_MAX), HL_E_PROTOCOL,
                "the guest broke the protocol: port 0x80, output of 4294967295 x 1 bytes");
    expect_exit(PORT(PORT_GATE, .write = true, .size = 1, .count = 0), HL_E_PROTOCOL,
                "the guest broke the protocol: port 0x80, output of 0 x 1 bytes");
    expect_exit(PORT(PORT_GATE, .write = false, .size = 4, .count = 1024), HL_E_PROTOCOL,
                "the guest broke the protocol: port 0x80, input of 1024 x 4 bytes");
}

TEST(no_report_but_a_plain_one)
{
    expect_exit(PORT(PORT_REPORT, .write = false, .size = 1, .count = 1), HL_E_PROTOCOL,
                "the guest broke the protocol: port 0x81, input of 1 x 1 bytes");
    expect_exit(PORT(PORT_REPORT, .write = true, .size = 2, .count = 1), HL_E_PROTOCOL,
                "the guest broke the protocol: port 0x81, output of 1 x 2 bytes");
    expect_exit(PORT(PORT_REPORT, .write = true, .size = 1, .count = 3), HL_E_PROTOCOL,
                "the guest broke the protocol: port 0x81, output of 3 x 1 bytes");
}

TEST(every_other_port)
{
    struct door door = {.exit = PORT(0, .write = true, .size = 1, .count = 1)};
    struct fake_program program;
    hl_sandbox *box;
    char text[100];
    hl_error err;
    uint32_t port;

    for (port = 0; port < 0x10000; port += port < 0x200 ? 1 : 0x1ff) {
        if (port == PORT_GATE || port == PORT_REPORT)
            continue;
        door.exit.port = (uint16_t)port;
        snprintf(text, sizeof text,
                 "the guest broke the protocol: port 0x%x, output of 1 x 1 bytes", port);
        box = box_with(&program, &door);
        CHECK_INT(hl_sandbox_call(NULL, box, "leave", NULL, 0, &err), HL_E_PROTOCOL);
        CHECK_STR(err.text, text);
        hl_sandbox_destroy(box);
    }
}

TEST(address_without_memory)
{
    expect_exit((struct hv_exit){.kind = HV_EXIT_MEMORY, .write = true, .address = 0xfee00000},
                HL_E_PROTOCOL,
                "the guest broke the protocol: writing guest-physical 0xfee00000, no memory there");
    expect_exit((struct hv_exit){.kind = HV_EXIT_MEMORY, .address = UINT64_MAX}, HL_E_PROTOCOL,
                "the guest broke the protocol: reading guest-physical 0xffffffffffffffff, no "
                "memory there");
}

TEST(triple_fault)
{
    expect_exit((struct hv_exit){.kind = HV_EXIT_SHUTDOWN}, HL_E_FAULT,
                "triple fault: the virtual processor shut down");
}

TEST(exit_of_a_kind_unknown)
{
    expect_exit((struct hv_exit){.kind = HV_EXIT_OTHER, .code = 17}, HL_E_PROTOCOL,
                "the guest broke the protocol: fake exit of kind 17");
}

/* A status of the environment: the hypervisor's own words reach the caller. */
TEST(hypervisor_fails)
{
    struct door door = {.error = HL_E_SYSTEM};
    hl_error err;

    expect(&err, &door, HL_E_SYSTEM, "KVM_RUN: it broke");
    door.error = HL_E_MEMORY;
    expect(&err, &door, HL_E_MEMORY, "KVM_RUN: it broke");
}

/* ---- Exceptions -------------------------------------------------------------------- */

static const char *const names[32] = {
    "divide error (#DE)",
    "debug exception (#DB)",
    "NMI",
    "breakpoint (#BP)",
    "overflow (#OF)",
    "bound range exceeded (#BR)",
    "invalid opcode (#UD)",
    "device not available (#NM)",
    "double fault (#DF)",
    "exception",
    "invalid TSS (#TS)",
    "segment not present (#NP)",
    "stack fault (#SS)",
    "general protection (#GP)",
    NULL /* page fault */,
    "exception",
    "x87 error (#MF)",
    "alignment check (#AC)",
    "machine check (#MC)",
    "SIMD error (#XM)",
    "exception",
    "control protection (#CP)",
    "exception",
    "exception",
    "exception",
    "exception",
    "exception",
    "exception",
    "exception",
    "exception",
    "exception",
    "exception",
};

static struct door reporting(uint64_t vector, uint64_t error, uint64_t address)
{
    return (struct door){
        .exit = PORT(PORT_REPORT, .write = true, .size = 1, .count = 1),
        .report = {.cr2 = address,
                   .rax = 1,
                   .vector = vector,
                   .error = error,
                   .rip = 0x401234,
                   .cs = 0x33,
                   .rflags = 2,
                   .rsp = 3,
                   .ss = 0x2b},
    };
}

TEST(every_exception_has_its_name)
{
    struct door door;
    char text[200];
    hl_error err;
    uint32_t i;

    for (i = 0; i < 32; i++) {
        if (!names[i])
            continue;
        door = reporting(i, 0x18, 0xdeadbeef);
        snprintf(text, sizeof text, "%s, vector %u, error code 0x18, rip 0x401234", names[i], i);
        expect(&err, &door, HL_E_FAULT, text);
        CHECK_INT(err.vector, i);
        CHECK_INT(err.rip, 0x401234);
        CHECK_INT(err.access, 0); /* of page faults only */
        CHECK_INT(err.address, 0);
    }
}

TEST(page_fault_names_access_and_address)
{
    static const struct {
        uint32_t error;
        const char *text;
    } rows[] = {
        {4, "page fault (#PF) reading 0x10 (nothing is mapped there), rip 0x401234"},
        {5, "page fault (#PF) reading 0x10 (not allowed there), rip 0x401234"},
        {6, "page fault (#PF) writing 0x10 (nothing is mapped there), rip 0x401234"},
        {7, "page fault (#PF) writing 0x10 (not allowed there), rip 0x401234"},
        {0x14, "page fault (#PF) executing 0x10 (nothing is mapped there), rip 0x401234"},
        {0x15, "page fault (#PF) executing 0x10 (not allowed there), rip 0x401234"},
    };
    struct door door;
    hl_error err;
    size_t i;

    for (i = 0; i < sizeof rows / sizeof *rows; i++) {
        door = reporting(14, rows[i].error, 0x10);
        expect(&err, &door, HL_E_FAULT, rows[i].text);
        CHECK_INT(err.vector, 14);
        CHECK_INT(err.access, rows[i].error);
        CHECK_INT(err.address, 0x10);
        CHECK_INT(err.rip, 0x401234);
    }
}

/* The stack that the boot block tells of, with the default sizes. */
static uint64_t stack_bottom(void)
{
    struct door door = {.exit = PORT(PORT_GATE, .write = true)};
    struct fake_program program;
    hl_sandbox *box = box_with(&program, &door);
    uint64_t bottom = fake_of(box)->boot.stack;

    hl_sandbox_destroy(box);
    return bottom;
}

TEST(fault_below_the_stack_is_an_overflow)
{
    const uint64_t bottom = stack_bottom(), reach = 16 * HL_PAGE;
    const uint64_t inside[] = {bottom - 1, bottom - 8, bottom - HL_PAGE, bottom - reach};
    const uint64_t outside[] = {bottom, bottom - reach - 1, 0, UINT64_MAX};
    struct door door;
    char text[300];
    hl_error err;
    size_t i;

    for (i = 0; i < 4; i++) {
        door = reporting(14, 6, inside[i]);
        snprintf(text, sizeof text,
                 "stack overflow: page fault (#PF) writing 0x%llx below the stack of 262144 bytes, "
                 "rip 0x401234",
                 (unsigned long long)inside[i]);
        expect(&err, &door, HL_E_FAULT, text);
        CHECK_INT(err.address, inside[i]);
    }
    for (i = 0; i < 4; i++) {
        door = reporting(14, 6, outside[i]);
        snprintf(text, sizeof text,
                 "page fault (#PF) writing 0x%llx (nothing is mapped there), rip 0x401234",
                 (unsigned long long)outside[i]);
        expect(&err, &door, HL_E_FAULT, text);
    }
}

/* Only supervisor code can write a report; its numbers are bounded all the same. */
TEST(report_with_wild_numbers)
{
    struct door door = reporting(0xffffffffffffffff, 0xffffffffffffffff, UINT64_MAX);
    hl_error err;

    expect(&err, &door, HL_E_FAULT,
           "exception, vector 4294967295, error code 0xffffffff, rip 0x401234");
}

/* ---- Being stopped for no reason --------------------------------------------------- */

static hl_status dither(struct fake_guest *guest, struct hv_exit *exit, hl_error *err)
{
    struct door *door = guest->program->user;

    if (door->spurious) {
        door->spurious--;
        *exit = (struct hv_exit){.kind = HV_EXIT_STOPPED};
        return HL_OK;
    }
    door->spurious = 3;
    return fake_noop(guest, exit, err);
}

/* Signals of other people end a run: it goes on, and registers written by the
 * interrupted entry are not written again. */
TEST(spurious_stops_go_on)
{
    struct door door = {.spurious = 3};
    const struct fake_program program = {
        .exports = (const struct fake_function[]){{"f", "void()", 0}},
        .export_count = 1,
        .whole = dither,
        .user = &door};
    struct fake_guest *guest;
    hl_sandbox *box;
    hl_error err;

    CHECK_INT(fake_create(&box, &program, NULL, NULL, &err), HL_OK);
    guest = fake_of(box);
    CHECK_INT(guest->runs, 4);
    CHECK_INT(guest->resets, 1);
    CHECK_INT(hl_sandbox_call(NULL, box, "f", NULL, 0, &err), HL_OK);
    CHECK_INT(guest->runs, 8);
    CHECK_INT(guest->resets, 1);
    CHECK_INT(hl_sandbox_state(box), HL_READY);
    hl_sandbox_destroy(box);
}

/* ---- The first entry --------------------------------------------------------------- */

TEST(init_starts_at_the_entry_point)
{
    struct door door = {.exit = PORT(0, .write = true)};
    struct fake_program program;
    hl_sandbox *box = box_with(&program, &door);
    const struct fake_guest *guest = fake_of(box);

    const uint64_t end = guest->boot.stack + guest->boot.stack_size;
    struct gate_frame frame;

    /* Through the gate's scrub, which takes the rest from the stack. */
    memcpy(&frame, guest->memory + layout_gpa(end) - sizeof frame, sizeof frame);
    CHECK_INT(guest->reset.rip, system_scrub_entry());
    CHECK_INT(guest->reset.rsp, end - sizeof frame);
    CHECK_INT(end % 16, 0);
    CHECK_INT(frame.rip, HL_SLIDE);
    CHECK_INT(frame.mxcsr, 0x1f80);
    CHECK_INT(frame.x87_control, 0x37f);
    CHECK(!frame.fs_base && !frame.gs_base && !frame.rbx && !frame.rbp && !frame.r12 &&
          !frame.r13 && !frame.r14 && !frame.r15);
    CHECK_INT(guest->reset.rdi, HL_BOOT);
    CHECK_INT(guest->reset.rflags, 0x202);
    hl_sandbox_destroy(box);
}

/* Random numbers come once; the generation tells clones apart. */
TEST(requests_carry_seed_and_generation)
{
    static const struct fake_function good[] = {{"f", "void()", NULL}};
    const struct fake_program program = {.exports = good, .export_count = 1};
    static const uint64_t none[3];
    struct hl_frame init, other;
    hl_sandbox *box, *second;
    hl_error err;

    CHECK_INT(fake_create(&box, &program, NULL, NULL, &err), HL_OK);
    init = fake_of(box)->in;
    CHECK_INT(init.kind, HL_KIND_INIT);
    CHECK(init.generation && memcmp(init.seed, none, sizeof none));
    CHECK_INT(hl_sandbox_call(NULL, box, "f", NULL, 0, &err), HL_OK);
    CHECK_INT(fake_of(box)->in.kind, HL_KIND_CALL);
    CHECK(fake_of(box)->in.generation == init.generation);
    CHECK(!memcmp(fake_of(box)->in.seed, none, sizeof none));
    CHECK_INT(fake_create(&second, &program, NULL, NULL, &err), HL_OK);
    other = fake_of(second)->in;
    CHECK(other.generation != init.generation);
    CHECK(memcmp(other.seed, init.seed, sizeof init.seed));
    hl_sandbox_destroy(box);
    hl_sandbox_destroy(second);
}

static void expect_no_box(const struct fake_program *program, hl_status status, const char *text)
{
    hl_sandbox *box = (hl_sandbox *)&box;
    hl_error err;

    CHECK_INT(fake_create(&box, program, NULL, NULL, &err), status);
    CHECK(!box);
    CHECK_STR(err.text, text);
    CHECK_INT(fake_alive(), 0);
    CHECK_INT(fake_create(&box, program, NULL, NULL, NULL), status);
    CHECK_INT(fake_alive(), 0);
}

TEST(init_that_leaves_by_another_door)
{
    struct door door = {.exit = {.kind = HV_EXIT_SHUTDOWN}};
    struct fake_program program = {.init = leave, .user = &door};

    expect_no_box(&program, HL_E_FAULT, "triple fault: the virtual processor shut down");
    door = reporting(6, 0, 0);
    expect_no_box(&program, HL_E_FAULT,
                  "invalid opcode (#UD), vector 6, error code 0x0, rip 0x401234");
    door = (struct door){.error = HL_E_SYSTEM};
    expect_no_box(&program, HL_E_SYSTEM, "KVM_RUN: it broke");
}

TEST(vm_that_cannot_be_made)
{
    const struct fake_program program = {.create = HL_E_NO_HYPERVISOR};

    expect_no_box(&program, HL_E_NO_HYPERVISOR, "the fake makes no VM");
}
