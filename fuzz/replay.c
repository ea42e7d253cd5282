/* SPDX-License-Identifier: Apache-2.0 */
/* A main for fuzz targets that runs given files and folders once each. */
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>

#include "fuzz.h"

static unsigned passed, failed;

/* The file's bytes in a block of exactly its size, so that a sanitizer sees
 * the end; NULL if it cannot be read. */
static uint8_t *read_all(FILE *file, size_t *size)
{
    uint8_t *bytes = NULL;
    long end = fseek(file, 0, SEEK_END) ? -1 : ftell(file);

    if (end < 0 || fseek(file, 0, SEEK_SET))
        return NULL;
    *size = (size_t)end;
    bytes = malloc(*size + !*size);
    if (bytes && fread(bytes, 1, *size, file) != *size) {
        free(bytes);
        bytes = NULL;
    }
    return bytes;
}

static void run_file(const char *path)
{
    FILE *file = fopen(path, "rb");
    uint8_t *bytes = NULL;
    size_t size = 0;

    if (file) {
        bytes = read_all(file, &size);
        fclose(file);
    }
    if (!bytes) {
        printf("not ok fuzz %s - cannot be read\n", path);
        failed++;
        return;
    }
    fprintf(stderr, "fuzz: %s\n", path); /* the last one is the culprit */
    LLVMFuzzerTestOneInput(bytes, size);
    free(bytes);
    printf("ok fuzz %s\n", path);
    passed++;
}

/* The files of a folder, in no order; those in its folders are left out. */
static void run_path(const char *path)
{
    char inner[4096];
    DIR *folder = opendir(path);
    struct dirent *entry;

    if (!folder) {
        run_file(path);
        return;
    }
    for (entry = readdir(folder); entry; entry = readdir(folder)) {
        if (*entry->d_name == '.')
            continue;
        if (snprintf(inner, sizeof inner, "%s/%s", path, entry->d_name) < (int)sizeof inner)
            run_file(inner);
    }
    closedir(folder);
}

int main(int argc, char **argv)
{
    int i;

    for (i = 1; i < argc; i++)
        run_path(argv[i]);
    printf("%u passed, %u failed, 0 skipped\n", passed, failed);
    return !passed || failed;
}
