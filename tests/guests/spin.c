/* SPDX-License-Identifier: Apache-2.0 */
/* A guest whose init never ends. */
#include <hyperlight/guest.h>

static hl_status spin(hl_call *call, const hl_value args[], hl_value *ret)
{
    (void)call;
    (void)args;
    (void)ret;
    for (;;)
        __asm__ volatile("pause");
}
HL_INIT(spin);
