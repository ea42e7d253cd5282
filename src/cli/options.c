/* SPDX-License-Identifier: Apache-2.0 */
/* Parses options by their table, and prints the table as help. */
#include "options.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "text.h"

struct unit {
    const char *suffix;
    uint64_t factor;
};
static const struct unit sizes[] = {{"", 1},          {"K", 1 << 10},   {"KiB", 1 << 10},
                                    {"M", 1 << 20},   {"MiB", 1 << 20}, {"G", 1 << 30},
                                    {"GiB", 1 << 30}, {NULL, 0}};
static const struct unit times[] = {{"us", 1}, {"ms", 1000}, {"s", 1000000}, {NULL, 0}};
static const struct unit counts[] = {{"", 1}, {NULL, 0}};

static const char *const levels[] = {"off", "error", "warn", "info", "debug", "trace"};

static bool number(uint64_t *out, const char *text, const struct unit *units)
{
    unsigned long long value;
    char *end;

    if (*text < '0' || *text > '9')
        return false;
    errno = 0;
    value = strtoull(text, &end, 10);
    for (; units->suffix; units++)
        if (!strcmp(units->suffix, end))
            break;
    if (errno || !units->suffix || __builtin_mul_overflow(value, units->factor, out))
        return false;
    return true;
}

static bool hypervisor(uint32_t *out, const char *text)
{
    for (*out = 0; strcmp(hl_hypervisor_name((hl_hypervisor)*out), "?"); ++*out)
        if (!strcmp(hl_hypervisor_name((hl_hypervisor)*out), text))
            return true;
    return false;
}

static bool level(uint32_t *out, const char *text)
{
    for (*out = 0; *out < sizeof levels / sizeof *levels; ++*out)
        if (!strcmp(levels[*out], text))
            return true;
    return false;
}

/* NULL, or what is wanted instead. */
static const char *take(const struct option *option, const char *text)
{
    uint64_t *value = option->out;

    assert(text || option->kind == OPTION_FLAG || option->kind == OPTION_LAST);
    switch (option->kind) {
    case OPTION_TEXT:
        *(const char **)option->out = text;
        return NULL;
    case OPTION_COUNT:
        return number(value, text, counts) && *value ? NULL : "wanted a number from 1 on";
    case OPTION_SIZE:
        return number(value, text, sizes) && *value ? NULL
                                                    : "wanted bytes, such as 4096, 64K, 16M or 1G";
    case OPTION_TIME:
        return number(value, text, times) && *value ? NULL
                                                    : "wanted a time, such as 500us, 20ms or 2s";
    case OPTION_HYPERVISOR:
        return hypervisor(option->out, text) ? NULL : "wanted any, kvm or process";
    case OPTION_LEVEL:
        return level(option->out, text) ? NULL : "wanted off, error, warn, info, debug or trace";
    default:
        *(bool *)option->out = true;
        return NULL;
    }
}

static void help(const struct verb *verb, const struct option table[])
{
    const struct option *option;
    char left[40];

    printf("hyperlight %s %s\n\n%s\n", verb->name, verb->usage, verb->summary);
    for (option = table; option->name; option++) {
        snprintf(left, sizeof left, "%s%s%s", option->name, option->argument ? " " : "",
                 option->argument ? option->argument : "");
        printf("%s  %-22s %s\n", option == table ? "\n" : "", left, option->help);
    }
}

/* A short option, -o, has no "=": its value is the next word. */
static const struct option *find(const struct option table[], const char *word)
{
    const char *equals = word[1] == '-' ? strchr(word, '=') : NULL;
    const size_t len = equals ? (size_t)(equals - word) : strlen(word);

    for (; table->name; table++)
        if (strlen(table->name) == len && !strncmp(table->name, word, len))
            return table;
    return NULL;
}

static int no_option(const struct verb *verb, const struct option table[], const char *word)
{
    char shown[TEXT_SHOWN];

    for (; table->name; table++)
        if (table->name[1] != '-' && !strncmp(table->name, word, 2))
            return cli_usage("%s: %s: the value of %s is the next word", verb->name,
                             text_shown(shown, word), table->name);
    return cli_usage("%s: no option %s; hyperlight %s --help lists them", verb->name,
                     text_shown(shown, word), verb->name);
}

/* One option at argv[at] with its argument; the position behind it, or -1. */
static int parse_one(const struct verb *verb, const struct option *option, int argc, char **argv,
                     int at)
{
    const char *equals = strchr(argv[at], '='), *text = equals ? equals + 1 : NULL, *wrong;
    char shown[TEXT_SHOWN];

    if (text && (!option->argument || option->kind == OPTION_LAST))
        return cli_usage("%s: %s takes no value%s", verb->name, option->name,
                         option->argument ? " behind =" : ""),
               -1;
    if (option->argument && option->kind != OPTION_LAST && !text) {
        if (++at == argc)
            return cli_usage("%s: %s needs a value: %s", verb->name, option->name,
                             option->argument),
                   -1;
        text = argv[at];
    }
    wrong = take(option, text);
    if (wrong)
        return cli_usage("%s: %s is %s, %s", verb->name, option->name, text_shown(shown, text),
                         wrong),
               -1;
    return at + 1;
}

int options_parse(const struct verb *verb, const struct option table[], int argc, char **argv,
                  const char *words[])
{
    const struct option *option;
    unsigned found = 0;
    bool plain = false; /* behind "--" */
    char shown[TEXT_SHOWN];
    int at = 1;

    while (at >= 0 && at < argc && !(verb->rest && found == verb->words)) {
        if (!plain && !strcmp(argv[at], "--")) {
            plain = true;
            at++;
        } else if (!plain && (!strcmp(argv[at], "--help") || !strcmp(argv[at], "-h"))) {
            return help(verb, table), -2;
        } else if (plain || argv[at][0] != '-' || !argv[at][1]) {
            if (found == verb->words)
                return cli_usage("%s: %s is one word too many", verb->name,
                                 text_shown(shown, argv[at])),
                       -1;
            words[found++] = argv[at++];
        } else {
            option = find(table, argv[at]);
            if (!option)
                return no_option(verb, table, argv[at]), -1;
            at = parse_one(verb, option, argc, argv, at);
            if (option->kind == OPTION_LAST)
                break;
        }
    }
    if (at >= 0 && found < verb->words)
        return cli_usage("wanted: hyperlight %s %s", verb->name, verb->usage), -1;
    return at;
}
