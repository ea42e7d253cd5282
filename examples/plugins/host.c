/* SPDX-License-Identifier: Apache-2.0 */
/* Runs every plug-in of a folder, each within a budget: plugins [--allow-process] FOLDER */
#include <dirent.h>
#include <hyperlight/easy.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* What makes a guest a plug-in. */
static const hl_symbol entry = {"Transform", "str(str)"};

/* Plug-ins come from anybody: who starts this decides if a process is wall
 * enough where there is no hypervisor. */
static bool allow_process;

/* All that a plug-in may use. The trust domain keeps its VM from the others. */
static hl_config budget(uint64_t number)
{
    return (hl_config){.struct_size = sizeof(hl_config),
                       .heap_size = 1 << 20,
                       .stack_size = 64 << 10,
                       .message_size = 256 << 10,
                       .deadline_us = 100000,
                       .trust_domain = number,
                       .allow_process = allow_process};
}

HL_FUNCTION(str, Author, ())
{
    return "the host";
}

/* Asked before anything of it runs. */
static bool is_plugin(const hl_guest *guest)
{
    hl_symbol symbol;
    size_t i;

    for (i = 0; hl_guest_export(&symbol, guest, i); i++)
        if (!strcmp(symbol.name, entry.name))
            return !strcmp(symbol.signature, entry.signature);
    return false;
}

/* Whatever went wrong, it is this plug-in's affair alone. */
static void report(const char *name, const char *path, const hl_error *err)
{
    const size_t skip = strncmp(err->text, path, strlen(path)) ? 0 : strlen(path) + 2;

    if (err->status == HL_E_FAULT)
        printf("%s: it crashed at address %#llx\n", name, (unsigned long long)err->address);
    else
        printf("%s: %s\n", name, err->text + skip);
}

static void run(const char *path, const char *name, const char *text, const hl_host *host,
                uint64_t number)
{
    const hl_config config = budget(number);
    hl_guest *guest = NULL;
    hl_sandbox *box = NULL;
    hl_value result;
    hl_error err;

    if (!hl_guest_open(&guest, path, &err) && !is_plugin(guest))
        printf("%s: it has no function %s of type %s\n", name, entry.name, entry.signature);
    else if (!err.status && !hl_sandbox_create(&box, guest, host, &config, &err) &&
             !hl_invoke(&result, box, &err, entry.name, text))
        printf("%s says: %s\n", name, result.as.str); /* a terminal would want it escaped */
    if (err.status)
        report(name, path, &err);
    hl_sandbox_destroy(box);
    hl_guest_release(guest);
}

static int visible(const struct dirent *file)
{
    return file->d_name[0] != '.';
}

int main(int argc, char **argv)
{
    const char *folder;
    const hl_host_function table[] = {HL_ENTRY(Author, NULL)};
    struct dirent **files = NULL;
    hl_host *host;
    char path[4096];
    hl_error err;
    int count, i;

    allow_process = argc > 1 && !strcmp(argv[1], "--allow-process");
    folder = argc > 1 + allow_process ? argv[1 + allow_process] : "plugins";
    count = scandir(folder, &files, visible, alphasort);
    if (count < 0)
        return perror(folder), 1;
    if (hl_host_create(&host, table, 1, &err))
        return fprintf(stderr, "plugins: %s\n", err.text), 1;
    for (i = 0; i < count; i++) {
        snprintf(path, sizeof path, "%s/%s", folder, files[i]->d_name);
        run(path, files[i]->d_name, "some text", host, (uint64_t)i + 1);
        free(files[i]);
    }
    free(files);
    hl_host_release(host);
    return 0;
}
