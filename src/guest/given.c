/* SPDX-License-Identifier: Apache-2.0 */
/* What the host gave the guest at its creation. */
#include "runtime.h"

const void *hl_init_data(size_t *size)
{
    if (size)
        *size = hl__boot->init_size;
    return hl__boot->init_size ? (const void *)(uintptr_t)hl__boot->init_data : NULL;
}
