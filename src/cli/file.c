/* SPDX-License-Identifier: Apache-2.0 */
/* Reads a whole file or pipe. */
#include "file.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli.h"

/* Reads on to the end, growing the memory. 0, or an error number. */
static int read_all(char **out, size_t *size, FILE *file, size_t most)
{
    size_t room = 0;
    char *more;

    do {
        if (*size > most)
            return EFBIG;
        if (room - *size < 2) {
            room = room ? 2 * room : 64 << 10;
            more = realloc(*out, room);
            if (!more)
                return ENOMEM;
            *out = more;
        }
        *size += fread(*out + *size, 1, room - *size - 1, file);
    } while (!feof(file) && !ferror(file));
    if (ferror(file))
        return errno;
    if (*size > most)
        return EFBIG;
    (*out)[*size] = '\0';
    return 0;
}

bool file_read(char **out, size_t *size, const char *path, size_t most)
{
    static bool taken; /* standard input: there is nothing left of it */
    const bool standard = !strcmp(path, "-");
    FILE *file = standard ? stdin : fopen(path, "rb");
    int error = file ? 0 : errno;

    *out = NULL;
    *size = 0;
    if (standard && taken)
        return cli_usage("-: standard input can be read once"), false;
    taken = taken || standard;
    if (!error)
        error = read_all(out, size, file, most);
    if (file && !standard)
        fclose(file);
    if (!error)
        return true;
    free(*out);
    *out = NULL;
    if (error == EFBIG)
        cli_usage("%s: larger than %zu bytes", path, most);
    else
        cli_usage("%s: %s", path, strerror(error));
    return false;
}
