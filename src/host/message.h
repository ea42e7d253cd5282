/* SPDX-License-Identifier: Apache-2.0 */
/* Frames in and out of a sandbox's message buffers. */
#ifndef HL_HOST_MESSAGE_H
#define HL_HOST_MESSAGE_H

#include "../shared/wire.h"
#include "sandbox.h"

struct message { /* a checked copy of a guest's frame */
    struct hl_frame head;
    hl_value values[HL_VALUES_MAX]; /* str and bytes in the buffer it was received to */
};

/* Behind every request so much stays free that a failure can be answered. */
enum { MESSAGE_RESERVE = 1024 };

/* Writes a frame of `kind` for the level in progress: a request at its start,
 * an answer behind its request. Values must be checked. E_TOO_LARGE, with size
 * and limit, writes nothing. `what` names the message in that error. */
hl_status message_request(hl_sandbox *box, enum hl_kind kind, uint32_t index,
                          const hl_value values[], uint32_t count, const char *what, hl_error *err);
hl_status message_answer(hl_sandbox *box, enum hl_kind kind, uint32_t index,
                         const hl_value values[], uint32_t count, const char *what, hl_error *err);

/* E_TOO_LARGE: what was to be sent, and how much there is room for. */
hl_status message_too_large(hl_error *err, const char *what, uint64_t size, uint64_t room);

/* Copies and checks the frame that the guest wrote at the level in progress.
 * E_PROTOCOL says which rule it broke. */
hl_status message_receive(struct message *out, hl_sandbox *box, struct buffer *payload,
                          hl_error *err);
#endif
