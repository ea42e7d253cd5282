/* SPDX-License-Identifier: Apache-2.0 */
/* Reads a file where the host has mapped it. */
#include <hyperlight/easy.h>

HL_FUNCTION(u64, CountLines, (u64, address, u64, size))
{
    const char *text = (const char *)(uintptr_t)address;
    uint64_t lines = 0;

    for (; size; size--)
        lines += *text++ == '\n';
    return lines;
}

/* Its own view of it: the file stays what it is. */
HL_FUNCTION(void, Overwrite, (u64, address))
{
    *(char *)(uintptr_t)address = '\n';
}
