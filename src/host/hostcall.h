/* SPDX-License-Identifier: Apache-2.0 */
/* What a running guest may ask of the host. */
#ifndef HL_HOST_HOSTCALL_H
#define HL_HOST_HOSTCALL_H

#include "message.h"

/* Each serves one frame of the guest and writes the answer, if the kind has
 * one. An error ends the call in progress and poisons the sandbox. */
hl_status hostcall_function(hl_sandbox *box, const struct message *message, hl_error *err);
hl_status hostcall_log(hl_sandbox *box, const struct message *message, hl_error *err);
hl_status hostcall_export(hl_sandbox *box, const struct message *message, hl_error *err);
hl_status hostcall_import(hl_sandbox *box, const struct message *message, hl_error *err);
hl_status hostcall_abort(const struct message *message, hl_error *err);

/* Does the message hold exactly these types? */
bool hostcall_fits(const struct message *message, const uint8_t types[], uint32_t count);
void hostcall_reset_budget(struct log_budget *budget);
#endif
