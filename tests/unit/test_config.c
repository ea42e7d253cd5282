/* SPDX-License-Identifier: Apache-2.0 */
/* hl_config: defaults, ranges, and structs of other versions. */
#include <stdio.h>
#include <stdlib.h>

#include "../../src/host/config.h"
#include "../fake/fake.h"
#include "../test.h"

#define KIB 1024ull
#define MIB (1024 * KIB)
#define GIB (1024 * MIB)

static hl_config empty(void)
{
    return (hl_config){.struct_size = sizeof(hl_config)};
}

static void expect_good(const hl_config *config)
{
    hl_config out;
    hl_error err;

    if (config_complete(&out, config, &err))
        FAIL("%s", err.text);
}

static void expect_bad(const hl_config *config, const char *text)
{
    hl_config out;
    hl_error err;

    CHECK_INT(config_complete(&out, config, &err), HL_E_INVALID);
    CHECK_STR(err.text, text);
    CHECK_INT(config_complete(&out, config, NULL), HL_E_INVALID);
}

/* ---- Defaults ---------------------------------------------------------------------- */

static void check_defaults(const hl_config *given)
{
    hl_config out;
    struct sizes sizes;
    hl_error err;

    memset(&out, 0xff, sizeof out);
    CHECK_INT(config_complete(&out, given, &err), HL_OK);
    CHECK_INT(out.heap_size, 16 * MIB);
    CHECK_INT(out.stack_size, 256 * KIB);
    CHECK_INT(out.message_size, 16 * MIB);
    CHECK_INT(out.call_depth, 8);
    CHECK(!out.avx && !out.init_data && !out.init_size && !out.deadline_us && !out.interrupt);
    CHECK(!out.user && !out.log && !out.log_user && !out.log_level && !out.interrupt_signal);
    CHECK(!out.hypervisor);
    sizes = config_sizes(&out);
    CHECK_INT(sizes.heap, 16 * MIB);
    CHECK_INT(sizes.stack, 256 * KIB);
    CHECK_INT(sizes.message, 16 * MIB);
    CHECK_INT(sizes.init_data, 0);
    CHECK_INT(sizes.call_depth, 8);
    CHECK_INT(sizes.map, GIB);
}

TEST(null_and_zero_mean_defaults)
{
    const hl_config config = empty();

    check_defaults(NULL);
    check_defaults(&config);
}

/* ---- Ranges ------------------------------------------------------------------------ */

struct range {
    size_t offset;
    uint64_t least, most;
    const char *below, *above;
};

static void try_range(const struct range *range, size_t width)
{
    const uint64_t values[] = {range->least, range->least + 1, range->most - 1, range->most};
    uint64_t value;
    hl_config config, out;
    hl_error err;
    size_t i;

    for (i = 0; i < 4; i++) {
        config = empty();
        memcpy((uint8_t *)&config + range->offset, &values[i], width);
        expect_good(&config);
    }
    config = empty();
    value = range->least - 1;
    if (value) {
        memcpy((uint8_t *)&config + range->offset, &value, width);
        expect_bad(&config, range->below);
    }
    value = range->most + 1;
    memcpy((uint8_t *)&config + range->offset, &value, width);
    expect_bad(&config, range->above);
    value = UINT64_MAX;
    memcpy((uint8_t *)&config + range->offset, &value, width);
    CHECK_INT(config_complete(&out, &config, &err), HL_E_INVALID);
    CHECK_HAS(err.text, width == 8 ? " is 18446744073709551615, wanted" : " is 4294967295, wanted");
}

TEST(sizes_within_their_ranges)
{
    static const struct range ranges[] = {
        {offsetof(hl_config, heap_size), 64 * KIB, 64 * GIB,
         "hl_config.heap_size is 65535, wanted 65536 to 68719476736",
         "hl_config.heap_size is 68719476737, wanted 65536 to 68719476736"},
        {offsetof(hl_config, stack_size), 16 * KIB, 64 * MIB,
         "hl_config.stack_size is 16383, wanted 16384 to 67108864",
         "hl_config.stack_size is 67108865, wanted 16384 to 67108864"},
        {offsetof(hl_config, message_size), 64 * KIB, 4 * GIB,
         "hl_config.message_size is 65535, wanted 65536 to 4294967296",
         "hl_config.message_size is 4294967297, wanted 65536 to 4294967296"},
        {offsetof(hl_config, map_size), 2 * MIB, 64 * GIB,
         "hl_config.map_size is 2097151, wanted 2097152 to 68719476736",
         "hl_config.map_size is 68719476737, wanted 2097152 to 68719476736"},
    };
    static const struct range depth = {offsetof(hl_config, call_depth), 1, 64, NULL,
                                       "hl_config.call_depth is 65, wanted 1 to 64"};
    size_t i;

    for (i = 0; i < sizeof ranges / sizeof *ranges; i++)
        try_range(&ranges[i], 8);
    try_range(&depth, 4);
}

TEST(sizes_are_rounded_up_to_pages)
{
    hl_config config = empty(), out;
    struct sizes sizes;

    config.heap_size = 64 * KIB + 1;
    config.stack_size = 64 * MIB - 1;
    config.message_size = 100000;
    config.map_size = 2 * MIB + 1;
    config.init_data = "x";
    config.init_size = 5;
    CHECK_INT(config_complete(&out, &config, NULL), HL_OK);
    sizes = config_sizes(&out);
    CHECK_INT(sizes.heap, 68 * KIB);
    CHECK_INT(sizes.stack, 64 * MIB);
    CHECK_INT(sizes.message, 102400);
    CHECK_INT(sizes.map, 4 * MIB);
    CHECK_INT(sizes.init_data, 5);
}

TEST(init_data)
{
    hl_config config = empty();

    config.init_data = "x"; /* of no bytes */
    expect_good(&config);
    config.init_size = 1;
    expect_good(&config);
    config.init_size = GIB;
    expect_good(&config);
    config.init_size = GIB + 1;
    expect_bad(&config, "hl_config.init_size is 1073741825, wanted 0 to 1073741824");
    config.init_data = NULL;
    config.init_size = 7;
    expect_bad(&config, "hl_config.init_data is NULL, init_size 7");
}

static void log_nothing(void *user, const hl_log_record *record)
{
    (void)user;
    (void)record;
}

TEST(switches_and_levels)
{
    hl_config config = empty(), out;
    uint32_t level;

    config.avx = 1;
    expect_good(&config);
    config.avx = 2;
    expect_bad(&config, "hl_config.avx is 2, wanted 0 or 1");
    config = empty();
    config.log = log_nothing;
    for (level = HL_LEVEL_OFF; level <= HL_LEVEL_TRACE; level++) {
        config.log_level = level;
        CHECK_INT(config_complete(&out, &config, NULL), HL_OK);
        CHECK_INT(out.log_level, level);
    }
    config.log_level = 6;
    expect_bad(&config, "hl_config.log_level is 6, wanted 0 to 5");
    config.log_level = UINT32_MAX;
    expect_bad(&config, "hl_config.log_level is 4294967295, wanted 0 to 5");
    config.log_level = HL_LEVEL_INFO;
    config.log = NULL; /* the guest need not even format its lines */
    CHECK_INT(config_complete(&out, &config, NULL), HL_OK);
    CHECK_INT(out.log_level, HL_LEVEL_OFF);
}

/* ---- The size of the struct -------------------------------------------------------- */

TEST(struct_size_not_set)
{
    const hl_config config = {0};

    expect_bad(&config, "hl_config.struct_size is 0; write: config.struct_size = sizeof config;");
}

TEST(struct_of_a_newer_version)
{
    static union {
        hl_config config;
        uint8_t bytes[5000];
    } newer;
    const uint32_t mine = sizeof(hl_config);
    char text[200];
    uint32_t at;

    newer.config.struct_size = mine + 64;
    newer.config.call_depth = 3;
    expect_good(&newer.config);
    newer.config.struct_size = 4096;
    expect_good(&newer.config);
    for (at = mine; at < 4096; at += at < mine + 70 ? 1 : 501) {
        newer.bytes[at] = 1;
        snprintf(text, sizeof text,
                 "hl_config of 4096 bytes sets a member that this library lacks (byte %u)", at);
        expect_bad(&newer.config, text);
        newer.bytes[at] = 0;
    }
    newer.bytes[4096] = 1; /* beyond it: not looked at */
    expect_good(&newer.config);
    newer.config.struct_size = 4097;
    snprintf(text, sizeof text, "hl_config.struct_size is 4097, wanted %u", mine);
    expect_bad(&newer.config, text);
    newer.config.struct_size = UINT32_MAX;
    snprintf(text, sizeof text, "hl_config.struct_size is 4294967295, wanted %u", mine);
    expect_bad(&newer.config, text);
}

/* What lies beyond an older struct is not read: sanitizers watch its end. */
TEST(struct_of_an_older_version)
{
    static const uint32_t sizes[] = {8, offsetof(hl_config, stack_size),
                                     offsetof(hl_config, trust_domain)};
    hl_config out, whole = empty();
    hl_config *older;
    size_t i;

    whole.heap_size = GIB;
    for (i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        older = malloc(sizes[i]);
        memcpy(older, &whole, sizes[i]);
        memcpy(older, &sizes[i], sizeof sizes[i]);
        CHECK_INT(config_complete(&out, older, NULL), HL_OK);
        CHECK_INT(out.heap_size, sizes[i] < offsetof(hl_config, stack_size) ? 16 * MIB : GIB);
        CHECK_INT(out.stack_size, 256 * KIB);
        CHECK_INT(out.interrupt_signal, 0);
        free(older);
    }
}

TEST(struct_that_ends_within_a_pointer)
{
    const hl_config config = {.struct_size = offsetof(hl_config, interrupt) + 4};
    char text[200];

    snprintf(text, sizeof text, "hl_config.struct_size is %u, wanted %zu", config.struct_size,
             sizeof config);
    expect_bad(&config, text);
}

/* ---- For a shape that is there ------------------------------------------------------- */

static const struct sizes shape = {.heap = 16 * MIB,
                                   .stack = 256 * KIB,
                                   .message = MIB,
                                   .init_data = 7,
                                   .call_depth = 8,
                                   .map = 4 * MIB};

static void expect_other(const hl_config *config, const char *text)
{
    hl_config out;
    hl_error err;

    CHECK_INT(config_from_shape(&out, config, &shape, true, &err), HL_E_INVALID);
    CHECK_STR(err.text, text);
}

TEST(shape_decides_what_is_left_zero)
{
    hl_config config = empty(), out;
    hl_error err;

    CHECK_INT(config_from_shape(&out, NULL, &shape, true, &err), HL_OK);
    CHECK_INT(config_from_shape(&out, &config, &shape, false, &err), HL_OK);
    config.heap_size = 16 * MIB - 5; /* rounds up to what it is */
    config.stack_size = 256 * KIB - 4095;
    config.message_size = MIB;
    config.call_depth = 8;
    config.map_size = 3 * MIB;
    config.avx = 1;
    config.deadline_us = 9;
    config.trust_domain = 10;
    config.no_reuse = 1;
    config.log_level = HL_LEVEL_WARN; /* without a log function */
    CHECK_INT(config_from_shape(&out, &config, &shape, true, &err), HL_OK);
    CHECK_INT(out.deadline_us, 9);
    CHECK_INT(out.trust_domain, 10);
    CHECK_INT(out.no_reuse, 1);
    CHECK_INT(out.log_level, HL_LEVEL_OFF);
}

TEST(shape_cannot_be_changed)
{
    hl_config config = empty();

    config.heap_size = 16 * MIB + 1;
    expect_other(&config, "hl_config.heap_size is 16777217, the snapshot has 16777216; leave it 0");
    config.heap_size = UINT64_MAX; /* rounding up would wrap around */
    expect_other(&config, "hl_config.heap_size is 18446744073709551615, the snapshot has 16777216; "
                          "leave it 0");
    config = empty();
    config.stack_size = 1;
    expect_other(&config, "hl_config.stack_size is 1, the snapshot has 262144; leave it 0");
    config = empty();
    config.message_size = 2 * MIB;
    expect_other(&config,
                 "hl_config.message_size is 2097152, the snapshot has 1048576; leave it 0");
    config = empty();
    config.map_size = GIB;
    expect_other(&config, "hl_config.map_size is 1073741824, the snapshot has 4194304; leave it 0");
    config = empty();
    config.call_depth = 9;
    expect_other(&config, "hl_config.call_depth is 9, the snapshot has 8; leave it 0");
    config = empty();
    config.avx = 2;
    expect_other(&config, "hl_config.avx is 2, the snapshot has 1; leave it 0");
    config = empty();
    config.init_data = &config;
    expect_other(&config, "hl_config.init_data is given, but the snapshot has its own");
    config = empty();
    config.init_size = 7; /* even that of the snapshot */
    expect_other(&config, "hl_config.init_data is given, but the snapshot has its own");
}

TEST(shape_takes_no_bad_choice)
{
    hl_config config = empty();

    config.no_reuse = 2;
    expect_other(&config, "hl_config.no_reuse is 2, wanted 0 or 1");
    config = empty();
    config.log_level = 6;
    expect_other(&config, "hl_config.log_level is 6, wanted 0 to 5");
    config = (hl_config){0};
    expect_other(&config, "hl_config.struct_size is 0; write: config.struct_size = sizeof config;");
}

/* ---- Through create ---------------------------------------------------------------- */

TEST(create_reports_a_bad_config)
{
    const struct fake_program program = {0};
    hl_config config = empty();
    hl_sandbox *box;
    hl_error err;

    config.stack_size = 1;
    CHECK_INT(fake_create(&box, &program, NULL, &config, &err), HL_E_INVALID);
    CHECK_STR(err.text, "hl_config.stack_size is 1, wanted 16384 to 67108864");
    CHECK(!box);
    config = (hl_config){0};
    CHECK_INT(fake_create(&box, &program, NULL, &config, &err), HL_E_INVALID);
    CHECK_HAS(err.text, "write: config.struct_size = sizeof config;");
    CHECK_INT(fake_alive(), 0);
}

TEST(create_passes_the_config_on)
{
    static uint8_t data[10000];
    const struct fake_program program = {0};
    hl_config config = empty();
    const struct fake_guest *guest;
    hl_sandbox *box;
    hl_error err;

    memset(data, 0x77, sizeof data);
    config.heap_size = GIB;
    config.stack_size = MIB;
    config.message_size = 128 * KIB;
    config.call_depth = 5;
    config.init_data = data;
    config.init_size = sizeof data;
    config.user = data;
    CHECK_INT(fake_create(&box, &program, NULL, &config, &err), HL_OK);
    guest = fake_of(box);
    memset(data, 0, sizeof data); /* it was copied */
    CHECK(hl_sandbox_user(box) == data);
    CHECK_INT(guest->boot.heap_size, GIB);
    CHECK_INT(guest->boot.stack_size, MIB);
    CHECK_INT(guest->boot.requests_size, 128 * KIB);
    CHECK_INT(guest->boot.replies_size, 128 * KIB);
    CHECK_INT(guest->boot.call_depth, 5);
    CHECK_INT(guest->boot.init_size, sizeof data);
    CHECK_INT(guest->memory[layout_gpa(guest->boot.init_data)], 0x77);
    CHECK_INT(guest->memory[layout_gpa(guest->boot.init_data) + sizeof data - 1], 0x77);
    CHECK_INT(guest->memory[layout_gpa(guest->boot.init_data) + sizeof data], 0);
    hl_sandbox_destroy(box);
}
