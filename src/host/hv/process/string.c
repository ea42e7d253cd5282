/* SPDX-License-Identifier: Apache-2.0 */
/* What compilers call without being asked. */
#include <stddef.h>

void *memset(void *to, int byte, size_t size);
void *memcpy(void *to, const void *from, size_t size);

void *memset(void *to, int byte, size_t size)
{
    unsigned char *at = to;

    while (size--)
        *at++ = (unsigned char)byte;
    return to;
}

void *memcpy(void *to, const void *from, size_t size)
{
    unsigned char *at = to;
    const unsigned char *next = from;

    while (size--)
        *at++ = *next++;
    return to;
}
