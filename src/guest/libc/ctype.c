/* SPDX-License-Identifier: Apache-2.0 */
/* Character classes of the C locale (ASCII). */
#include <ctype.h>

static int within(int c, int low, int high)
{
    return c >= low && c <= high;
}

int isalnum(int c)
{
    return isalpha(c) || isdigit(c);
}

int isalpha(int c)
{
    return isupper(c) || islower(c);
}

int isblank(int c)
{
    return c == ' ' || c == '\t';
}

int iscntrl(int c)
{
    return within(c, 0, 31) || c == 127;
}

int isdigit(int c)
{
    return within(c, '0', '9');
}

int isgraph(int c)
{
    return within(c, '!', '~');
}

int islower(int c)
{
    return within(c, 'a', 'z');
}

int isprint(int c)
{
    return within(c, ' ', '~');
}

int ispunct(int c)
{
    return isgraph(c) && !isalnum(c);
}

int isspace(int c)
{
    return c == ' ' || within(c, '\t', '\r');
}

int isupper(int c)
{
    return within(c, 'A', 'Z');
}

int isxdigit(int c)
{
    return isdigit(c) || within(c, 'A', 'F') || within(c, 'a', 'f');
}

int tolower(int c)
{
    return isupper(c) ? c - 'A' + 'a' : c;
}

int toupper(int c)
{
    return islower(c) ? c - 'a' + 'A' : c;
}
