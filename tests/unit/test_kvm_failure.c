/* SPDX-License-Identifier: Apache-2.0 */
/* Exits of KVM: whose failure they are. */
#include "../../src/host/hv/kvm_failure.h"
#include "../test.h"

static void expect(const struct kvm_run *run, hl_status status, const char *text)
{
    hl_error err = {.text = "untouched"};

    CHECK_INT(kvm_failure(run, NULL), status);
    CHECK_INT(kvm_failure(run, &err), status);
    CHECK_STR(err.text, text);
    if (status)
        CHECK_INT(err.status, status);
}

TEST(failed_entry_is_the_hosts)
{
    static struct kvm_run run = {.exit_reason = KVM_EXIT_FAIL_ENTRY};

    run.fail_entry.hardware_entry_failure_reason = 0x80000021;
    run.fail_entry.cpu = 3;
    expect(&run, HL_E_SYSTEM,
           "KVM_RUN: the processor refused to enter the guest, hardware_entry_failure_reason "
           "0x80000021");
}

TEST(internal_error_is_the_hosts)
{
    static struct kvm_run run = {.exit_reason = KVM_EXIT_INTERNAL_ERROR};

    run.internal.suberror = KVM_INTERNAL_ERROR_DELIVERY_EV;
    run.internal.ndata = 2;
    run.internal.data[0] = 0x80000b0e;
    expect(&run, HL_E_SYSTEM,
           "KVM_RUN: internal error, suberror 3 (delivery of an event), data 0x80000b0e");
    run.internal.suberror = KVM_INTERNAL_ERROR_UNEXPECTED_EXIT_REASON;
    run.internal.ndata = 0;
    expect(&run, HL_E_SYSTEM,
           "KVM_RUN: internal error, suberror 4 (unexpected exit reason), data 0x0");
    run.internal.suberror = KVM_INTERNAL_ERROR_SIMUL_EX;
    expect(&run, HL_E_SYSTEM,
           "KVM_RUN: internal error, suberror 2 (simultaneous exceptions), data 0x0");
    run.internal.suberror = 99;
    expect(&run, HL_E_SYSTEM, "KVM_RUN: internal error, suberror 99, data 0x0");
}

TEST(instruction_that_cannot_be_emulated_is_the_guests)
{
    static struct kvm_run run = {.exit_reason = KVM_EXIT_INTERNAL_ERROR};

    run.internal.suberror = KVM_INTERNAL_ERROR_EMULATION;
    expect(&run, HL_OK, "untouched");
}

TEST(other_exits_are_the_guests)
{
    static struct kvm_run run;
    uint32_t reason;

    for (reason = 0; reason < 64; reason++) {
        run.exit_reason = reason;
        run.internal.suberror = KVM_INTERNAL_ERROR_EMULATION;
        if (reason != KVM_EXIT_FAIL_ENTRY)
            expect(&run, HL_OK, "untouched");
    }
}
