/* SPDX-License-Identifier: Apache-2.0 */
/* hyperlight doctor: can this machine run guests, and if not, why not? */
#include "doctor.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/utsname.h>

#include "options.h"
#include "subject.h"

static const struct kind {
    const char *mark, *color, *name;
} kinds[] = {{"ok", "\033[32m", "good"},
             {"", "", "plain"},
             {"note", "\033[33m", "note"},
             {"BAD", "\033[31m", "bad"}};

void doctor_say(struct doctor *d, enum finding kind, const char *topic, const char *format, ...)
{
    const struct kind *k = &kinds[kind];
    const bool color = *k->color && text_in_color(stdout);
    char line[1024];
    va_list args;

    va_start(args, format);
    if (vsnprintf(line, sizeof line, format, args) >= (int)sizeof line)
        line[text_whole(line, sizeof line - 4)] = '\0';
    va_end(args);
    if (cli_json) {
        json_open(&d->out, NULL, '{');
        json_string(&d->out, "topic", topic);
        json_string(&d->out, "found", k->name);
        json_string(&d->out, "text", line);
        json_close(&d->out, '}');
        return;
    }
    printf("%s%-4s%s %-12s ", color ? k->color : "", k->mark, color ? "\033[0m" : "", topic);
    text_safe(stdout, line, strlen(line), false);
    putchar('\n');
}

/* What the library advises without a device is for any machine; what fits this
 * one follows below, as a cure. */
static int without_advice(const char *text)
{
    const char *advice = strstr(text, " does not exist: ");

    return (int)(advice ? (size_t)(advice - text) + strlen(" does not exist") : strlen(text));
}

/* By trying; what is to be known of one that is usable comes with it. */
static bool try_one(struct doctor *d, hl_hypervisor which)
{
    const char *name = hl_hypervisor_name(which);
    const double start = running_now_us();
    double us;
    hl_error err;

    if (hl_hypervisor_probe(which, &err)) {
        doctor_say(d, which == HL_HYPERVISOR_PROCESS ? FOUND_NOTE : FOUND_BAD, name, "%.*s",
                   without_advice(err.text), err.text);
        return false;
    }
    us = running_now_us() - start;
    doctor_say(d, FOUND_GOOD, name, "works; making most of a sandbox took %.2f ms", us / 1e3);
    if (strcmp(err.text, hl_status_text(HL_OK)))
        doctor_say(d, FOUND_PLAIN, name, "%s", err.text);
    return true;
}

/* True if one is usable; processes count only if they are allowed. */
static bool hypervisors(struct doctor *d, bool *virtual)
{
    bool processes = false;
    unsigned i;

    *virtual = false;
    for (i = HL_HYPERVISOR_ANY + 1; strcmp(hl_hypervisor_name((hl_hypervisor)i), "?"); i++)
        if (i == HL_HYPERVISOR_PROCESS)
            processes = try_one(d, HL_HYPERVISOR_PROCESS);
        else
            *virtual |= try_one(d, (hl_hypervisor)i);
    if (processes && !*virtual)
        doctor_say(d, FOUND_NOTE, "verdict",
                   "guests can run in processes alone, where --allow-process, or "
                   "hl_config.allow_process, permits it");
    return *virtual || (processes && d->allow_process);
}

static void version(struct doctor *d)
{
    struct utsname name;

    if (!uname(&name))
        doctor_say(d, FOUND_PLAIN, "hyperlight", "%s, on %s %s, %s", hl_version(), name.sysname,
                   name.release, name.machine);
}

static bool report(struct doctor *d)
{
    bool usable, virtual;

    version(d);
    usable = hypervisors(d, &virtual);
    doctor_device(d, virtual);
    doctor_modules(d, virtual);
    doctor_processor(d, virtual);
    doctor_surroundings(d, virtual);
    doctor_vulnerabilities(d);
    doctor_slow(d);
    return usable;
}

static int run(int argc, char **argv)
{
    struct doctor d = {.out = {stdout, false}};
    const struct option options[] = {{"--json", NULL, OPTION_FLAG, &cli_json, "all of it as JSON"},
                                     {"--allow-process", NULL, OPTION_FLAG, &d.allow_process,
                                      "succeed if guests can run in processes alone, too"},
                                     OPTION_END};
    const int rest = options_parse(&verb_doctor, options, argc, argv, NULL);
    bool usable;

    if (rest < 0)
        return options_exit(rest);
    if (cli_json) {
        json_open(&d.out, NULL, '{');
        json_open(&d.out, "findings", '[');
    }
    usable = report(&d);
    if (cli_json) {
        json_close(&d.out, ']');
        json_bool(&d.out, "usable", usable);
        json_close(&d.out, '}');
        putchar('\n');
    }
    return cli_finish(usable ? CLI_OK : CLI_NO_HYPERVISOR);
}

const struct verb verb_doctor = {
    "doctor", "[OPTION...]", "says whether this machine can run guests, and if not, why not",
    0,        false,         run};
