/* SPDX-License-Identifier: Apache-2.0 */
/* Frames to and from the host. */
#include "../shared/wire.h"
#include "runtime.h"

HL__HOT void hl__frame_values(hl_value out[], const struct hl_frame *frame)
{
    const uint8_t *start = (const uint8_t *)frame;

    hl__wire_values(out, frame, (const struct hl_slot *)(frame + 1),
                    start + hl__wire_payload(frame->count));
}

HL__HOT uint64_t hl__room(const hl_call *call)
{
    return hl__boot->replies_size - call->reply_at;
}

HL__HOT void hl__put(const hl_call *call, enum hl_kind kind, uint32_t index,
                     const hl_value values[], uint32_t count)
{
    const struct hl_frame head = {.kind = kind, .depth = call->depth, .index = index};

    hl__wire_write((void *)(uintptr_t)(hl__boot->replies + call->reply_at), &head, values, count,
                   hl__wire_size(values, count));
}

static hl_status take_failure(const struct hl_frame *answer, hl_error *err)
{
    const hl_status status = -(hl_status)answer->index;
    hl_value values[2];

    hl__frame_values(values, answer);
    hl__error(err, status, "%.*s", (int)values[1].len, (const char *)values[1].as.bytes);
    if (err)
        err->code = values[0].as.i32;
    return status;
}

HL__HOT hl_status hl__ask(hl_value *ret, const struct hl__question *question, hl_error *err)
{
    hl_call *call = hl__current;
    const struct hl_frame *answer = hl__request(call->answer_at);
    const uint64_t size = hl__wire_size(question->values, question->count);
    const uint64_t room = hl__room(call);
    const uint64_t limit = room > HL__REPLY_RESERVE ? room - HL__REPLY_RESERVE : 0;

    if (size > limit)
        return hl__error(err, HL_E_TOO_LARGE,
                         "%s: message of %llu bytes, %llu fit (hl_config.message_size)",
                         question->name, (unsigned long long)size, (unsigned long long)limit);
    hl__put(call, question->kind, question->index, question->values, question->count);
    hl__gate();
    while (answer->kind == HL_KIND_CALL) {
        hl__serve(call->answer_at, HL_FRAME_NEXT(call->reply_at, size));
        hl__gate();
    }
    if (answer->kind == HL_KIND_FAIL)
        return take_failure(answer, err);
    *ret = hl_void();
    if (answer->count)
        hl__frame_values(ret, answer);
    return hl__ok(err);
}
