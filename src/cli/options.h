/* SPDX-License-Identifier: Apache-2.0 */
/* Options of the verbs: tables that are parsed, and printed as help. */
#ifndef HL_CLI_OPTIONS_H
#define HL_CLI_OPTIONS_H

#include "cli.h"

enum option_kind {
    OPTION_FLAG,       /* bool */
    OPTION_TEXT,       /* const char * */
    OPTION_COUNT,      /* uint64_t, at least 1 */
    OPTION_SIZE,       /* uint64_t, bytes: 4096, 64K, 16M, 1G */
    OPTION_TIME,       /* uint64_t, microseconds: 500us, 20ms, 2s */
    OPTION_HYPERVISOR, /* uint32_t, hl_hypervisor, by name */
    OPTION_LEVEL,      /* uint32_t, hl_level, by name */
    OPTION_LAST        /* bool; what follows is for a guest's function */
};

struct option {
    const char *name;     /* "--heap" */
    const char *argument; /* in the help: "SIZE" */
    enum option_kind kind;
    void *out;
    const char *help;
};

/* What every table ends with. */
#define OPTION_END \
    { \
        NULL, NULL, OPTION_FLAG, NULL, NULL \
    }

/* Parses options and the verb's words, which may stand between each other, to
 * the end; or, if the verb has a rest, up to its last word or an OPTION_LAST.
 * Behind "--" all are words. Returns the position in argv of what follows, -1
 * after it has said what is wrong, or -2 after --help. */
int options_parse(const struct verb *verb, const struct option table[], int argc, char **argv,
                  const char *words[]);

/* The exit status for a negative result of options_parse. */
static inline int options_exit(int result)
{
    return cli_finish(result == -2 ? CLI_OK : CLI_USAGE);
}
#endif
