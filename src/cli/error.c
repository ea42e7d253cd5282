/* SPDX-License-Identifier: Apache-2.0 */
/* Says what went wrong, to people and to programs. */
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "cli.h"
#include "text.h"

bool cli_json;

enum cli_exit cli_exit_of(hl_status status)
{
    switch (status) {
    case HL_OK:
        return CLI_OK;
    case HL_E_FAILED:
        return CLI_FAILED;
    case HL_E_MISMATCH:
    case HL_E_IMAGE:
    case HL_E_ABI:
        return CLI_FILE;
    case HL_E_NO_HYPERVISOR:
    case HL_E_UNSUPPORTED:
        return CLI_NO_HYPERVISOR;
    case HL_E_ABORT:
    case HL_E_FAULT:
    case HL_E_PROTOCOL:
        return CLI_DIED;
    case HL_E_CANCELLED:
    case HL_E_DEADLINE:
        return CLI_STOPPED;
    case HL_E_MEMORY:
    case HL_E_SYSTEM:
        return CLI_SYSTEM;
    default: /* the other misuses */
        return CLI_USAGE;
    }
}

enum { LINE = 2048 };

static void format_line(char line[LINE], const char *format, va_list args)
{
    if (vsnprintf(line, LINE, format, args) >= LINE)
        line[text_whole(line, LINE - 4)] = '\0';
}

static void print_line(const char *line)
{
    const bool color = text_in_color(stderr);

    fputs(color ? "\033[1mhyperlight:\033[0m " : "hyperlight: ", stderr);
    text_safe(stderr, line, strlen(line), false);
    fputc('\n', stderr);
}

void cli_say(const char *format, ...)
{
    char line[LINE];
    va_list args;

    va_start(args, format);
    format_line(line, format, args);
    va_end(args);
    print_line(line);
}

/* ---- As JSON ---------------------------------------------------------------------- */

static const char *status_name(hl_status status)
{
#define NAME(name, number, text) {number, #name},
    static const struct {
        hl_status status;
        const char *name;
    } names[] = {HL_STATUS_LIST(NAME)};
#undef NAME
    size_t i;

    for (i = 0; i < sizeof names / sizeof *names; i++)
        if (names[i].status == status)
            return names[i].name;
    return "?";
}

static void print_object(hl_status status, int code, const char *text)
{
    struct json out = {stdout, false};

    if (!cli_json)
        return;
    json_open(&out, NULL, '{');
    json_open(&out, "error", '{');
    json_string(&out, "status", status_name(status));
    json_raw(&out, "code", "%d", code);
    json_string(&out, "text", text);
    json_close(&out, '}');
    json_close(&out, '}');
    putchar('\n');
}

/* ---- Both ------------------------------------------------------------------------- */

int cli_usage(const char *format, ...)
{
    char line[LINE];
    va_list args;

    va_start(args, format);
    format_line(line, format, args);
    va_end(args);
    print_line(line);
    print_object(HL_E_INVALID, 0, line);
    return CLI_USAGE;
}

int cli_error(const hl_error *err)
{
    hl_error said = *err;

    words_of_command(&said);
    if (err->status == HL_E_FAILED)
        cli_say("the function failed with code %d: %s", err->code, said.text);
    else
        cli_say("%s", said.text);
    if (err->status == HL_E_NO_HYPERVISOR)
        cli_say("`hyperlight doctor` says more");
    print_object(err->status, err->code, said.text);
    return (int)cli_exit_of(err->status);
}
