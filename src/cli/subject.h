/* SPDX-License-Identifier: Apache-2.0 */
/* What a verb works on, a guest image or a snapshot file, and its sandbox. */
#ifndef HL_CLI_SUBJECT_H
#define HL_CLI_SUBJECT_H

#include "options.h"

struct subject { /* one of the two is NULL */
    hl_guest *guest;
    hl_snapshot *snapshot;
    const char *path;
};
/* By the first bytes of the file. Says what is wrong and returns an exit status.
 * subject_close in any case. */
int subject_open(struct subject *out, const char *path);
void subject_close(struct subject *subject);
bool subject_fallback(const struct subject *subject);

/* How it is to be run; the options that say so. */
struct running {
    const struct subject *subject;
    hl_config config;
    const char *init_path;
    char *init; /* malloc'd */
    bool allow_process, avx, time;
    bool quiet; /* what the guest prints goes to standard error */
    hl_host *host;
    hl_sandbox *box;
    double create_us;
};
#define RUNNING_OPTIONS(r) \
    {"--heap", "SIZE", OPTION_SIZE, &(r)->config.heap_size, \
     "heap of the guest: 64K to 64G [16M]"}, \
        {"--stack", "SIZE", OPTION_SIZE, &(r)->config.stack_size, "its stack: 16K to 64M [256K]"}, \
        {"--messages", "SIZE", OPTION_SIZE, &(r)->config.message_size, \
         "for arguments, and for results: 64K to 4G [16M]"}, \
        {"--init-data", "FILE", OPTION_TEXT, &(r)->init_path, \
         "what the guest finds as its init data; - is standard input"}, \
        {"--deadline", "TIME", OPTION_TIME, &(r)->config.deadline_us, \
         "most time for init, and for each call [none]"}, \
        {"--hypervisor", "NAME", OPTION_HYPERVISOR, &(r)->config.hypervisor, \
         "kvm, process, or any [any]"}, \
        {"--avx", NULL, OPTION_FLAG, &(r)->avx, \
         "the guest may use the processor's AVX, not SSE2 alone"}, \
        {"--allow-process", NULL, OPTION_FLAG, &(r)->allow_process, \
         "without a hypervisor, run it in a process: a weaker wall"}, \
        {"--log", "LEVEL", OPTION_LEVEL, &(r)->config.log_level, \
         "show what the guest logs: error, warn, info, debug, trace [off]"}, \
    { \
        "--time", NULL, OPTION_FLAG, &(r)->time, \
            "say on standard error what ran it, and for how long" \
    }

/* Makes the sandbox; says what is wrong and returns an exit status.
 * running_end in any case. */
int running_begin(struct running *r, const struct subject *subject);
void running_end(struct running *r);
/* Parses the words behind the function's name by its signature; the exit status,
 * another than CLI_OK for a function that is not there. */
struct arguments;
int running_parse(struct arguments *out, const struct running *r, const char *function,
                  char *const words[], uint32_t count);
double running_now_us(void);
#endif
