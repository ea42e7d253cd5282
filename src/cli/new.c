/* SPDX-License-Identifier: Apache-2.0 */
/* hyperlight new: writes a project of a host and a guest. */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "options.h"
#include "text.h"

extern const char new_host[], new_host_end[], new_guest[], new_guest_end[], new_makefile[],
    new_makefile_end[]; /* new_files.S */

#define PREFIX "@PREFIX@" /* in the makefile: where this command is installed */

/* What shells and make would take for theirs, in the makefile or in what
 * pkg-config says; blanks are none of it. */
#define SPECIAL "$'\"\\`#:;&|<>()*?[]{}\n\t"

static const struct part {
    const char *name, *start, *end;
} parts[] = {{"host.c", new_host, new_host_end},
             {"guest.c", new_guest, new_guest_end},
             {"Makefile", new_makefile, new_makefile_end}};
enum { PARTS = sizeof parts / sizeof *parts };

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
    if (out[strcspn(out, SPECIAL)]) {
        cli_say("new: this command is installed in %s, and no makefile can name a folder with %c "
                "in it; install elsewhere",
                out, out[strcspn(out, SPECIAL)]);
        return false;
    }
    return true;
}

/* The text with the prefix in its place. False with errno. */
static bool write_file(const char *path, const struct part *part, const char *prefix)
{
    const char *start = part->start, *hole = strstr(start, PREFIX);
    FILE *file = fopen(path, "wx");
    bool failed;

    if (!file)
        return false;
    if (hole) {
        fwrite(start, 1, (size_t)(hole - start), file);
        fputs(prefix, file);
        start = hole + strlen(PREFIX);
    }
    fwrite(start, 1, (size_t)(part->end - start), file);
    failed = fflush(file) || ferror(file); /* with the errno of that */
    return !(fclose(file) | failed);
}

static int name_part(char path[8192], const char *folder, size_t index)
{
    return snprintf(path, 8192, "%s/%s", folder, parts[index].name);
}

/* The folder was not there before, so all of it is ours. */
static void remove_project(const char *folder)
{
    char path[8192];
    size_t i;

    for (i = 0; i < PARTS; i++) {
        name_part(path, folder, i);
        unlink(path);
    }
    rmdir(folder);
}

static int write_project(const char *folder, const char *prefix)
{
    char path[8192], shown[TEXT_SHOWN];
    int error;
    size_t i;

    if (mkdir(folder, 0777)) {
        error = errno;
        cli_say("new: %s: %s", text_shown(shown, folder), strerror(error));
        return error == EEXIST ? CLI_USAGE : CLI_SYSTEM;
    }
    for (i = 0; i < PARTS; i++) {
        name_part(path, folder, i);
        if (write_file(path, &parts[i], prefix))
            continue;
        error = errno;
        remove_project(folder);
        cli_say("new: %s: %s; nothing is left of the project", path, strerror(error));
        return CLI_SYSTEM;
    }
    return CLI_OK;
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
