/* SPDX-License-Identifier: Apache-2.0 */
/* Reads a whole file or pipe. */
#include "file.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "cli.h"
#include "text.h"

/* Reads on to the end, or one byte too far, growing the memory. 0, or an error
 * number. */
static int read_all(char **out, size_t *size, FILE *file, size_t most)
{
    size_t room = 0;
    char *more;

    do {
        if (room - *size < 2) {
            room = room ? 2 * room : 64 << 10;
            room = room > most + 2 ? most + 2 : room;
            more = realloc(*out, room);
            if (!more)
                return ENOMEM;
            *out = more;
        }
        *size += fread(*out + *size, 1, room - *size - 1, file);
        if (*size > most)
            return EFBIG;
    } while (!feof(file) && !ferror(file));
    if (ferror(file))
        return errno;
    (*out)[*size] = '\0';
    return 0;
}

/* By its size nothing of it has to be read. */
static int read_file(char **out, size_t *size, FILE *file, size_t most)
{
    struct stat st;

    if (!fstat(fileno(file), &st) && S_ISREG(st.st_mode) && (uint64_t)st.st_size > most)
        return EFBIG;
    return read_all(out, size, file, most);
}

bool file_read(char **out, size_t *size, const char *what, const char *path, size_t most)
{
    static bool taken; /* standard input: there is nothing left of it */
    const bool standard = !strcmp(path, "-");
    FILE *file = standard ? stdin : fopen(path, "rb");
    int error = file ? 0 : errno;
    char limit[24];

    *out = NULL;
    *size = 0;
    if (standard && taken)
        return cli_usage("%s: standard input can be read once", what), false;
    taken = taken || standard;
    if (!error)
        error = read_file(out, size, file, most);
    if (file && !standard)
        fclose(file);
    if (!error)
        return true;
    free(*out);
    *out = NULL;
    if (error == EFBIG)
        cli_usage("%s: larger than %s", what, text_size(limit, most));
    else
        cli_usage("%s: %s", what, strerror(error));
    return false;
}
