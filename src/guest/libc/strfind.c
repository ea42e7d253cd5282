/* SPDX-License-Identifier: Apache-2.0 */
/* Searching in blocks and strings. */
#include <stdbool.h>
#include <stdint.h>
#include <string.h>

void *memchr(const void *block, int byte, size_t size)
{
    const unsigned char *at = block;

    for (; size > 0; size--, at++) {
        if (*at == (unsigned char)byte)
            return (void *)at;
    }
    return NULL;
}

void *memrchr(const void *block, int byte, size_t size)
{
    const unsigned char *at = block;

    while (size-- > 0) {
        if (at[size] == (unsigned char)byte)
            return (void *)(at + size);
    }
    return NULL;
}

char *strchr(const char *text, int c)
{
    for (; *text != (char)c; text++) {
        if (*text == '\0')
            return NULL;
    }
    return (char *)text;
}

char *strrchr(const char *text, int c)
{
    return memrchr(text, c, strlen(text) + 1);
}

char *strstr(const char *text, const char *part)
{
    size_t n = strlen(part);

    if (n == 0)
        return (char *)text;
    for (text = strchr(text, *part); text != NULL; text = strchr(text + 1, *part)) {
        if (strncmp(text, part, n) == 0)
            break;
    }
    return (char *)text;
}

/* Length of the part of text whose characters all are, or all are not, in set. */
static size_t span(const char *text, const char *set, bool wanted)
{
    uint64_t in[4] = {0}; /* one bit for each character */
    size_t n;

    for (; *set != '\0'; set++)
        in[(unsigned char)*set / 64] |= UINT64_C(1) << ((unsigned char)*set % 64);
    for (n = 0; text[n] != '\0'; n++) {
        unsigned char c = (unsigned char)text[n];

        if ((in[c / 64] >> (c % 64) & 1) != wanted)
            break;
    }
    return n;
}

size_t strspn(const char *text, const char *accept)
{
    return span(text, accept, true);
}

size_t strcspn(const char *text, const char *reject)
{
    return span(text, reject, false);
}

char *strpbrk(const char *text, const char *accept)
{
    text += strcspn(text, accept);
    return *text != '\0' ? (char *)text : NULL;
}

char *strtok_r(char *restrict text, const char *restrict separators, char **restrict state)
{
    char *token = text != NULL ? text : *state;
    char *end;

    token += strspn(token, separators);
    end = token + strcspn(token, separators);
    if (*end != '\0')
        *end++ = '\0';
    else if (end == token)
        token = NULL;
    *state = end;
    return token;
}
