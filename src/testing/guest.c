/* SPDX-License-Identifier: Apache-2.0 */
/* Finds the images of guests. */
#include <hyperlight/testing.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* Puts FOLDER UP NAME together; true if it is a file that can be read. */
static bool is_at(char *path, size_t size, const char *folder, const char *up, const char *name)
{
    const int len = snprintf(path, size, "%s%s%s", folder, up, name);
    struct stat st;

    return len > 0 && (size_t)len < size && !stat(path, &st) && S_ISREG(st.st_mode) &&
           !access(path, R_OK);
}

bool hl_test_guest(char *path, size_t size, const char *name)
{
    static const char *const ups[] = {"/guests/", "/../guests/", "/../../guests/"};
    const char *chosen = getenv("HYPERLIGHT_GUESTS");
    char program[4096];
    const ssize_t len = readlink("/proc/self/exe", program, sizeof program - 1);
    size_t i;

    if (chosen && is_at(path, size, chosen, "/", name))
        return true;
    if (len > 0) {
        program[len] = '\0';
        *strrchr(program, '/') = '\0';
        for (i = 0; i < sizeof ups / sizeof *ups; i++)
            if (is_at(path, size, program, ups[i], name))
                return true;
    }
    if (is_at(path, size, "guests", "/", name))
        return true;
    if (size)
        *path = '\0';
    return false;
}
