/* SPDX-License-Identifier: Apache-2.0 */
/* Log lines to the host, filtered here so that the rest costs no exit. */
#include <string.h>

#include "../shared/utf8.h"
#include "runtime.h"

#define TEXT_MAX 65536u
#define FILE_MAX 255u
/* Head, slots and the file's name with its padding. */
#define OVERHEAD 512u
_Static_assert(OVERHEAD < HL__REPLY_RESERVE, "there is always room for some text");

static hl_value cut(const char *text, size_t max)
{
    return hl_bytes(text, text ? (uint32_t)hl__utf8_cut(text, strlen(text), max) : 0);
}

bool hl_log_enabled(uint32_t level)
{
    return level >= 1 && level <= hl__log_level;
}

void hl_log_write(uint32_t level, const char *text, const char *file, uint32_t line)
{
    const uint64_t room = hl__room(hl__current) - OVERHEAD;
    hl_value values[3];

    if (!hl_log_enabled(level))
        return;
    values[0] = cut(text, room < TEXT_MAX ? room : TEXT_MAX);
    values[1] = cut(file, FILE_MAX);
    values[2] = hl_u32(line);
    hl__put(hl__current, HL_KIND_LOG, level, values, 3);
    hl__gate();
}
