/* SPDX-License-Identifier: Apache-2.0 */
/* Copies of strings on the heap. */
#include <stdlib.h>
#include <string.h>

char *strdup(const char *text)
{
    size_t size = strlen(text) + 1;
    char *copy = malloc(size);

    return copy != NULL ? memcpy(copy, text, size) : NULL;
}

char *strndup(const char *text, size_t max)
{
    size_t n = strnlen(text, max);
    char *copy = malloc(n + 1);

    if (copy == NULL)
        return NULL;
    copy[n] = '\0';
    return memcpy(copy, text, n);
}
