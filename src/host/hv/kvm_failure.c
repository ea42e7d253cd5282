/* SPDX-License-Identifier: Apache-2.0 */
/* Exits by which KVM says that it failed (api.rst, section 5). */
#include "kvm_failure.h"

#include "../error.h"

/* What KVM adds, in words, else only in numbers. */
static const char *suberror_name(__u32 suberror)
{
    switch (suberror) {
    case KVM_INTERNAL_ERROR_SIMUL_EX:
        return " (simultaneous exceptions)";
    case KVM_INTERNAL_ERROR_DELIVERY_EV:
        return " (delivery of an event)";
    case KVM_INTERNAL_ERROR_UNEXPECTED_EXIT_REASON:
        return " (unexpected exit reason)";
    default:
        return "";
    }
}

hl_status kvm_failure(const struct kvm_run *run, hl_error *err)
{
    switch (run->exit_reason) {
    case KVM_EXIT_FAIL_ENTRY:
        return error_set(err, HL_E_SYSTEM,
                         "KVM_RUN: the processor refused to enter the guest, "
                         "hardware_entry_failure_reason 0x%llx",
                         (unsigned long long)run->fail_entry.hardware_entry_failure_reason);
    case KVM_EXIT_INTERNAL_ERROR:
        if (run->internal.suberror == KVM_INTERNAL_ERROR_EMULATION)
            return HL_OK;
        return error_set(err, HL_E_SYSTEM, "KVM_RUN: internal error, suberror %u%s, data 0x%llx",
                         run->internal.suberror, suberror_name(run->internal.suberror),
                         run->internal.ndata ? (unsigned long long)run->internal.data[0] : 0ull);
    default:
        return HL_OK;
    }
}
