/* SPDX-License-Identifier: Apache-2.0 */
/* Frames: what is written, and every rule that a reader holds them to. */
#include <stdlib.h>

#include "../../src/shared/wire.h"
#include "../test.h"

enum { ROOM = 4096 };

/* A frame in a block of exactly its size, so that a sanitizer sees its end. */
struct frame {
    struct hl_frame head;
    struct hl_slot slots[HL_VALUES_MAX];
    uint8_t *bytes;
};

static const hl_value every[] = {
    {HL_BOOL, 0, {.b = true}},
    {HL_I32, 0, {.i32 = -5}},
    {HL_U32, 0, {.u32 = 5}},
    {HL_I64, 0, {.i64 = -7}},
    {HL_U64, 0, {.u64 = 7}},
    {HL_F32, 0, {.f32 = 1.5f}},
    {HL_F64, 0, {.f64 = -2.5}},
    {HL_STR, 3, {.str = "abc"}},
    {HL_BYTES, 16, {.bytes = "0123456789abcdef"}},
};
enum { EVERY = sizeof every / sizeof every[0] };

static void write_frame(struct frame *out, const hl_value values[], uint32_t count)
{
    const struct hl_frame head = {.kind = HL_KIND_CALL, .depth = 1, .index = 4, .generation = 9};
    const uint64_t size = hl__wire_size(values, count);
    const uint64_t slots = hl__wire_payload(count) - sizeof head;

    memset(out, 0, sizeof *out);
    out->bytes = malloc(size);
    CHECK(out->bytes);
    memset(out->bytes, 0xee, size);
    hl__wire_write(out->bytes, &head, values, count, size);
    memcpy(&out->head, out->bytes, sizeof head);
    memcpy(out->slots, out->bytes + sizeof head, slots);
}

/* What the reader says of a frame: the first objection, or NULL. */
static const char *read_frame(const struct frame *frame)
{
    const char *wrong = hl__wire_check_head(&frame->head, ROOM);

    if (!wrong)
        wrong = hl__wire_check_slots(&frame->head, frame->slots);
    if (!wrong)
        wrong = hl__wire_check_payload(&frame->head, frame->slots,
                                       frame->bytes + hl__wire_payload(frame->head.count));
    return wrong;
}

/* ---- Values --------------------------------------------------------------------- */

TEST(values_that_may_be_sent)
{
    const hl_value empty_bytes = hl_bytes(NULL, 0), empty_str = hl_str("");
    uint32_t i;

    for (i = 0; i < EVERY; i++)
        CHECK(!hl__value_check(&every[i]));
    CHECK(!hl__value_check(&empty_bytes));
    CHECK(!hl__value_check(&empty_str));
}

static void check_value(hl_value value, const char *wrong)
{
    const char *found = hl__value_check(&value);

    CHECK_STR(found ? found : "fine", wrong);
}

TEST(values_that_may_not_be_sent)
{
    hl_value value = hl_bool(false);
    const uint8_t two = 2;

    memcpy(&value.as, &two, 1);
    check_value(value, "bool is neither 0 nor 1");
    check_value(hl_void(), "no such value type");
    value.type = HL_BYTES + 1;
    check_value(value, "no such value type");
    value.type = UINT32_MAX;
    check_value(value, "no such value type");
    check_value(hl_str(NULL), "NULL pointer");
    check_value(hl_bytes(NULL, 1), "NULL pointer");
    check_value(hl_bytes("", 0x80000000u), "longer than 2 GiB - 1");
    check_value(hl_strn("", UINT32_MAX), "longer than 2 GiB - 1");
    check_value(hl_strn("a\0b", 3), "str holds a NUL or invalid UTF-8");
    check_value(hl_str("\xff"), "str holds a NUL or invalid UTF-8");
    check_value(hl_bytes("a\0\xff", 3), "fine");
    check_value(hl_bytes("", HL_LEN_MAX), "fine"); /* not read */
    value = hl_u64(0);
    value.len = UINT32_MAX;
    check_value(value, "fine"); /* nor is the length of a scalar */
}

/* ---- Writing -------------------------------------------------------------------- */

TEST(sizes_are_those_of_the_format)
{
    hl_value values[17] = {{0}};
    uint32_t i;

    CHECK_INT(hl__wire_size(values, 0), 64);
    values[0] = hl_i32(1);
    CHECK_INT(hl__wire_size(values, 1), 80);
    values[0] = hl_bytes("", 0);
    CHECK_INT(hl__wire_size(values, 1), 96);
    values[0] = hl_bytes("", 15);
    CHECK_INT(hl__wire_size(values, 1), 96);
    values[0] = hl_bytes("", 16);
    CHECK_INT(hl__wire_size(values, 1), 112);
    values[0] = hl_str("");
    CHECK_INT(hl__wire_size(values, 1), 96);
    values[0] = hl_str("15 bytes of tex");
    CHECK_INT(hl__wire_size(values, 1), 96);
    values[0] = hl_str("16 bytes of text");
    CHECK_INT(hl__wire_size(values, 1), 112);
    for (i = 0; i < 17; i++)
        values[i] = hl_bytes("", HL_LEN_MAX);
    CHECK(hl__wire_size(values, 17) == 64 + 17 * 16 + 17 * 0x80000000ull);
}

TEST(frame_bytes_are_those_of_the_format)
{
    static const hl_value values[] = {{HL_I32, 9, {.u64 = 0xfffffffffffffffbu}},
                                      {HL_STR, 2, {.str = "hi"}},
                                      {HL_BYTES, 17, {.bytes = "0123456789abcdefg"}},
                                      {HL_BOOL, 0, {.u64 = 0xffffffffffffff01u}}};
    static const uint8_t
        tail[] =
            {
                2,   0,   0,   0,   0,   0,   0,   0,   0xfb, 0xff, 0xff, 0xff, 0,   0,
                0,   0, /* unused bytes 0 */
                8,   0,   0,   0,   2,   0,   0,   0,   128,  0,    0,    0,    0,   0,
                0,   0,   9,   0,   0,   0,   17,  0,   0,    0,    144,  0,    0,   0,
                0,   0,   0,   0,   1,   0,   0,   0,   0,    0,    0,    0,    1,   0,
                0,   0,   0,   0,   0,   0,   'h', 'i', 0,    0,    0,    0,    0,   0,
                0,   0,   0,   0,   0,   0,   0,   0,   '0',  '1',  '2',  '3',  '4', '5',
                '6', '7', '8', '9', 'a', 'b', 'c', 'd', 'e',  'f',  'g',  0,    0,   0,
                0,   0,   0,   0,   0,   0,   0,   0,   0,    0,    0,    0,
            };
    struct frame frame;

    write_frame(&frame, values, 4);
    CHECK_INT(frame.head.kind, HL_KIND_CALL);
    CHECK_INT(frame.head.depth, 1);
    CHECK_INT(frame.head.index, 4);
    CHECK_INT(frame.head.count, 4);
    CHECK_INT(frame.head.size, 64 + sizeof tail);
    CHECK_INT(frame.head.reserved, 0);
    CHECK_INT(frame.head.generation, 9);
    CHECK(!memcmp(frame.bytes + 64, tail, sizeof tail));
    CHECK(!read_frame(&frame));
    free(frame.bytes);
}

TEST(writing_stays_within_its_size)
{
    uint8_t guarded[ROOM];
    const struct hl_frame head = {.kind = HL_KIND_RETURN};
    uint32_t i;

    memset(guarded, 0xee, sizeof guarded);
    hl__wire_write(guarded + 16, &head, every, EVERY, hl__wire_size(every, EVERY));
    for (i = 0; i < 16; i++)
        CHECK_INT(guarded[i], 0xee);
    for (i = 16 + (uint32_t)hl__wire_size(every, EVERY); i < ROOM; i++)
        CHECK_INT(guarded[i], 0xee);
}

/* ---- Reading -------------------------------------------------------------------- */

TEST(what_was_written_is_read)
{
    struct frame frame;
    hl_value values[HL_VALUES_MAX];
    uint32_t i;

    write_frame(&frame, every, EVERY);
    CHECK(!read_frame(&frame));
    hl__wire_values(values, &frame.head, frame.slots, frame.bytes + hl__wire_payload(EVERY));
    for (i = 0; i < EVERY; i++) {
        CHECK_INT(values[i].type, every[i].type);
        CHECK_INT(values[i].len, every[i].len);
    }
    CHECK(values[0].as.b);
    CHECK_INT(values[1].as.i32, -5);
    CHECK_INT(values[2].as.u32, 5);
    CHECK_INT(values[3].as.i64, -7);
    CHECK_INT(values[4].as.u64, 7);
    CHECK(values[5].as.f32 == 1.5f && values[6].as.f64 == -2.5);
    CHECK_STR(values[7].as.str, "abc"); /* with its NUL */
    CHECK(!memcmp(values[8].as.bytes, "0123456789abcdef", 16));
    CHECK((const uint8_t *)values[7].as.str > frame.bytes);
    free(frame.bytes);
}

TEST(frames_of_any_count_are_read)
{
    hl_value values[HL_VALUES_MAX];
    struct frame frame;
    uint32_t count;

    for (count = 0; count <= HL_VALUES_MAX; count++) {
        if (count)
            values[count - 1] = count & 1 ? hl_str("odd") : hl_bytes("", 0);
        write_frame(&frame, values, count);
        CHECK(!read_frame(&frame));
        free(frame.bytes);
    }
}

/* Writes all types, changes the frame, wants this said. */
#define BROKEN(change, text) \
    do { \
        struct frame f; \
        const char *found; \
        write_frame(&f, every, EVERY); \
        change; \
        found = read_frame(&f); \
        CHECK_STR(found ? found : "fine", text); \
        free(f.bytes); \
    } while (0)
enum { SIZE = 64 + EVERY * 16 + 48 }; /* of the unchanged frame */

TEST(head_fields_at_their_limits)
{
    BROKEN(CHECK_INT(f.head.size, SIZE), "fine");
    BROKEN(f.head.count = 18, "more values than a frame can hold");
    BROKEN(f.head.count = UINT32_MAX, "more values than a frame can hold");
    BROKEN(f.head.count = 17, "frame size does not fit its values");
    BROKEN(f.head.size = 0, "frame size does not fit its values");
    BROKEN(f.head.size = 48, "frame size does not fit its values");
    BROKEN(f.head.size = 64 + EVERY * 16 - 16, "frame size does not fit its values");
    BROKEN(f.head.size++, "frame size does not fit its values");
    BROKEN(f.head.size += 8, "frame size does not fit its values");
    BROKEN(f.head.size += 16, "frame size does not fit its values");
    BROKEN(f.head.size = ROOM + 16, "frame larger than the buffer");
    BROKEN(f.head.size = 1ull << 31, "frame larger than the buffer");
    BROKEN(f.head.size = 0xfffffff0u, "frame larger than the buffer");
    BROKEN(f.head.size = 1ull << 63, "frame larger than the buffer");
    BROKEN(f.head.size = 0 - 16ull, "frame larger than the buffer");
    BROKEN(f.head.size = UINT64_MAX, "frame size does not fit its values");
    BROKEN(f.head.reserved = 1, "reserved field not zero");
    BROKEN(f.head.count--, "value at the wrong offset");
}

TEST(head_is_checked_against_the_limit_itself)
{
    const struct hl_frame head = {.size = 128};

    CHECK(!hl__wire_check_head(&head, 128));
    CHECK_STR(hl__wire_check_head(&head, 127), "frame larger than the buffer");
    CHECK_STR(hl__wire_check_head(&head, 0), "frame larger than the buffer");
}

TEST(slots_at_their_limits)
{
    BROKEN(f.slots[3].type = HL_VOID, "unknown value type");
    BROKEN(f.slots[3].type = HL_BYTES + 1, "unknown value type");
    BROKEN(f.slots[3].type = UINT32_MAX, "unknown value type");
    BROKEN(f.slots[3].len = 1, "length of a scalar not zero");
    BROKEN(f.slots[0].word = 2, "bool is neither 0 nor 1");
    BROKEN(f.slots[0].word = 0x100, "bool is neither 0 nor 1");
    BROKEN(f.slots[0].word = 0, "fine");
    BROKEN(f.slots[1].word |= 1ull << 32, "unused bytes of a value not zero");
    BROKEN(f.slots[2].word |= 1ull << 63, "unused bytes of a value not zero");
    BROKEN(f.slots[5].word |= 1ull << 40, "unused bytes of a value not zero");
    BROKEN(f.slots[1].word = 0xffffffffu, "fine");
    BROKEN(f.slots[3].word = UINT64_MAX, "fine");
    BROKEN(f.slots[7].word++, "value at the wrong offset");
    BROKEN(f.slots[7].word = 0, "value at the wrong offset");
    BROKEN(f.slots[7].word = UINT64_MAX, "value at the wrong offset");
    BROKEN(f.slots[8].word = f.slots[7].word, "value at the wrong offset"); /* shared bytes */
    BROKEN(f.slots[8].word += 16, "value at the wrong offset");             /* a gap */
}

TEST(lengths_at_their_limits)
{
    BROKEN(f.slots[8].len = 0x80000000u, "value longer than 2 GiB - 1");
    BROKEN(f.slots[8].len = UINT32_MAX, "value longer than 2 GiB - 1");
    BROKEN(f.slots[7].len = UINT32_MAX, "value longer than 2 GiB - 1");
    BROKEN(f.slots[8].len = HL_LEN_MAX, "value reaches beyond its frame");
    BROKEN(f.slots[8].len = 32, "value reaches beyond its frame");
    BROKEN((f.slots[8].type = HL_STR, f.slots[8].len = 32), "value reaches beyond its frame");
    BROKEN(f.slots[8].len = 31, "fine"); /* a longer value, of zeros */
    BROKEN(f.slots[8].len = 0, "frame size does not fit its values");
    BROKEN(f.slots[7].len = 31, "value at the wrong offset");
}

TEST(text_and_padding_are_checked)
{
    enum { TEXT = 64 + EVERY * 16 };

    BROKEN(f.bytes[TEXT] = '\0', "str holds a NUL or invalid UTF-8");
    BROKEN(f.bytes[TEXT + 2] = 0xc3, "str holds a NUL or invalid UTF-8");
    BROKEN(f.bytes[TEXT + 3] = 'd', "padding not zero"); /* the NUL behind it */
    BROKEN(f.bytes[TEXT + 4] = 1, "padding not zero");
    BROKEN(f.bytes[TEXT + 15] = 1, "padding not zero");
    BROKEN(f.slots[8].len = 15, "frame size does not fit its values");
    BROKEN(f.bytes[TEXT + 32] = 1, "padding not zero"); /* the NUL behind bytes */
    BROKEN(f.bytes[TEXT + 47] = 1, "padding not zero");
    BROKEN(f.bytes[TEXT + 16] = 0xff, "fine"); /* bytes may be anything */
}

/* Any one byte changed is refused or reads as another frame that writes the
 * same bytes: there is one spelling of every frame. */
TEST(every_frame_has_one_spelling)
{
    const uint64_t payload = hl__wire_payload(EVERY);
    hl_value values[HL_VALUES_MAX];
    struct frame frame;
    uint8_t again[SIZE];
    uint32_t at, byte;

    write_frame(&frame, every, EVERY);
    for (at = 0; at < SIZE; at++) {
        const uint8_t before = frame.bytes[at];

        for (byte = 0; byte < 256; byte++) {
            frame.bytes[at] = (uint8_t)byte;
            memcpy(&frame.head, frame.bytes, sizeof frame.head);
            memcpy(frame.slots, frame.bytes + sizeof frame.head, EVERY * sizeof frame.slots[0]);
            if (frame.head.count > EVERY || frame.head.size != SIZE || read_frame(&frame))
                continue;
            CHECK_INT(frame.head.count, EVERY);
            hl__wire_values(values, &frame.head, frame.slots, frame.bytes + payload);
            CHECK_INT(hl__wire_size(values, EVERY), SIZE);
            hl__wire_write(again, &frame.head, values, EVERY, SIZE);
            CHECK(!memcmp(again, frame.bytes, SIZE));
        }
        frame.bytes[at] = before;
    }
    free(frame.bytes);
}
