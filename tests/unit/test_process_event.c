/* SPDX-License-Identifier: Apache-2.0 */
/* What the kernel says of a guest's process, read as what a processor would have said. */
#include <errno.h>
#include <linux/audit.h>
#include <signal.h>

#include "../../src/host/hv/process.h"
#include "test.h"

#ifndef SEGV_BNDERR
#define SEGV_BNDERR 3
#endif
enum { DE, DB, BP = 3, BR = 5, UD, SS = 12, GP, PF, MF = 16, AC, XM = 19 };
enum { PRESENT = 1, WRITE = 2, USER = 4, FETCH = 16 };

/* A guest's memory: code, data, constants, a guard page. */
#define CODE 0x600000400000ull
#define DATA 0x600000500000ull
#define FIXED 0x600000600000ull
#define GUARD 0x600000700000ull
static const struct hv_region regions[] = {
    {CODE, 0, 0x1000, HL_READ | HL_EXECUTE, HV_REGION_MEMORY},
    {DATA, 0x1000, 0x1000, HL_READ | HL_WRITE, HV_REGION_MEMORY},
    {FIXED, 0x2000, 0x1000, HL_READ, HV_REGION_MEMORY},
    {GUARD, 0x3000, 0x1000, 0, HV_REGION_MEMORY},
};

static hl_status event(struct hv_exit *exit, const struct tracer_event *event, hl_error *err)
{
    static struct tracer_slot slot;
    const struct hv_vm vm = {.slot = &slot, .regions = regions, .region_count = 4};

    slot.event = *event;
    return process_event(exit, &vm, err);
}

static struct hv_exit fault(const struct tracer_event *what)
{
    struct tracer_event whole = *what;
    struct hv_exit exit;
    hl_error err;

    whole.kind = TRACER_SIGNAL;
    whole.rip = whole.rip ? whole.rip : CODE + 8;
    CHECK_INT(event(&exit, &whole, &err), HL_OK);
    CHECK_INT(exit.kind, HV_EXIT_FAULT);
    CHECK_INT(exit.rip, whole.rip);
    CHECK_INT(exit.address, whole.address);
    return exit;
}

TEST(event_vectors)
{
    static const struct {
        int signal, code;
        uint32_t x87, vector;
    } rows[] = {
        {SIGSEGV, SEGV_MAPERR, 0, PF}, {SIGSEGV, SEGV_ACCERR, 0, PF}, {SIGSEGV, SI_KERNEL, 0, GP},
        {SIGSEGV, SEGV_BNDERR, 0, BR}, {SIGBUS, BUS_ADRALN, 0, AC},   {SIGBUS, SI_KERNEL, 0, SS},
        {SIGFPE, FPE_INTDIV, 0, DE},   {SIGFPE, FPE_INTDIV, 1, DE},   {SIGFPE, FPE_FLTDIV, 1, MF},
        {SIGFPE, FPE_FLTDIV, 0, XM},   {SIGFPE, FPE_FLTINV, 0, XM},   {SIGTRAP, SI_KERNEL, 0, BP},
        {SIGTRAP, TRAP_TRACE, 0, DB},  {SIGTRAP, TRAP_BRKPT, 0, DB},  {SIGILL, ILL_ILLOPN, 0, UD},
        {SIGILL, ILL_ILLTRP, 0, UD},
    };
    struct hv_exit exit;
    size_t i;

    for (i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        exit = fault(&(struct tracer_event){
            .signal = rows[i].signal, .code = rows[i].code, .x87 = rows[i].x87});
        if (exit.vector != rows[i].vector || exit.call)
            FAIL("row %zu: vector %u, wanted %u", i, exit.vector, rows[i].vector);
    }
}

/* The processor's error code is not to be had: what is said follows from the
 * address and from what the guest may do there. */
TEST(event_page_faults)
{
    static const struct {
        uint64_t address, rip;
        int code;
        uint32_t error;
        bool known;
    } rows[] = {
        {0, CODE, SEGV_MAPERR, USER, false},
        {GUARD, CODE, SEGV_ACCERR, USER | PRESENT, false},
        {CODE, CODE + 8, SEGV_ACCERR, USER | PRESENT | WRITE, true},
        {FIXED + 0xfff, CODE, SEGV_ACCERR, USER | PRESENT | WRITE, true},
        {FIXED, FIXED, SEGV_ACCERR, USER | PRESENT | FETCH, true},
        {DATA + 16, DATA + 16, SEGV_ACCERR, USER | PRESENT | FETCH, true},
        {GUARD, GUARD, SEGV_ACCERR, USER | PRESENT | FETCH, true},
        {64, 64, SEGV_MAPERR, USER | FETCH, true},
        {FIXED + 0x1000, CODE, SEGV_MAPERR, USER, false},
        {DATA - 1, CODE, SEGV_MAPERR, USER, false},
    };
    struct hv_exit exit;
    size_t i;

    for (i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        exit = fault(&(struct tracer_event){.signal = SIGSEGV,
                                            .code = rows[i].code,
                                            .address = rows[i].address,
                                            .rip = rows[i].rip});
        if (exit.error != rows[i].error || exit.known != rows[i].known)
            FAIL("row %zu: error %#x, %s", i, exit.error, exit.known ? "known" : "not known");
    }
}

TEST(event_system_calls)
{
    struct tracer_event call = {
        .signal = SIGSYS, .code = 1, .call = 39, .arch = AUDIT_ARCH_X86_64, .address = CODE + 2};
    struct hv_exit exit = fault(&call);

    CHECK_INT(exit.vector, UD);
    CHECK(exit.call);
    CHECK_INT(exit.code, 39);
    call.arch = AUDIT_ARCH_I386;
    call.call = -1;
    exit = fault(&call);
    CHECK_INT(exit.vector, GP);
    CHECK(exit.call);
    CHECK_INT(exit.code, 0xffffffff);
}

/* What is none of the guest's doing is an error of the machine. */
TEST(event_of_others)
{
    static struct tracer_slot slot = {.event = {.kind = TRACER_FAILURE}};
    const struct hv_vm vm = {.slot = &slot};
    struct hv_exit exit;
    hl_error err;

    CHECK_INT(event(&exit, &(struct tracer_event){.kind = TRACER_DEATH, .signal = SIGKILL}, &err),
              HL_E_SYSTEM);
    CHECK_HAS(err.text, "ended by signal 9 (SIGKILL): from outside, or for want of memory");
    CHECK_INT(event(&exit, &(struct tracer_event){.kind = TRACER_DEATH, .signal = SIGSEGV}, &err),
              HL_E_SYSTEM);
    CHECK_HAS(err.text, "ended by signal 11 (not the guest's doing)");
    CHECK_INT(
        event(&exit,
              &(struct tracer_event){
                  .kind = TRACER_SIGNAL, .signal = SIGBUS, .code = BUS_ADRERR, .address = DATA},
              &err),
        HL_E_MEMORY);
    CHECK_STR(err.text, "no memory for a page at 0x600000500000 of a guest's process");
    slot.step = TRACER_LOAD;
    slot.error = ESRCH;
    CHECK_INT(process_event(&exit, &vm, &err), HL_E_SYSTEM);
    CHECK_STR(err.text, "writing memory of a guest's process: it was killed");
    slot.step = TRACER_BEAR;
    slot.error = EAGAIN;
    CHECK_INT(process_event(&exit, &vm, &err), HL_E_MEMORY);
    CHECK_HAS(err.text, "starting a guest's process: Resource temporarily unavailable; is the "
                        "number of processes limited");
    slot.step = TRACER_STORE;
    slot.error = ENOMEM;
    CHECK_INT(process_event(&exit, &vm, &err), HL_E_MEMORY);
    CHECK_STR(err.text, "reading memory of a guest's process: Cannot allocate memory");
}
