/* SPDX-License-Identifier: Apache-2.0 */
/* hyperlight new: writes a project of a host and a guest. */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "options.h"

extern const char new_host[], new_host_end[], new_guest[], new_guest_end[], new_makefile[],
    new_makefile_end[]; /* new_files.S */

#define PREFIX "@PREFIX@" /* in the makefile: where this command is installed */

static int cannot(const char *folder, const char *name)
{
    cli_say("%s/%s: %s", folder, name, strerror(errno));
    return CLI_SYSTEM;
}

/* The folder above bin/, which holds this program and hyperlight-cc. */
static bool find_prefix(char out[4096])
{
    char path[4096], *slash;
    const ssize_t len = readlink("/proc/self/exe", path, sizeof path - 1);

    if (len < 0)
        return false;
    path[len] = '\0';
    slash = strrchr(path, '/');
    snprintf(out, 4096, "%.*s/hyperlight-cc", (int)(slash - path), path);
    if (access(out, X_OK)) {
        cli_say("new: %s is not there, and the project needs it; install first", out);
        return false;
    }
    *slash = '\0';
    slash = strrchr(path, '/');
    snprintf(out, 4096, "%.*s", slash ? (int)(slash - path) : 0, path);
    return true;
}

/* The text from start to end, with the prefix in its place. */
static int write_file(const char *folder, const char *name, const char *start, const char *end,
                      const char *prefix)
{
    const char *hole = strstr(start, PREFIX);
    char path[8192];
    FILE *file;
    bool failed;

    snprintf(path, sizeof path, "%s/%s", folder, name);
    file = fopen(path, "wx");
    if (!file)
        return cannot(folder, name);
    if (hole) {
        fwrite(start, 1, (size_t)(hole - start), file);
        fputs(prefix, file);
        start = hole + strlen(PREFIX);
    }
    fwrite(start, 1, (size_t)(end - start), file);
    failed = ferror(file);
    if (fclose(file) || failed)
        return cannot(folder, name);
    return CLI_OK;
}

static int write_project(const char *folder, const char *prefix)
{
    int result = CLI_OK;

    if (mkdir(folder, 0777)) {
        result = errno == EEXIST ? CLI_USAGE : CLI_SYSTEM;
        cli_say("new: %s: %s", folder, strerror(errno));
        return result;
    }
    result = write_file(folder, "host.c", new_host, new_host_end, prefix);
    if (!result)
        result = write_file(folder, "guest.c", new_guest, new_guest_end, prefix);
    if (!result)
        result = write_file(folder, "Makefile", new_makefile, new_makefile_end, prefix);
    return result;
}

static int run(int argc, char **argv)
{
    const struct option options[] = {OPTION_END};
    const char *words[1] = {NULL};
    const int rest = options_parse(&verb_new, options, argc, argv, words);
    char prefix[4096];
    int result;

    if (rest < 0)
        return options_exit(rest);
    if (!find_prefix(prefix))
        return CLI_SYSTEM;
    result = write_project(words[0], prefix);
    if (!result)
        printf("%s is written; now: make -C %s run\n", words[0], words[0]);
    return cli_finish(result);
}

const struct verb verb_new = {
    "new", "NAME", "writes a project, a host and a guest, that is built and run by make",
    1,     false,  run};
