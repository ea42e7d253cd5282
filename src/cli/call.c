/* SPDX-License-Identifier: Apache-2.0 */
/* hyperlight call: runs one function of a guest and prints its result. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "subject.h"
#include "value.h"

struct call {
    struct running run;
    uint64_t repeat, done;
    bool raw;
    const char *function;
    struct arguments arguments;
    double least_us, most_us, sum_us;
};

/* Shown on a terminal after a second, and not more often than a person reads. */
struct progress {
    double next_us;
    bool shown;
};

static void progress(struct progress *p, uint64_t done, uint64_t all)
{
    const double now = running_now_us();

    if (now < p->next_us || !text_is_terminal(stderr))
        return;
    p->next_us = now + 200e3;
    p->shown = true;
    fprintf(stderr, "\r%llu of %llu calls ", (unsigned long long)done, (unsigned long long)all);
    fflush(stderr);
}

static void add_time(struct call *c, double us)
{
    c->least_us = c->done && c->least_us < us ? c->least_us : us;
    c->most_us = c->most_us > us ? c->most_us : us;
    c->sum_us += us;
    c->done++;
}

static hl_status repeat(hl_value *ret, struct call *c, hl_error *err)
{
    struct progress shown = {running_now_us() + 1e6, false};
    hl_status status = HL_OK;
    double start;

    while (c->done < c->repeat && !status) {
        start = running_now_us();
        status = hl_sandbox_call(ret, c->run.box, c->function, c->arguments.values,
                                 c->arguments.count, err);
        add_time(c, running_now_us() - start);
        progress(&shown, c->done, c->repeat);
    }
    if (shown.shown) {
        fputs("\r\033[K", stderr);
        fflush(stderr);
    }
    return status;
}

static void say_times(const struct call *c)
{
    const char *name = hl_hypervisor_name(hl_sandbox_hypervisor(c->run.box));

    if (c->done == 1)
        cli_say("%s: made in %.1f us, called in %.1f us", name, c->run.create_us, c->sum_us);
    else
        cli_say("%s: made in %.1f us, %llu calls, each %.1f to %.1f us, %.1f on average", name,
                c->run.create_us, (unsigned long long)c->done, c->least_us, c->most_us,
                c->sum_us / (double)c->done);
}

static void print_json(const struct call *c, const hl_value *ret)
{
    struct json json = {stdout, false};

    json_open(&json, NULL, '{');
    json_string(&json, "function", c->function);
    json_string(&json, "type", value_type(ret->type));
    value_json(&json, "result", ret);
    json_string(&json, "hypervisor", hl_hypervisor_name(hl_sandbox_hypervisor(c->run.box)));
    json_raw(&json, "calls", "%llu", (unsigned long long)c->done);
    json_open(&json, "us", '{');
    json_raw(&json, "create", "%.3f", c->run.create_us);
    json_raw(&json, "least", "%.3f", c->least_us);
    json_raw(&json, "most", "%.3f", c->most_us);
    json_raw(&json, "sum", "%.3f", c->sum_us);
    json_close(&json, '}');
    json_close(&json, '}');
    putchar('\n');
}

static int call(struct call *c, const struct subject *subject, char *const words[], uint32_t count)
{
    int result = running_begin(&c->run, subject);
    hl_value ret = hl_void();
    hl_error err;

    if (!result)
        result = running_parse(&c->arguments, &c->run, c->function, words, count);
    if (result)
        return result;
    if (repeat(&ret, c, &err))
        result = cli_error(&err);
    else if (cli_json)
        print_json(c, &ret);
    else if (c->raw)
        value_write(&ret);
    else
        value_print(&ret);
    result = cli_finish(result);
    if (c->run.time)
        say_times(c);
    return result;
}

static int run(int argc, char **argv)
{
    struct call c = {.repeat = 1};
    const struct option options[] = {
        {"--repeat", "N", OPTION_COUNT, &c.repeat, "call so often; the last result is printed [1]"},
        {"--json", NULL, OPTION_FLAG, &cli_json, "result, hypervisor and times as JSON"},
        {"--raw", NULL, OPTION_FLAG, &c.raw, "the bytes of a str or bytes result, nothing else"},
        RUNNING_OPTIONS(&c.run),
        OPTION_END};
    const char *words[2] = {NULL, NULL};
    const int rest = options_parse(&verb_call, options, argc, argv, words);
    struct subject subject;
    int result;

    if (rest < 0)
        return options_exit(rest);
    if (c.raw && text_is_terminal(stdout))
        return cli_finish(cli_usage("call: --raw writes what the guest made as it is, so not to a "
                                    "terminal"));
    c.run.quiet = c.raw || cli_json;
    c.function = words[1];
    result = subject_open(&subject, words[0]);
    if (!result)
        result = call(&c, &subject, argv + rest, (uint32_t)(argc - rest));
    arguments_free(&c.arguments);
    running_end(&c.run);
    subject_close(&subject);
    return cli_finish(result);
}

const struct verb verb_call = {"call",
                               "[OPTION...] GUEST|SNAPSHOT FUNCTION [ARGUMENT...]",
                               "calls a function of a guest and prints its result",
                               2,
                               true,
                               run};
