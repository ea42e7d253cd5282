/* SPDX-License-Identifier: Apache-2.0 */
/* hyperlight new: a project, or nothing. What it builds the tests of what is
 * installed build. */
#include <errno.h>
#include <stdio.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "cli.h"

/* The command, installed in FOLDER with a compiler that is none: its path. */
static const char *install(char path[4500], const char *folder)
{
    static const char script[] = "#!/bin/sh\n";
    static char bytes[4 << 20];
    char name[300];
    FILE *file = fopen(cli_program(), "rb");
    size_t size;

    CHECK(file);
    size = fread(bytes, 1, sizeof bytes, file);
    CHECK(size && size < sizeof bytes && !fclose(file));
    CHECK(!mkdir(cli_file(folder), 0755));
    snprintf(name, sizeof name, "%s/bin", folder);
    CHECK(!mkdir(cli_file(name), 0755));
    snprintf(name, sizeof name, "%s/bin/hyperlight-cc", folder);
    cli_write(name, script, sizeof script - 1);
    CHECK(!chmod(cli_file(name), 0755));
    snprintf(name, sizeof name, "%s/bin/hyperlight", folder);
    cli_write(name, bytes, size);
    snprintf(path, 4500, "%s", cli_file(name));
    CHECK(!chmod(path, 0755));
    return path;
}

/* The exit status of: COMMAND new NAME; what it says in `said`. */
static int make(char said[4096], const char *command, const char *name)
{
    int out[2], status;
    ssize_t n;
    pid_t child;

    CHECK(!pipe(out));
    child = fork();
    if (!child) {
        dup2(out[1], 1);
        dup2(out[1], 2);
        execl(command, command, "new", name, (char *)NULL);
        _exit(127);
    }
    close(out[1]);
    n = read(out[0], said, 4095);
    close(out[0]);
    said[n > 0 ? n : 0] = '\0';
    CHECK_INT(waitpid(child, &status, 0), child);
    CHECK(WIFEXITED(status));
    return WEXITSTATUS(status);
}

TEST(new_writes_a_project)
{
    char command[4500], said[4096], line[300];
    const char *const names[] = {"project/host.c", "project/guest.c"};
    FILE *file;
    size_t i;

    install(command, "in here");
    CHECK_INT(make(said, command, cli_file("project")), 0);
    CHECK_HAS(said, "project is written; now: make -C ");
    for (i = 0; i < 2; i++)
        CHECK(!access(cli_file(names[i]), R_OK));
    file = fopen(cli_file("project/Makefile"), "r");
    CHECK(file && fgets(said, sizeof said, file) && fgets(said, sizeof said, file));
    fclose(file);
    snprintf(line, sizeof line, "HYPERLIGHT = %s\n", cli_file("in here"));
    CHECK_STR(said, line);
}

TEST(new_says_what_is_wrong)
{
    char command[4500], said[4096];

    CLI_CHECK({2, "", "wanted: hyperlight new NAME", {"new"}},
              {2, "", "new: b is one word too many", {"new", "a", "b"}},
              {2, "", "new: no option --force", {"new", "--force", "a"}},
              {7, "", "hyperlight-cc is not there, and the project needs it", {"new", "a"}});
    install(command, "here");
    CHECK_INT(make(said, command, cli_file("here")), 2);
    CHECK_HAS(said, "/here: File exists\n");
    CHECK_INT(make(said, command, ""), 7);
    CHECK_HAS(said, "hyperlight: new: '': No such file or directory\n");
    CHECK_INT(make(said, command, cli_file("no/such")), 7);
    CHECK_HAS(said, "no/such: No such file or directory\n");
}

/* What a shell or make would take for its own is not in a makefile. */
TEST(new_refuses_an_installation_that_no_makefile_can_name)
{
    static const char *const folders[] = {"a$b", "it's", "a\"b", "a#b", "a`b", "a\\b", "a:b"};
    char command[4500], said[4096];
    size_t i;

    for (i = 0; i < sizeof folders / sizeof *folders; i++) {
        CHECK_INT(make(said, install(command, folders[i]), cli_file("project")), 7);
        CHECK_HAS(said, "no makefile can name a folder with ");
        CHECK(access(cli_file("project"), F_OK) && errno == ENOENT);
    }
}

/* Room for one file, and for none. */
TEST(new_leaves_nothing_on_a_full_disk)
{
    char command[4500], said[4096];

    install(command, "here");
    cli_own_mounts();
    CHECK_INT(mkdir(cli_file("disk"), 0755), 0);
    CHECK_INT(mount("none", cli_file("disk"), "tmpfs", 0, "size=4k"), 0);
    CHECK_INT(make(said, command, cli_file("disk/project")), 7);
    CHECK_HAS(said, "disk/project/guest.c: No space left on device; nothing is left");
    CHECK(access(cli_file("disk/project"), F_OK) && errno == ENOENT);
    CHECK_INT(mount("none", cli_file("disk"), "tmpfs", MS_REMOUNT, "nr_inodes=2"), 0);
    CHECK_INT(make(said, command, cli_file("disk/project")), 7);
    CHECK_HAS(said, "disk/project/host.c: No space left on device; nothing is left");
    CHECK(access(cli_file("disk/project"), F_OK) && errno == ENOENT);
    CHECK_INT(umount(cli_file("disk")), 0);
}
