/* SPDX-License-Identifier: Apache-2.0 */
/* Calling into a guest. */
#ifndef HL_HOST_CALL_H
#define HL_HOST_CALL_H

#include "sandbox.h"

/* Starts the guest and runs its init as the sandbox's first call. The stop
 * handle is in force already. */
hl_status call_init(hl_sandbox *box, hl_error *err);

/* Around an outermost call, create's init included. call_end turns what the
 * guest did and what stopped it into one status. */
void call_begin(hl_sandbox *box);
hl_status call_end(hl_sandbox *box, hl_status status, hl_error *err);
#endif
