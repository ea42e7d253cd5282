/* SPDX-License-Identifier: Apache-2.0 */
/* Reads arbitrary bytes as a frame; what is one must write the same bytes. */
#include <stdlib.h>
#include <string.h>

#include "../src/shared/wire.h"
#include "fuzz.h"

static void check_spelling(const struct hl_frame *head, const struct hl_slot *slots,
                           const uint8_t *payload, const uint8_t *frame)
{
    hl_value values[HL_VALUES_MAX];
    uint8_t *again = malloc((size_t)head->size);
    uint32_t i;

    FUZZ_CHECK(again);
    hl__wire_values(values, head, slots, payload);
    for (i = 0; i < head->count; i++)
        FUZZ_CHECK(!hl__value_check(&values[i]));
    FUZZ_CHECK(hl__wire_size(values, head->count) == head->size);
    hl__wire_write(again, head, values, head->count, head->size);
    FUZZ_CHECK(!memcmp(again, frame, (size_t)head->size));
    free(again);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct hl_slot slots[HL_VALUES_MAX];
    struct hl_frame head;
    uint64_t start;
    uint8_t *payload;

    if (size < sizeof head)
        return 0;
    memcpy(&head, data, sizeof head);
    if (hl__wire_check_head(&head, size))
        return 0;
    start = hl__wire_payload(head.count);
    memcpy(slots, data + sizeof head, (size_t)start - sizeof head);
    if (hl__wire_check_slots(&head, slots))
        return 0;
    payload = malloc((size_t)(head.size - start) + !(head.size - start));
    FUZZ_CHECK(payload);
    memcpy(payload, data + start, (size_t)(head.size - start));
    if (!hl__wire_check_payload(&head, slots, payload))
        check_spelling(&head, slots, payload, data);
    free(payload);
    return 0;
}
