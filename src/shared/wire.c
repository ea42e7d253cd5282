/* SPDX-License-Identifier: Apache-2.0 */
/* The flat message format of docs/abi.md. */
#include "wire.h"

#include "hot.h"
#include "utf8.h"

static bool has_bytes(uint32_t type)
{
    return type == HL_STR || type == HL_BYTES;
}

/* Bytes that str or bytes take in the payload: a NUL follows, then padding. */
static uint64_t stored(uint32_t len)
{
    return HL_ALIGN_UP((uint64_t)len + 1, 16);
}

HL__HOT const char *hl__value_check(const hl_value *value)
{
    uint8_t byte;

    if (value->type == HL_VOID || value->type > HL_BYTES)
        return "no such value type";
    if (value->type == HL_BOOL) {
        __builtin_memcpy(&byte, &value->as, 1);
        return byte > 1 ? "bool is neither 0 nor 1" : NULL;
    }
    if (!has_bytes(value->type))
        return NULL;
    if (value->len > HL_LEN_MAX)
        return "longer than 2 GiB - 1";
    if (!value->as.bytes && (value->len || value->type == HL_STR))
        return "NULL pointer";
    if (value->type == HL_STR && !hl__utf8_valid(value->as.str, value->len))
        return "str holds a NUL or invalid UTF-8";
    return NULL;
}

HL__HOT uint64_t hl__wire_size(const hl_value values[], uint32_t count)
{
    uint64_t size = hl__wire_payload(count);
    uint32_t i;

    for (i = 0; i < count; i++)
        if (has_bytes(values[i].type))
            size += stored(values[i].len);
    return size;
}

/* Upper bytes of a narrow scalar may be anything in hl_value; not in a slot. */
HL__HOT static uint64_t scalar_word(const hl_value *value)
{
    switch (value->type) {
    case HL_BOOL:
        return value->as.b;
    case HL_I32:
    case HL_U32:
    case HL_F32:
        return value->as.u32;
    default:
        return value->as.u64;
    }
}

/* Copies a value's bytes and zeroes up to the next multiple of 16. */
HL__HOT static uint64_t write_bytes(uint8_t *frame, uint64_t at, const hl_value *value)
{
    uint64_t end = at + stored(value->len);

    if (value->len)
        __builtin_memcpy(frame + at, value->as.bytes, value->len);
    at += value->len;
    __builtin_memset(frame + at, 0, end - at);
    return end;
}

HL__HOT void hl__wire_write(void *to, const struct hl_frame *head, const hl_value values[],
                            uint32_t count, uint64_t size)
{
    uint8_t *frame = to;
    struct hl_frame full = *head;
    struct hl_slot slot;
    uint64_t at = hl__wire_payload(count);
    uint32_t i;

    full.count = count;
    full.size = size;
    __builtin_memcpy(frame, &full, sizeof full);
    for (i = 0; i < count; i++) {
        slot.type = values[i].type;
        slot.len = 0;
        if (has_bytes(slot.type)) {
            slot.len = values[i].len;
            slot.word = at;
            at = write_bytes(frame, at, &values[i]);
        } else {
            slot.word = scalar_word(&values[i]);
        }
        __builtin_memcpy(frame + hl__wire_payload(i), &slot, sizeof slot);
    }
}

const char *hl__wire_check_head(const struct hl_frame *head, uint64_t limit)
{
    if (head->count > HL_VALUES_MAX)
        return "more values than a frame can hold";
    if (head->size < hl__wire_payload(head->count) || head->size % 16)
        return "frame size does not fit its values";
    if (head->size > limit)
        return "frame larger than the buffer";
    if (head->reserved)
        return "reserved field not zero";
    return NULL;
}

static const char *check_slot(const struct hl_slot *slot, uint64_t at, uint64_t size)
{
    if (slot->type == HL_VOID || slot->type > HL_BYTES)
        return "unknown value type";
    if (has_bytes(slot->type)) {
        if (slot->len > HL_LEN_MAX)
            return "value longer than 2 GiB - 1";
        if (slot->word != at)
            return "value at the wrong offset";
        if (stored(slot->len) > size - at)
            return "value reaches beyond its frame";
        return NULL;
    }
    if (slot->len)
        return "length of a scalar not zero";
    if (slot->type == HL_BOOL && slot->word > 1)
        return "bool is neither 0 nor 1";
    if ((slot->type == HL_I32 || slot->type == HL_U32 || slot->type == HL_F32) && slot->word >> 32)
        return "unused bytes of a value not zero";
    return NULL;
}

const char *hl__wire_check_slots(const struct hl_frame *head, const struct hl_slot slots[])
{
    uint64_t at = hl__wire_payload(head->count);
    const char *wrong;
    uint32_t i;

    for (i = 0; i < head->count; i++) {
        wrong = check_slot(&slots[i], at, head->size);
        if (wrong)
            return wrong;
        if (has_bytes(slots[i].type))
            at += stored(slots[i].len);
    }
    return at == head->size ? NULL : "frame size does not fit its values";
}

static bool all_zero(const uint8_t *p, const uint8_t *end)
{
    while (p < end && !*p)
        p++;
    return p >= end;
}

const char *hl__wire_check_payload(const struct hl_frame *head, const struct hl_slot slots[],
                                   const uint8_t *payload)
{
    const uint64_t start = hl__wire_payload(head->count);
    const uint8_t *data;
    uint32_t i;

    for (i = 0; i < head->count; i++) {
        if (!has_bytes(slots[i].type))
            continue;
        data = payload + (slots[i].word - start);
        if (slots[i].type == HL_STR && !hl__utf8_valid((const char *)data, slots[i].len))
            return "str holds a NUL or invalid UTF-8";
        if (!all_zero(data + slots[i].len, data + stored(slots[i].len)))
            return "padding not zero";
    }
    return NULL;
}

HL__HOT void hl__wire_values(hl_value out[], const struct hl_frame *head,
                             const struct hl_slot slots[], const uint8_t *payload)
{
    const uint64_t start = hl__wire_payload(head->count);
    uint32_t i;

    for (i = 0; i < head->count; i++) {
        out[i].type = slots[i].type;
        out[i].len = slots[i].len;
        if (has_bytes(slots[i].type))
            out[i].as.bytes = payload + (slots[i].word - start);
        else
            out[i].as.u64 = slots[i].word;
    }
}
