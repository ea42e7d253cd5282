/* SPDX-License-Identifier: Apache-2.0 */
/* Text for the host: each call formats it whole and prints it at once. */
#include <hyperlight/guest.h>
#include <stdio.h>
#include <stdlib.h>

int vprintf(const char *restrict format, va_list args)
{
    char small[512];
    char *text = small;
    va_list again;
    int n;

    va_copy(again, args);
    n = vsnprintf(small, sizeof small, format, args);
    if (n >= (int)sizeof small) {
        text = malloc((size_t)n + 1);
        if (text != NULL)
            vsnprintf(text, (size_t)n + 1, format, again);
    }
    va_end(again);
    if (n < 0 || text == NULL || hl_print(text) < 0)
        n = EOF;
    if (text != small)
        free(text);
    return n;
}

int printf(const char *restrict format, ...)
{
    va_list args;
    int n;

    va_start(args, format);
    n = vprintf(format, args);
    va_end(args);
    return n;
}

int puts(const char *text)
{
    return printf("%s\n", text);
}

int putchar(int c)
{
    char text[2] = {(char)c, '\0'};

    return hl_print(text) < 0 ? EOF : (unsigned char)c;
}
