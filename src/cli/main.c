/* SPDX-License-Identifier: Apache-2.0 */
/* The command hyperlight: chooses the verb, and says what went wrong. */
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "cli.h"
#include "text.h"

static const struct verb *const verbs[] = {&verb_call, &verb_snapshot, &verb_inspect, &verb_doctor,
                                           &verb_new};
enum { VERBS = sizeof verbs / sizeof *verbs };

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

static void say(const char *format, va_list args)
{
    const bool color = text_in_color(stderr);
    char line[2048];

    vsnprintf(line, sizeof line, format, args);
    fputs(color ? "\033[1mhyperlight:\033[0m " : "hyperlight: ", stderr);
    text_safe(stderr, line, strlen(line), false);
    fputc('\n', stderr);
}

void cli_say(const char *format, ...)
{
    va_list args;

    va_start(args, format);
    say(format, args);
    va_end(args);
}

int cli_usage(const char *format, ...)
{
    va_list args;

    va_start(args, format);
    say(format, args);
    va_end(args);
    return CLI_USAGE;
}

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

int cli_error(const hl_error *err, bool json)
{
    struct json out = {stdout, false};

    if (err->status == HL_E_FAILED)
        cli_say("the function failed with code %d: %s", err->code, err->text);
    else
        cli_say("%s", err->text);
    if (err->status == HL_E_NO_HYPERVISOR)
        cli_say("`hyperlight doctor` says more");
    if (json) {
        json_open(&out, NULL, '{');
        json_open(&out, "error", '{');
        json_string(&out, "status", status_name(err->status));
        json_raw(&out, "code", "%d", err->code);
        json_string(&out, "text", err->text);
        json_close(&out, '}');
        json_close(&out, '}');
        putchar('\n');
    }
    return (int)cli_exit_of(err->status);
}

int cli_finish(int result)
{
    static bool failed; /* and it has been said */

    if (!failed && !fflush(stdout) && !ferror(stdout))
        return result;
    if (!failed)
        cli_say("standard output cannot be written: %s", strerror(errno));
    failed = true;
    return CLI_SYSTEM;
}

static void help(FILE *out)
{
    size_t i;

    fputs("hyperlight VERB ...    runs untrusted functions in micro-VMs\n\n", out);
    for (i = 0; i < VERBS; i++)
        fprintf(out, "  %-9s %s\n", verbs[i]->name, verbs[i]->summary);
    fputs("\nhyperlight VERB --help says more; so does man hyperlight.\n", out);
}

/* Where the caller has closed standard input, output or error, the next file
 * would get that number, and what is meant for the stream would go into it: into
 * the guest's memory, say. These can be neither read nor written, as if closed. */
static bool fill_streams(void)
{
    int fd;

    for (fd = 0; fd <= 2; fd++)
        if (fcntl(fd, F_GETFD) < 0 && open("/dev/null", fd ? O_RDONLY : O_WRONLY) != fd)
            return false;
    return true;
}

int main(int argc, char **argv)
{
    size_t i;

    if (!fill_streams())
        return CLI_SYSTEM;
    setvbuf(stderr, NULL, _IOLBF, BUFSIZ); /* lines, not characters, beside those of others */
    if (argc < 2)
        return help(stderr), CLI_USAGE;
    if (!strcmp(argv[1], "--help") || !strcmp(argv[1], "-h") || !strcmp(argv[1], "help"))
        return help(stdout), cli_finish(CLI_OK);
    if (!strcmp(argv[1], "--version"))
        return printf("hyperlight %s\n", hl_version()), cli_finish(CLI_OK);
    for (i = 0; i < VERBS; i++)
        if (!strcmp(argv[1], verbs[i]->name))
            return verbs[i]->run(argc - 1, argv + 1);
    return cli_usage("no verb %s; hyperlight --help lists them", argv[1]);
}
