/* SPDX-License-Identifier: Apache-2.0 */
/* Can guests run in processes here? Found out by making one. */
#include "../../shared/abi.h"
#include "../error.h"
#include "process.h"

static const struct hv_region regions[] = {
    {HL_GATE, 0, HL_PAGE, HL_READ | HL_EXECUTE, HV_REGION_GATE},
    {HL_GATE + 2 * HL_PAGE, HL_PAGE, HL_PAGE, HL_READ, HV_REGION_REQUESTS},
    {HL_GATE + 4 * HL_PAGE, 2 * HL_PAGE, HL_PAGE, HL_READ | HL_WRITE, HV_REGION_REPLIES},
    {HL_GATE + 6 * HL_PAGE, 3 * HL_PAGE, HL_PAGE, HL_READ | HL_WRITE, HV_REGION_MEMORY},
};

hl_status process_probe(hl_error *err)
{
    const struct hv_setup setup = {.memory_size = 4 * HL_PAGE,
                                   .regions = regions,
                                   .region_count = sizeof regions / sizeof regions[0]};
    struct hv_vm *vm;
    hl_status status = hv_process.create(&vm, &setup, err);
    uint32_t fences;

    if (status)
        return status;
    status = process_order(vm, TRACER_BEAR, err);
    fences = vm->template->head->fences;
    hv_process.destroy(vm);
    return status
               ? status
               : error_set(err, HL_OK,
                           "guests can run in locked-down processes: the host's kernel and a "
                           "system call filter confine them, not a hypervisor, so that a fault "
                           "of the kernel in what every program meets (memory, signals, futex) "
                           "can free a guest. They also share the processor's and the kernel's "
                           "side channels with every other process. Behind the filter: %s, %s, %s.",
                           fences & TRACER_NAMESPACES ? "namespaces" : "no namespaces",
                           fences & TRACER_LANDLOCK ? "Landlock" : "no Landlock",
                           fences & TRACER_DISPATCH ? "user dispatch" : "no user dispatch");
}
