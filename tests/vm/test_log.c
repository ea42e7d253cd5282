/* SPDX-License-Identifier: Apache-2.0 */
/* The guest's log: levels, budget, hostile text. */
#include "vm.h"

struct seen {
    int lines;
    hl_level level;
    char text[256], file[64];
    uint32_t line;
    uint64_t dropped;
};

static void keep(void *user, const hl_log_record *record)
{
    struct seen *seen = user;

    seen->lines++;
    seen->level = record->level;
    strncpy(seen->text, record->text, sizeof seen->text - 1);
    strncpy(seen->file, record->file, sizeof seen->file - 1);
    seen->line = record->line;
    seen->dropped += record->dropped;
}

static hl_sandbox *log_box(struct seen *seen, hl_level level)
{
    hl_config config = {
        .struct_size = sizeof config, .log = keep, .log_user = seen, .log_level = level};

    return vm_box("simple", NULL, &config);
}

TEST(log_at_every_level)
{
    struct seen seen = {0};
    hl_sandbox *box = log_box(&seen, HL_LEVEL_INFO);
    uint32_t level;

    for (level = HL_LEVEL_ERROR; level <= HL_LEVEL_TRACE; level++) {
        seen.lines = 0;
        vm_call(box, "Log", ARGS(hl_u32(level), hl_str("a line")));
        CHECK_INT(seen.lines, level <= HL_LEVEL_INFO);
        CHECK_INT(vm_call(box, "LogEnabled", ARGS(hl_u32(level))).as.b, level <= HL_LEVEL_INFO);
        if (!seen.lines)
            continue;
        CHECK_INT(seen.level, level);
        CHECK_STR(seen.text, "a line");
        CHECK_STR(seen.file, "simple.c");
        CHECK_INT(seen.line, 7);
    }
    hl_sandbox_destroy(box);
}

TEST(log_off_by_default)
{
    hl_sandbox *box = vm_box("simple", NULL, NULL);

    CHECK_INT(vm_call(box, "LogEnabled", ARGS(hl_u32(HL_LEVEL_ERROR))).as.b, false);
    vm_call(box, "LogMany", ARGS(hl_u32(HL_LEVEL_ERROR), hl_u32(5)));
    hl_sandbox_destroy(box);
}

TEST(log_has_a_budget)
{
    struct seen seen = {0};
    hl_sandbox *box = log_box(&seen, HL_LEVEL_TRACE);

    vm_call(box, "LogMany", ARGS(hl_u32(HL_LEVEL_WARN), hl_u32(1500)));
    CHECK_INT(seen.lines, 1000);
    CHECK_INT(seen.dropped, 0);
    vm_call(box, "LogMany", ARGS(hl_u32(HL_LEVEL_WARN), hl_u32(1)));
    CHECK_INT(seen.lines, 1001);
    CHECK_INT(seen.dropped, 500);
    hl_sandbox_destroy(box);
}

TEST(log_text_arrives_as_it_is)
{
    struct seen seen = {0};
    hl_sandbox *box = log_box(&seen, HL_LEVEL_TRACE);

    vm_call(box, "Log", ARGS(hl_u32(1), hl_str("%n%s \033[2J\r\n")));
    CHECK_STR(seen.text, "%n%s \033[2J\r\n");
    hl_sandbox_destroy(box);
}
