/* SPDX-License-Identifier: Apache-2.0 */
/* Log lines with their budget, and aborts. */
#include <stdio.h>
#include <stdlib.h>

#include "../fake/fake.h"
#include "../test.h"

/* ---- Lines ------------------------------------------------------------------------- */

enum { LINES = 1000, BYTES = 1 << 20 }; /* an outermost call's budget */

struct lines {      /* that the guest writes in each call of f */
    uint32_t count; /* of them */
    uint32_t level;
    hl_value text, file;
    uint32_t sent;
};

static hl_status write_lines(struct fake_guest *guest, struct hv_exit *exit, hl_error *err)
{
    struct lines *lines = guest->program->user;
    const hl_value values[] = {lines->text, lines->file, hl_u32(lines->sent + 1)};

    (void)exit;
    (void)err;
    if (!guest->depth)
        fake_receive(guest);
    if (guest->in.kind == HL_KIND_INIT || lines->sent == lines->count)
        return fake_return(guest, hl_void());
    lines->sent++;
    fake_send(guest, HL_KIND_LOG, lines->level, values, 3);
    return HL_OK;
}

static struct {
    uint64_t lines, bytes, dropped;
    hl_log_record last;
    char text[200], file[200];
} heard;

static void hear(void *user, const hl_log_record *record)
{
    CHECK_STR(user, "log user");
    heard.lines++;
    heard.bytes += strlen(record->text) + strlen(record->file);
    heard.dropped += record->dropped;
    heard.last = *record;
    snprintf(heard.text, sizeof heard.text, "%s", record->text);
    snprintf(heard.file, sizeof heard.file, "%s", record->file);
}

static hl_sandbox *box_logging(struct lines *lines, uint32_t level)
{
    static const struct fake_function exports[] = {{"f", "void()", NULL}};
    static struct fake_program program;
    const hl_config config = {
        .struct_size = sizeof config, .log = hear, .log_user = "log user", .log_level = level};
    hl_sandbox *box;
    hl_error err;

    program = (struct fake_program){
        .exports = exports, .export_count = 1, .whole = write_lines, .user = lines};
    CHECK_INT(fake_create(&box, &program, NULL, &config, &err), HL_OK);
    CHECK_INT(fake_of(box)->in.log_level, level);
    return box;
}

static void call_f(hl_sandbox *box, struct lines *lines, uint32_t count)
{
    hl_error err;

    lines->count = count;
    lines->sent = 0;
    memset(&heard, 0, sizeof heard);
    CHECK_INT(hl_sandbox_call(NULL, box, "f", NULL, 0, &err), HL_OK);
    CHECK_INT(lines->sent, count);
}

TEST(log_line_arrives_as_it_was_written)
{
    struct lines lines = {.level = HL_LEVEL_WARN,
                          .text = hl_bytes("\x1b[2J %s %n\n\xff", 12),
                          .file = hl_bytes("main.c", 6)};
    hl_sandbox *box = box_logging(&lines, HL_LEVEL_TRACE);

    call_f(box, &lines, 1);
    CHECK_INT(heard.lines, 1);
    CHECK_STR(heard.text, "\x1b[2J %s %n\n\xff");
    CHECK_STR(heard.file, "main.c");
    CHECK_INT(heard.last.level, HL_LEVEL_WARN);
    CHECK_INT(heard.last.line, 1);
    CHECK_INT(heard.last.dropped, 0);
    lines.text = lines.file = hl_bytes(NULL, 0);
    call_f(box, &lines, 1);
    CHECK_STR(heard.text, "");
    CHECK_STR(heard.file, "");
    hl_sandbox_destroy(box);
}

/* Filtered lines cost no budget and are not counted as lost. */
TEST(log_level_is_enforced)
{
    struct lines lines = {.text = hl_bytes("x", 1), .file = hl_bytes("f", 1)};
    hl_sandbox *box;
    uint32_t allowed, level;

    for (allowed = HL_LEVEL_OFF; allowed <= HL_LEVEL_TRACE; allowed++) {
        box = box_logging(&lines, allowed);
        for (level = HL_LEVEL_ERROR; level <= HL_LEVEL_TRACE; level++) {
            lines.level = level;
            call_f(box, &lines, 1);
            CHECK_INT(heard.lines, level <= allowed);
            CHECK_INT(heard.dropped, 0);
        }
        hl_sandbox_destroy(box);
    }
}

TEST(log_level_out_of_range)
{
    static const uint32_t levels[] = {0, HL_LEVEL_TRACE + 1, 0x80000000, UINT32_MAX};
    struct lines lines = {.count = 1, .text = hl_bytes("x", 1), .file = hl_bytes("f", 1)};
    hl_sandbox *box;
    hl_error err;
    size_t i;

    for (i = 0; i < sizeof levels / sizeof *levels; i++) {
        box = box_logging(&lines, HL_LEVEL_TRACE);
        lines.level = levels[i];
        lines.sent = 0;
        CHECK_INT(hl_sandbox_call(NULL, box, "f", NULL, 0, &err), HL_E_PROTOCOL);
        CHECK_STR(err.text, "the guest broke the protocol: a malformed log frame");
        hl_sandbox_destroy(box);
    }
    CHECK_INT(heard.lines, 0);
}

TEST(no_log_function_no_lines)
{
    static const struct fake_function exports[] = {{"f", "void()", NULL}};
    struct lines lines = {
        .count = 5, .level = HL_LEVEL_ERROR, .text = hl_bytes("x", 1), .file = hl_bytes("f", 1)};
    const struct fake_program program = {
        .exports = exports, .export_count = 1, .whole = write_lines, .user = &lines};
    const hl_config config = {.struct_size = sizeof config, .log_level = HL_LEVEL_TRACE};
    hl_sandbox *box;
    hl_error err;

    CHECK_INT(fake_create(&box, &program, NULL, &config, &err), HL_OK);
    CHECK_INT(fake_of(box)->in.log_level, HL_LEVEL_OFF);
    CHECK_INT(hl_sandbox_call(NULL, box, "f", NULL, 0, &err), HL_OK);
    CHECK_INT(lines.sent, 5);
    hl_sandbox_destroy(box);
}

TEST(a_thousand_lines_a_call)
{
    struct lines lines = {
        .level = HL_LEVEL_INFO, .text = hl_bytes("line", 4), .file = hl_bytes("f", 1)};
    hl_sandbox *box = box_logging(&lines, HL_LEVEL_INFO);

    call_f(box, &lines, LINES);
    CHECK_INT(heard.lines, LINES);
    CHECK_INT(heard.last.line, LINES);
    call_f(box, &lines, LINES + 77); /* a new call, a new budget */
    CHECK_INT(heard.lines, LINES);
    CHECK_INT(heard.dropped, 0);
    call_f(box, &lines, 2); /* its first record tells of the lost ones */
    CHECK_INT(heard.lines, 2);
    CHECK_INT(heard.dropped, 77);
    CHECK_INT(heard.last.dropped, 0);
    hl_sandbox_destroy(box);
}

TEST(a_mebibyte_of_log_a_call)
{
    char *text = malloc(BYTES + 1);
    struct lines lines = {.level = HL_LEVEL_INFO};
    hl_sandbox *box = box_logging(&lines, HL_LEVEL_INFO);

    memset(text, 'x', BYTES + 1);
    lines.text = hl_bytes(text, BYTES - 3);
    lines.file = hl_bytes("abc", 3);
    call_f(box, &lines, 1);
    CHECK_INT(heard.lines, 1);
    CHECK_INT(heard.bytes, BYTES);
    lines.file = hl_bytes("abcd", 4); /* one more */
    call_f(box, &lines, 3);
    CHECK_INT(heard.lines, 0);
    lines.text = hl_bytes(text, BYTES / 4);
    lines.file = hl_bytes(NULL, 0);
    call_f(box, &lines, 9);
    CHECK_INT(heard.lines, 4);
    CHECK_INT(heard.dropped, 3);
    CHECK_INT(heard.bytes, BYTES);
    hl_sandbox_destroy(box);
    free(text);
}

/* ---- Aborts ------------------------------------------------------------------------ */

static hl_status abort_now(struct fake_guest *guest, struct hv_exit *exit, hl_error *err)
{
    const hl_value *text = guest->program->user;
    const hl_value values[] = {hl_i32(-3), *text};

    (void)exit;
    (void)err;
    fake_send(guest, HL_KIND_ABORT, 0, values, 2);
    return HL_OK;
}

static void expect_abort(hl_value text, const char *wanted)
{
    static const struct fake_function exports[] = {{"f", "void()", abort_now}};
    struct fake_program program = {.exports = exports, .export_count = 1, .user = &text};
    hl_sandbox *box;
    hl_error err;

    CHECK_INT(fake_create(&box, &program, NULL, NULL, &err), HL_OK);
    CHECK_INT(hl_sandbox_call(NULL, box, "f", NULL, 0, &err), HL_E_ABORT);
    CHECK_STR(err.text, wanted);
    CHECK_INT(err.code, -3);
    CHECK_INT(hl_sandbox_state(box), HL_POISONED);
    hl_sandbox_destroy(box);
    program.init = abort_now;
    CHECK_INT(fake_create(&box, &program, NULL, NULL, &err), HL_E_ABORT);
    CHECK_STR(err.text, wanted);
    CHECK_INT(fake_create(&box, &program, NULL, NULL, NULL), HL_E_ABORT);
}

#define ABORTED "the guest aborted with code -3: "

TEST(abort_with_a_message)
{
    expect_abort(hl_bytes("out of cheese", 13), ABORTED "out of cheese");
    expect_abort(hl_bytes(NULL, 0), ABORTED);
    expect_abort(hl_bytes("%s%n\r\n\x1b]0;x\x07", 12), ABORTED "%s%n\\x0d\\x0a\\x1b]0;x\\x07");
    expect_abort(hl_bytes("cut\0here", 8), ABORTED "cut");
}

/* The text is not NUL-terminated and as long as the guest likes: 400 bytes of
 * it are told, cut at a whole character. */
TEST(abort_with_a_message_of_any_length)
{
    enum { LONGEST = 1 << 20 };
    char *text = malloc(LONGEST), wanted[600];
    uint32_t len;

    memset(text, 'x', LONGEST);
    for (len = 1; len <= LONGEST; len = len < 420 ? len + 1 : len * 2) {
        snprintf(wanted, sizeof wanted, ABORTED "%.*s", len < 400 ? len : 400, text);
        expect_abort(hl_bytes(text, len), wanted);
    }
    memcpy(text + 399, "\xe2\x82\xac", 3);
    snprintf(wanted, sizeof wanted, ABORTED "%.399s", text);
    expect_abort(hl_bytes(text, 402), wanted);
    expect_abort(hl_bytes(text, LONGEST), wanted);
    free(text);
}

/* ---- What a log function may do ------------------------------------------------------- */

static void *meddle_with; /* the sandbox that logs */
static uint32_t meddled;

static void call_back(void *user, const hl_log_record *record)
{
    hl_error err;

    (void)user;
    (void)record;
    meddled++;
    CHECK_INT(hl_sandbox_call(NULL, meddle_with, "f", NULL, 0, &err), HL_E_STATE);
    CHECK_STR(err.text, "f: a log function cannot call the guest");
}

static void destroy_it(void *user, const hl_log_record *record)
{
    (void)user;
    (void)record;
    meddled++;
    hl_sandbox_destroy(meddle_with);
    CHECK_INT(fake_alive(), 1);
}

static void stop_it(void *user, const hl_log_record *record)
{
    (void)user;
    (void)record;
    meddled++;
    CHECK(hl_interrupt_stop(hl_sandbox_interrupt(meddle_with)));
}

static hl_sandbox *box_meddling(struct lines *lines, hl_log_fn log)
{
    static const struct fake_function exports[] = {{"f", "void()", NULL}};
    static struct fake_program program;
    const hl_config config = {
        .struct_size = sizeof config, .log = log, .log_level = HL_LEVEL_TRACE};
    hl_sandbox *box;
    hl_error err;

    *lines = (struct lines){
        .level = HL_LEVEL_INFO, .text = hl_bytes("x", 1), .file = hl_bytes("f", 1)};
    program = (struct fake_program){
        .exports = exports, .export_count = 1, .whole = write_lines, .user = lines};
    CHECK_INT(fake_create(&box, &program, NULL, &config, &err), HL_OK);
    lines->count = 2;
    meddle_with = box;
    meddled = 0;
    return box;
}

TEST(log_function_cannot_call_the_guest)
{
    struct lines lines;
    hl_sandbox *box = box_meddling(&lines, call_back);
    hl_error err;

    CHECK_INT(hl_sandbox_call(NULL, box, "f", NULL, 0, &err), HL_OK);
    CHECK_INT(meddled, 2);
    hl_sandbox_destroy(box);
}

TEST(log_function_destroys_its_sandbox)
{
    struct lines lines;
    hl_sandbox *box = box_meddling(&lines, destroy_it);
    hl_error err;

    CHECK_INT(hl_sandbox_call(NULL, box, "f", NULL, 0, &err), HL_E_STATE);
    CHECK_STR(err.text, "the sandbox was destroyed by its log function");
    CHECK_INT(meddled, 1);
    CHECK_INT(fake_alive(), 0);
}

TEST(log_function_stops_its_sandbox)
{
    struct lines lines;
    hl_sandbox *box = box_meddling(&lines, stop_it);
    hl_error err;

    CHECK_INT(hl_sandbox_call(NULL, box, "f", NULL, 0, &err), HL_E_CANCELLED);
    CHECK_INT(meddled, 1);
    hl_sandbox_destroy(box);
}
