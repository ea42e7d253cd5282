/* SPDX-License-Identifier: Apache-2.0 */
/* Gives a guest a file without copying it: files GUEST */
#include <hyperlight/easy.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

HL_IMPORT(u64, CountLines, (u64, address, u64, size))
HL_IMPORT(void, Overwrite, (u64, address))

enum { LINES = 100000 };

/* A file of so many lines; its size. */
static uint64_t make_file(char *path)
{
    const int fd = mkstemp(path);
    FILE *file = fd < 0 ? NULL : fdopen(fd, "w");
    uint64_t size;
    int i;

    for (i = 0; file && i < LINES; i++)
        fprintf(file, "line %d\n", i);
    size = file ? (uint64_t)ftell(file) : 0;
    if (file)
        fclose(file);
    return size;
}

static hl_status look(hl_sandbox *box, const char *path, uint64_t size, hl_error *err)
{
    const hl_mapping mapping = {.struct_size = sizeof mapping, .path = path, .writable = 1};
    uint64_t address, lines;

    if (hl_sandbox_map(&address, box, &mapping, err) || CountLines(&lines, box, err, address, size))
        return err->status;
    printf("the guest counts %llu lines\n", (unsigned long long)lines);
    if (Overwrite(NULL, box, err, address) || CountLines(&lines, box, err, address, size))
        return err->status;
    printf("after it wrote: %llu lines\n", (unsigned long long)lines);
    return hl_sandbox_unmap(box, address, err);
}

int main(int argc, char **argv)
{
    const hl_config config = {.struct_size = sizeof config, .allow_process = 1};
    char path[] = "/tmp/hyperlight-example-XXXXXX";
    const uint64_t size = make_file(path);
    hl_guest *guest = NULL;
    hl_sandbox *box = NULL;
    hl_error err;

    if (!hl_guest_open(&guest, argc > 1 ? argv[1] : "files_guest", &err) &&
        !hl_sandbox_create(&box, guest, NULL, &config, &err))
        look(box, path, size, &err);
    if (err.status)
        fprintf(stderr, "files: %s\n", err.text);
    unlink(path);
    hl_sandbox_destroy(box);
    hl_guest_release(guest);
    return err.status != HL_OK;
}
