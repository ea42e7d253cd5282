/* SPDX-License-Identifier: Apache-2.0 */
/* What hyperlight doctor finds out about a machine. */
#ifndef HL_CLI_DOCTOR_H
#define HL_CLI_DOCTOR_H

#include <stdbool.h>

#include "text.h"

enum finding { FOUND_GOOD, FOUND_PLAIN, FOUND_NOTE, FOUND_BAD };

struct doctor {
    bool allow_process;
    struct json out;
};
/* One line of the report: what it is about, and what was found. */
void doctor_say(struct doctor *d, enum finding kind, const char *topic, const char *format, ...)
    __attribute__((format(printf, 4, 5)));

/* Each reports one thing; `usable`: KVM can be used, so nothing needs a cure. */
void doctor_device(struct doctor *d, bool usable);
void doctor_modules(struct doctor *d, bool usable);
void doctor_processor(struct doctor *d, bool usable);
void doctor_surroundings(struct doctor *d, bool usable);
void doctor_vulnerabilities(struct doctor *d);
void doctor_slow(struct doctor *d);
#endif
