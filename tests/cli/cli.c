/* SPDX-License-Identifier: Apache-2.0 */
/* Starts the command and catches its output. */
#include "cli.h"

#include <errno.h>
#include <ftw.h>
#include <hyperlight/hyperlight.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

unsigned cli_seconds;

const char *cli_program(void)
{
    static char path[4500];
    const char *guest = test_guest("simple");

    snprintf(path, sizeof path, "%.*s/../bin/hyperlight", (int)(strrchr(guest, '/') - guest),
             guest);
    return path;
}

static char folder[] = "/tmp/hl-cli-XXXXXX";
static bool made, chooses;

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *walk)
{
    (void)st;
    (void)type;
    (void)walk;
    return remove(path);
}

static void remove_folder(void)
{
    if (made)
        nftw(folder, remove_one, 8, FTW_DEPTH | FTW_PHYS);
}

static void need(hl_hypervisor which)
{
    hl_error err;

    if (!hl_hypervisor_probe(which, &err))
        return;
    remove_folder(); /* who skips runs nothing at the exit */
    test_skip("%s", err.text);
}

const char *cli_hypervisor(void)
{
    const char *name = getenv("HL_TEST_HYPERVISOR");

    return name && !strcmp(name, "process") ? "process" : "kvm";
}

void cli_need_hypervisor(void)
{
    need(strcmp(cli_hypervisor(), "kvm") ? HL_HYPERVISOR_PROCESS : HL_HYPERVISOR_KVM);
}

void cli_need_kvm(void)
{
    if (strcmp(cli_hypervisor(), "kvm")) {
        remove_folder();
        test_skip("of KVM itself");
    }
    need(HL_HYPERVISOR_KVM);
}

void cli_need_process(void)
{
    chooses = true;
    need(HL_HYPERVISOR_PROCESS);
}

void cli_own_mounts(void)
{
    if (unshare(CLONE_NEWNS) || mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL))
        test_skip("mounts of its own: %s", strerror(errno));
}

void cli_without_devices(void)
{
    cli_own_mounts();
    CHECK_INT(mount("none", "/dev", "tmpfs", 0, NULL), 0);
}

const char *cli_file(const char *name)
{
    static char paths[4][256];
    static unsigned next;
    char *path = paths[next++ % 4];

    if (!made) {
        if (!mkdtemp(folder))
            FAIL("mkdtemp: %s", strerror(errno));
        atexit(remove_folder);
        made = true;
    }
    snprintf(path, sizeof *paths, "%s/%s", folder, name);
    return path;
}

void cli_write(const char *name, const void *bytes, size_t size)
{
    FILE *file = fopen(cli_file(name), "wb");

    CHECK(file && fwrite(bytes, 1, size, file) == size && !fclose(file));
}

/* A file that has been unlinked, for one stream of a child. */
static int catcher(void)
{
    char path[] = "/tmp/hl-cli-out-XXXXXX";
    const int fd = mkstemp(path);

    CHECK(fd >= 0 && !unlink(path));
    return fd;
}

static void caught(char *out, size_t size, int fd)
{
    const ssize_t n = pread(fd, out, size - 1, 0);

    CHECK(n >= 0 && (size_t)n < size - 1);
    out[n] = '\0';
    close(fd);
}

static int run(int out, int err, const char *program, const char *const args[])
{
    const struct rlimit limit = {cli_seconds, cli_seconds};
    const pid_t child = fork();
    int status;

    CHECK(child >= 0);
    if (!child) {
        if (cli_seconds)
            setrlimit(RLIMIT_CPU, &limit);
        dup2(out, 1);
        dup2(err, 2);
        execvp(program, (char *const *)(uintptr_t)args);
        _exit(127);
    }
    CHECK_INT(waitpid(child, &status, 0), child);
    return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

void cli_words(const char *words[CLI_WORDS], const char *const args[])
{
    static char guests[2][4500];
    size_t i, n = 0;

    snprintf(guests[0], sizeof *guests, "%s", test_guest("simple"));
    snprintf(guests[1], sizeof *guests, "%s", test_guest("hello"));
    words[n++] = cli_program();
    for (i = 0; args[i]; i++) {
        CHECK(n < CLI_WORDS - 3);
        words[n++] = !strcmp(args[i], "SIMPLE")  ? guests[0]
                     : !strcmp(args[i], "HELLO") ? guests[1]
                                                 : args[i];
        if (!i && !chooses && strcmp(cli_hypervisor(), "kvm") &&
            (!strcmp(args[0], "call") || !strcmp(args[0], "snapshot"))) {
            words[n++] = "--hypervisor";
            words[n++] = cli_hypervisor();
        }
    }
    words[n] = NULL;
}

const struct cli *cli_run(const char *const args[])
{
    static struct cli result;
    const char *words[CLI_WORDS];
    const int out = catcher(), err = catcher();

    cli_words(words, args);
    result.status = run(out, err, words[0], words);
    caught(result.out, sizeof result.out, out);
    caught(result.err, sizeof result.err, err);
    return &result;
}

void cli_check(const struct cli_row rows[], size_t count)
{
    const struct cli *found;
    const struct cli_row *row;

    for (row = rows; row < rows + count; row++) {
        found = cli_run(row->args);
        if (found->status != row->status || (row->out && strcmp(found->out, row->out)) ||
            !strstr(found->err, row->err) || (!*row->err && *found->err))
            FAIL("row %td, %s %s: status %d, wanted %d; output \"%s\", wanted \"%s\"; error "
                 "\"%s\", wanted \"%s\"",
                 row - rows, row->args[0], row->args[1] ? row->args[1] : "", found->status,
                 row->status, found->out, row->out ? row->out : "(any)", found->err, row->err);
    }
}

void cli_check_json(const struct cli_json_row rows[], size_t count)
{
    static const char program[] = "import json, sys\n"
                                  "out, status, text = sys.argv[1].split('\\x1f')\n"
                                  "e = json.loads(out)['error']\n"
                                  "assert e['status'] == status and text in e['text'], e\n"
                                  "assert sorted(e) == ['code', 'status', 'text'], e";
    static char all[sizeof((struct cli *)0)->out + 1024];
    const struct cli *found;
    size_t i;

    for (i = 0; i < count; i++) {
        found = cli_run(rows[i].args);
        if (found->status != rows[i].status || !*found->err)
            FAIL("row %zu: status %d, wanted %d; error \"%s\"", i, found->status, rows[i].status,
                 found->err);
        snprintf(all, sizeof all, "%s\x1f%s\x1f%s", found->out, rows[i].name, rows[i].text);
        cli_python(program, all);
    }
}

void cli_python(const char *program, const char *text)
{
    const char *const args[] = {"python3", "-c", program, text, NULL};
    const int err = catcher();
    static char said[4096];
    const int status = run(err, err, args[0], args);

    caught(said, sizeof said, err);
    if (status)
        FAIL("python: status %d, %s; the text was %.3000s", status, said, text);
}
