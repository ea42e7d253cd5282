/* SPDX-License-Identifier: Apache-2.0 */
/* Where the compiler's stack protector ends. */
#include "runtime.h"

void __stack_chk_fail(void) __attribute__((noreturn));

/* What the frame held is not to be trusted; hl_abort needs none of it. */
HL__NO_CANARY void __stack_chk_fail(void)
{
    hl_abort(HL__ABORT_STACK, "stack smashing detected");
}
