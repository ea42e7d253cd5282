/* SPDX-License-Identifier: Apache-2.0 */
/* What the verbs of the command hyperlight share. */
#ifndef HL_CLI_CLI_H
#define HL_CLI_CLI_H

#include <hyperlight/hyperlight.h>

/* Exit statuses; scripts rely on them (docs/cli.md, "Exit status"). */
enum cli_exit {
    CLI_OK = 0,
    CLI_FAILED = 1,        /* the guest's function reported an error */
    CLI_USAGE = 2,         /* the command line; a function or arguments that do not fit */
    CLI_FILE = 3,          /* a guest or snapshot that cannot be read or is refused */
    CLI_NO_HYPERVISOR = 4, /* nothing here can run a guest, or this one */
    CLI_DIED = 5,          /* the guest faulted, aborted or broke the protocol */
    CLI_STOPPED = 6,       /* by its deadline */
    CLI_SYSTEM = 7         /* memory, a system call, an output that cannot be written */
};
enum cli_exit cli_exit_of(hl_status status);

struct verb {
    const char *name, *usage, *summary;
    unsigned words;                    /* that it must have */
    bool rest;                         /* behind them come others, or behind an OPTION_LAST */
    int (*run)(int argc, char **argv); /* argv[0] is the verb */
};
extern const struct verb verb_call, verb_snapshot, verb_inspect, verb_doctor, verb_new;

/* One line on standard error, "hyperlight: ...", with controls escaped. */
void cli_say(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* --json was among the options: what is wrong is an object on standard output,
 * too. Each of the two below says it, once in a run; the result is the exit
 * status that it means, for cli_finish. */
extern bool cli_json;
int cli_usage(const char *format, ...) __attribute__((format(printf, 1, 2)));
int cli_error(const hl_error *err);

/* What the library says of hl_config, in words of options; cli_error does so. */
void words_of_command(hl_error *err);
/* If the error begins with this path, and the path cannot be seen, in quotes. */
void words_quote_path(hl_error *err, const char *path);

/* Flushes standard output: `result`, or CLI_SYSTEM if it could not be written,
 * which it says the first time; soon after the write, or the reason is another. */
int cli_finish(int result);
#endif
