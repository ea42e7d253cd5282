/* SPDX-License-Identifier: Apache-2.0 */
/* The library as a whole: version, statuses, hypervisors. */
#include <hyperlight/hyperlight.h>

#include "error.h"
#include "hv/hv.h"

const char *hl_version(void)
{
    return HL_VERSION;
}

const char *hl_status_text(hl_status status)
{
    switch (status) {
#define TEXT(name, number, text) \
    case HL_##name: \
        return text;
        HL_STATUS_LIST(TEXT)
#undef TEXT
    default:
        return "unknown status";
    }
}

/* Best first. */
static const struct hv_ops *const backends[] = {
#ifdef __linux__
    &hv_kvm,
    &hv_process,
#endif
    NULL,
};

const struct hv_ops *hv_find(hl_hypervisor which)
{
    const struct hv_ops *const *hv = backends;

    while (*hv && which != HL_HYPERVISOR_ANY && (*hv)->id != which)
        hv++;
    return *hv;
}

void hv_rest(void)
{
    const struct hv_ops *const *hv;

    for (hv = backends; *hv; hv++)
        if ((*hv)->rest)
            (*hv)->rest();
}

hl_status hl_hypervisor_probe(hl_hypervisor which, hl_error *err)
{
    const struct hv_ops *hv = hv_find(which);

    return hv ? hv->probe(err)
              : error_set(err, HL_E_INVALID,
                          "hypervisor %d, wanted 0 (any), 1 (kvm) or 2 (process)", (int)which);
}

const char *hl_hypervisor_name(hl_hypervisor which)
{
    switch (which) {
    case HL_HYPERVISOR_ANY:
        return "any";
    case HL_HYPERVISOR_KVM:
        return "kvm";
    case HL_HYPERVISOR_PROCESS:
        return "process";
    }
    return "?";
}
