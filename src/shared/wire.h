/* SPDX-License-Identifier: Apache-2.0 */
/* Frames: measuring, writing and checking what crosses the wall. */
#ifndef HL_SHARED_WIRE_H
#define HL_SHARED_WIRE_H

#include "abi.h"

/* NULL, or why the value may not be sent (a constant string): a NULL pointer,
 * too long, a bool or type out of range, a str with a NUL or not UTF-8. */
const char *hl__value_check(const hl_value *value);

/* The size of a frame with these (checked) values: at most 17 x 2 GiB. */
uint64_t hl__wire_size(const hl_value values[], uint32_t count);

/* Writes head, with count and size set, and the (checked) values to `to`, which
 * has room for `size` = hl__wire_size() bytes. Reads nothing back from `to`. */
void hl__wire_write(void *to, const struct hl_frame *head, const hl_value values[], uint32_t count,
                    uint64_t size);

/* Each returns NULL or what is wrong (a constant string); they read only their
 * arguments, which must be the reader's own copies. First the head; then the
 * slots, head->count of them; then the payload, the frame's bytes after the
 * slots. */
const char *hl__wire_check_head(const struct hl_frame *head, uint64_t limit);
const char *hl__wire_check_slots(const struct hl_frame *head, const struct hl_slot slots[]);
const char *hl__wire_check_payload(const struct hl_frame *head, const struct hl_slot slots[],
                                   const uint8_t *payload);

/* The values of a checked frame; str and bytes point into `payload`. */
void hl__wire_values(hl_value out[], const struct hl_frame *head, const struct hl_slot slots[],
                     const uint8_t *payload);

/* The part of a frame that lies after its slots starts here. */
static inline uint64_t hl__wire_payload(uint32_t count)
{
    return sizeof(struct hl_frame) + (uint64_t)count * sizeof(struct hl_slot);
}
#endif
