/* SPDX-License-Identifier: Apache-2.0 */
/* A guest that changes its frame while the host reads it. */
#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>

#include "../fake/fake.h"
#include "../test.h"

/* A thread of the guest writes two values in turn over one field of its frame,
 * for as long as the test runs. Whatever the host read, it must have checked:
 * the call ends well or as a broken protocol, and nothing is read or written
 * out of bounds (sanitizers watch). */
struct flip {
    uint32_t at, width; /* bytes from the start of the frame */
    uint64_t good, bad;
};

static struct flipper {
    const struct flip *flip;
    uint8_t *frame;
    atomic_bool run, running;
    pthread_t thread;
} flipper;

/* Two processors that race, which is the point: not for ThreadSanitizer. */
__attribute__((no_sanitize("thread"))) static void store(uint8_t *at, uint32_t width,
                                                         uint64_t value)
{
    switch (width) {
    case 1:
        *(volatile uint8_t *)at = (uint8_t)value;
        break;
    case 4:
        *(volatile uint32_t *)(void *)at = (uint32_t)value;
        break;
    default:
        *(volatile uint64_t *)(void *)at = value;
        break;
    }
}

static void *flip_on(void *unused)
{
    const struct flip *flip = flipper.flip;

    while (atomic_load_explicit(&flipper.run, memory_order_relaxed)) {
        store(flipper.frame + flip->at, flip->width, flip->bad);
        store(flipper.frame + flip->at, flip->width, flip->good);
        atomic_store_explicit(&flipper.running, true, memory_order_relaxed);
    }
    return unused;
}

/* The frame's bytes: head, i32, str, bytes. */
enum {
    COUNT = 12,
    SIZE = 16,
    I32 = 64,
    STR = 80,
    BYTES = 96,
    TYPE = 0,
    LEN = 4,
    WORD = 8,
    TEXT = 112,
    DATA = 128
};

/* The thread works from the first host call to the end of the sandbox. */
static void start_flipping(uint8_t *frame)
{
    if (flipper.frame)
        return;
    flipper.frame = frame;
    atomic_store(&flipper.running, false);
    atomic_store(&flipper.run, true);
    CHECK_INT(pthread_create(&flipper.thread, NULL, flip_on, NULL), 0);
    while (!atomic_load(&flipper.running))
        sched_yield();
}

enum { CALLS = 200 }; /* of one sandbox, if it lives that long */

static hl_status hostile(struct fake_guest *guest, struct hv_exit *exit, hl_error *err)
{
    static const uint8_t data[2000] = {1, 2, 3};
    const hl_value values[] = {hl_i32(3), hl_str("abcdefg"), hl_bytes(data, sizeof data)};

    (void)exit;
    (void)err;
    fake_receive(guest);
    if (guest->in.kind == HL_KIND_INIT || guest->runs > CALLS)
        return fake_return(guest, hl_void());
    fake_call(guest, 0, values, 3);
    start_flipping(fake_reply(guest));
    return HL_OK;
}

static uint32_t outcomes[2]; /* frames refused, host functions reached */

/* Everything a host function was told holds at all times, whatever is flipped. */
static hl_status watch(hl_call *call, const hl_value args[], hl_value *ret)
{
    uint32_t sum = 0, i, round;

    (void)ret;
    CHECK_INT(hl_call_count(call), 3);
    outcomes[1]++;
    for (round = 0; round < 3; round++) {
        CHECK_INT(args[0].type, HL_I32);
        CHECK_INT(args[1].type, HL_STR);
        CHECK_INT(strlen(args[1].as.str), args[1].len);
        CHECK(args[1].len <= 7);
        CHECK_INT(args[2].type, HL_BYTES);
        for (i = 0; i < args[2].len; i++)
            sum += ((const uint8_t *)args[2].as.bytes)[i];
    }
    CHECK(sum <= 3 * 255u * 2000);
    return HL_OK;
}

/* A call with the thread at work; it may rewrite the last frame, the RETURN, too. */
static void play_once(const hl_guest *guest, const hl_host *host)
{
    hl_sandbox *box;
    hl_status status;
    hl_error err;

    CHECK_INT(sandbox_create_on(&box, &hv_fake, guest, host, NULL, &err), HL_OK);
    flipper.frame = NULL;
    status = hl_sandbox_call(NULL, box, "f", NULL, 0, &err);
    atomic_store(&flipper.run, false);
    pthread_join(flipper.thread, NULL);
    if (status && status != HL_E_PROTOCOL)
        FAIL("status %d: %s", status, err.text);
    outcomes[0] += status != HL_OK;
    hl_sandbox_destroy(box);
}

/* Until both outcomes were seen often enough to call it a race; at most half a second. */
static void play(const struct flip *flip)
{
    static const struct fake_function exports[] = {{"f", "void()", NULL}};
    static const hl_symbol imports[] = {{"h", "void(i32, str, bytes)"}};
    static const hl_host_function function = {"h", "void(i32, str, bytes)", watch, NULL};
    const struct fake_program program = {.exports = exports,
                                         .export_count = 1,
                                         .imports = imports,
                                         .import_count = 1,
                                         .whole = hostile};
    const uint64_t end = os_clock_ns() + 500000000u;
    hl_guest *guest = fake_image(&program);
    hl_host *host;

    CHECK_INT(hl_host_create(&host, &function, 1, NULL), HL_OK);
    flipper.flip = flip;
    fake_use(&program);
    outcomes[0] = outcomes[1] = 0;
    while (os_clock_ns() < end && (outcomes[0] < 300 || outcomes[1] < 300))
        play_once(guest, host);
    CHECK(outcomes[0] + outcomes[1]);
    hl_host_release(host);
    hl_guest_release(guest);
    CHECK_INT(fake_alive(), 0);
}

TEST(size_changes_between_check_and_use)
{
    static const struct flip flips[] = {
        {SIZE, 8, DATA + 2016, UINT64_MAX - 15},
        {SIZE, 8, DATA + 2016, DATA},
        {SIZE, 8, DATA + 2016, 16ull << 20},
    };
    size_t i;

    for (i = 0; i < sizeof flips / sizeof *flips; i++)
        play(&flips[i]);
}

TEST(count_changes_between_check_and_use)
{
    static const struct flip flips[] = {
        {COUNT, 4, 3, UINT32_MAX}, {COUNT, 4, 3, 17}, {COUNT, 4, 3, 0}};
    size_t i;

    for (i = 0; i < sizeof flips / sizeof *flips; i++)
        play(&flips[i]);
}

TEST(slots_change_between_check_and_use)
{
    static const struct flip flips[] = {
        {I32 + TYPE, 4, HL_I32, HL_BYTES},  {STR + LEN, 4, 7, HL_LEN_MAX},
        {STR + LEN, 4, 7, UINT32_MAX},      {STR + WORD, 8, TEXT, 1ull << 40},
        {BYTES + LEN, 4, 2000, HL_LEN_MAX}, {BYTES + WORD, 8, DATA, UINT64_MAX},
    };
    size_t i;

    for (i = 0; i < sizeof flips / sizeof *flips; i++)
        play(&flips[i]);
}

TEST(text_changes_between_check_and_use)
{
    static const struct flip flips[] = {
        {TEXT + 3, 1, 'd', 0},
        {TEXT + 3, 1, 'd', 0xff},
        {TEXT + 7, 1, 0, 'x'},
        {DATA + 2000, 1, 0, 1},
    };
    size_t i;

    for (i = 0; i < sizeof flips / sizeof *flips; i++)
        play(&flips[i]);
}
