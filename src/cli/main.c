/* SPDX-License-Identifier: Apache-2.0 */
/* The command hyperlight: chooses the verb. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>

#include "cli.h"
#include "text.h"

static const struct verb *const verbs[] = {&verb_call, &verb_snapshot, &verb_inspect, &verb_doctor,
                                           &verb_new};
enum { VERBS = sizeof verbs / sizeof *verbs };

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
    fputs("\nhyperlight help VERB says more; so does man hyperlight.\n", out);
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

static const struct verb *find(const char *name)
{
    size_t i;

    for (i = 0; i < VERBS; i++)
        if (!strcmp(name, verbs[i]->name))
            return verbs[i];
    return NULL;
}

static int no_verb(const char *name)
{
    char shown[TEXT_SHOWN];

    return cli_usage("no verb %s; hyperlight --help lists them", text_shown(shown, name));
}

/* hyperlight help VERB is hyperlight VERB --help. */
static int help_on(char *name)
{
    static char option[] = "--help";
    const struct verb *verb = find(name);
    char *args[] = {name, option, NULL};

    return verb ? verb->run(2, args) : no_verb(name);
}

int main(int argc, char **argv)
{
    const struct verb *verb;

    if (!fill_streams())
        return CLI_SYSTEM;
    setvbuf(stderr, NULL, _IOLBF, BUFSIZ); /* lines, not characters, beside those of others */
    if (argc < 2)
        return help(stderr), CLI_USAGE;
    if (!strcmp(argv[1], "help") && argc > 2)
        return help_on(argv[2]);
    if (!strcmp(argv[1], "--help") || !strcmp(argv[1], "-h") || !strcmp(argv[1], "help"))
        return help(stdout), cli_finish(CLI_OK);
    if (!strcmp(argv[1], "--version"))
        return printf("hyperlight %s\n", hl_version()), cli_finish(CLI_OK);
    verb = find(argv[1]);
    return verb ? verb->run(argc - 1, argv + 1) : no_verb(argv[1]);
}
