/* SPDX-License-Identifier: Apache-2.0 */
/* Sends and receives frames: each byte of the guest is read once. */
#include "message.h"

#include "error.h"
#include "../shared/hot.h"

static struct level *current(const hl_sandbox *box)
{
    return &box->levels[box->depth - 1];
}

hl_status message_too_large(hl_error *err, const char *what, uint64_t size, uint64_t room)
{
    return error_set(err, HL_E_TOO_LARGE,
                     "%s: message of %llu bytes, %llu fit (hl_config.message_size)", what,
                     (unsigned long long)size, (unsigned long long)room);
}

/* Writes the frame at `offset` of the requests buffer. */
HL__HOT static hl_status send(hl_sandbox *box, uint64_t offset, struct hl_frame *head,
                              const hl_value values[], uint32_t count, const char *what,
                              hl_error *err)
{
    const uint64_t size = hl__wire_size(values, count);
    const uint64_t room = box->vm->memory.layout->areas[AREA_REQUESTS].size;
    uint8_t *at = memory_at(&box->vm->memory, AREA_REQUESTS, offset, size);

    if (!at)
        return message_too_large(err, what, size, offset < room ? room - offset : 0);
    if (offset + size > box->vm->requests_end)
        box->vm->requests_end = offset + size;
    if (size >= VM_BULK)
        vm_bulk(box->vm);
    head->depth = box->depth;
    hl__wire_write(at, head, values, count, size);
    head->size = size;
    return HL_OK;
}

HL__HOT hl_status message_request(hl_sandbox *box, enum hl_kind kind, uint32_t index,
                                  const hl_value values[], uint32_t count, const char *what,
                                  hl_error *err)
{
    const uint64_t offset = box->depth == 1 ? 0 : current(box)[-1].request_end;
    struct hl_frame head = {.kind = kind, .index = index, .log_level = box->log_level};
    hl_status status;

    if (box->depth == 1) {
        head.generation = box->generation;
        memcpy(head.seed, box->seed, sizeof head.seed);
    }
    status = send(box, offset, &head, values, count, what, err);
    if (status)
        return status;
    if (box->depth == 1)
        memset(box->seed, 0, sizeof box->seed);
    current(box)->request_end = HL_FRAME_NEXT(offset, head.size);
    return HL_OK;
}

hl_status message_answer(hl_sandbox *box, enum hl_kind kind, uint32_t index,
                         const hl_value values[], uint32_t count, const char *what, hl_error *err)
{
    struct hl_frame head = {.kind = kind, .index = index};

    return send(box, current(box)->request_end, &head, values, count, what, err);
}

static hl_status broken(hl_error *err, const char *rule)
{
    return error_set(err, HL_E_PROTOCOL, "the guest broke the protocol: %s", rule);
}

HL__HOT hl_status message_receive(struct message *out, hl_sandbox *box, struct buffer *payload,
                                  hl_error *err)
{
    const uint64_t at = current(box)->reply_at;
    const uint64_t room = box->vm->memory.layout->areas[AREA_REPLIES].size;
    struct hl_slot slots[HL_VALUES_MAX];
    struct hl_frame *head = &out->head;
    uint64_t start;
    const char *wrong;

    if (!memory_copy_in(head, &box->vm->memory, AREA_REPLIES, at, sizeof *head))
        return broken(err, "no room for a frame is left in its buffer");
    wrong = hl__wire_check_head(head, room - at);
    if (wrong)
        return broken(err, wrong);
    if (head->depth != box->depth)
        return error_set(err, HL_E_PROTOCOL,
                         "the guest broke the protocol: frame of depth %u, wanted %u", head->depth,
                         box->depth);
    start = hl__wire_payload(head->count);
    if (head->count)
        memory_copy_in(slots, &box->vm->memory, AREA_REPLIES, at + sizeof *head,
                       start - sizeof *head);
    wrong = hl__wire_check_slots(head, slots);
    if (wrong)
        return broken(err, wrong);
    if (head->size > start) {
        if (!buffer_room(payload, head->size - start))
            return error_set(err, HL_E_MEMORY, "no memory for a message of %llu bytes",
                             (unsigned long long)head->size);
        memory_copy_in(payload->data, &box->vm->memory, AREA_REPLIES, at + start,
                       head->size - start);
        wrong = hl__wire_check_payload(head, slots, payload->data);
        if (wrong)
            return broken(err, wrong);
    }
    hl__wire_values(out->values, head, slots, payload->data);
    return HL_OK;
}
