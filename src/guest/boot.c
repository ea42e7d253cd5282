/* SPDX-License-Identifier: Apache-2.0 */
/* From the entry to the first request. */
#include "arch/x86_64/thread.h"
#include "libc/heap.h"
#include "runtime.h"

_Static_assert(HL_ABI_VERSION == 1 && HL_ABI_MINIMUM == 1 && HL_NOTE_TYPE == 1,
               "arch/x86_64/start.S says so too");

typedef void constructor(void);

extern constructor *const __preinit_array_start[], *const __preinit_array_end[];
extern constructor *const __init_array_start[], *const __init_array_end[];

const struct hl_boot *hl__boot;

static void run_all(constructor *const *from, constructor *const *to)
{
    for (; from < to; from++)
        (*from)();
}

void hl__construct(void)
{
    run_all(__preinit_array_start, __preinit_array_end);
    run_all(__init_array_start, __init_array_end);
}

/* Memory is as the loader made it: data in place, everything else zero. */
HL__NO_CANARY void hl__main(const struct hl_boot *boot, void *thread)
{
    hl__thread_init(thread);
    hl__boot = boot;
    hl__heap_init((void *)(uintptr_t)boot->heap, boot->heap_size);
    hl__dispatch();
}
