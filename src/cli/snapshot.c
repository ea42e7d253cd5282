/* SPDX-License-Identifier: Apache-2.0 */
/* hyperlight snapshot: saves a guest whose init, and more, has run. */
#include <stdio.h>
#include <string.h>

#include "subject.h"
#include "value.h"

struct saving {
    struct running run;
    const char *path;
    bool after;
    struct arguments arguments;
};

/* What is to be done before: one call. */
static int warm_up(struct saving *s, char *const words[], uint32_t count)
{
    const char *function = words[0];
    int result;
    hl_error err;

    if (!count)
        return cli_usage("snapshot: --after needs the name of a function");
    result = running_parse(&s->arguments, &s->run, function, words + 1, count - 1);
    if (!result &&
        hl_sandbox_call(NULL, s->run.box, function, s->arguments.values, s->arguments.count, &err))
        result = cli_error(&err);
    return result;
}

static int save(const struct saving *s)
{
    hl_snapshot *snapshot = NULL;
    const double start = running_now_us();
    hl_error err;

    if (!hl_snapshot_take(&snapshot, s->run.box, &err))
        hl_snapshot_save(snapshot, s->path, &err);
    hl_snapshot_release(snapshot);
    words_quote_path(&err, s->path);
    if (err.status)
        return cli_error(&err);
    if (s->run.time)
        cli_say("saved in %.1f us", running_now_us() - start);
    return CLI_OK;
}

/* Can a file of this name become the snapshot? Says why not. */
static bool is_path(const char *path)
{
    if (!path)
        cli_usage("snapshot: -o FILE says where to");
    else if (!*path)
        cli_usage("snapshot: -o is '', wanted a file");
    else if (!strcmp(path, "-"))
        cli_usage("snapshot: -o is -, but standard output will not do: the file gets its name when "
                  "it is complete; a file of this name is ./-");
    return path && *path && strcmp(path, "-");
}

static int run(int argc, char **argv)
{
    struct saving s = {.path = NULL};
    const struct option options[] = {
        {"-o", "FILE", OPTION_TEXT, &s.path, "the file to write; must be given"},
        RUNNING_OPTIONS(&s.run),
        {"--after", "FUNCTION...", OPTION_LAST, &s.after,
         "call it before, with the arguments that follow; the last option"},
        OPTION_END};
    const char *words[1] = {NULL};
    const int rest = options_parse(&verb_snapshot, options, argc, argv, words);
    struct subject subject;
    int result;

    if (rest < 0)
        return options_exit(rest);
    if (!is_path(s.path))
        return CLI_USAGE;
    result = subject_open(&subject, words[0]);
    if (!result)
        result = running_begin(&s.run, &subject);
    if (!result && s.run.time)
        cli_say("%s: made in %.1f us", hl_hypervisor_name(hl_sandbox_hypervisor(s.run.box)),
                s.run.create_us);
    if (!result && s.after)
        result = warm_up(&s, argv + rest, (uint32_t)(argc - rest));
    if (!result)
        result = save(&s);
    arguments_free(&s.arguments);
    running_end(&s.run);
    subject_close(&subject);
    return cli_finish(result);
}

const struct verb verb_snapshot = {
    "snapshot",
    "[OPTION...] GUEST|SNAPSHOT -o FILE [--after FUNCTION [ARGUMENT...]]",
    "saves a guest, ready to be called, to a file",
    1,
    false,
    run};
