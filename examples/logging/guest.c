/* SPDX-License-Identifier: Apache-2.0 */
/* A guest that prints and logs, not only harmless text. */
#include <hyperlight/easy.h>
#include <stdio.h>

enum { ERROR = 1, WARN, INFO, DEBUG };

#define LOG(level, text) hl_log_write(level, text, "guest.c", __LINE__)

HL_FUNCTION(u32, Sum, (u32, n))
{
    char line[80];
    uint32_t sum = 0, i;

    LOG(INFO, "a sum is asked for");
    for (i = 1; i <= n; i++) {
        sum += i;
        if (hl_log_enabled(DEBUG)) { /* what nobody reads need not be written */
            snprintf(line, sizeof line, "%u after %u", (unsigned)sum, (unsigned)i);
            LOG(DEBUG, line);
        }
    }
    LOG(WARN, "\033[31mlooks like an alarm\033[0m\nERROR: and a line of its own");
    snprintf(line, sizeof line, "The sum is %u.\n", (unsigned)sum);
    hl_print(line);
    return sum;
}
