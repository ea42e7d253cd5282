/* SPDX-License-Identifier: Apache-2.0 */
/* Opens guests and snapshots and makes sandboxes of them. */
#include "subject.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "file.h"
#include "text.h"
#include "value.h"

/* A snapshot file begins so (docs/snapshot-format.md). */
#define SNAPSHOT_MAGIC "HLsnap\r\n"

/* What there is to see of a file before the library opens it. */
enum look { LOOK_FILE, LOOK_SNAPSHOT, LOOK_NONE };

/* Opened as the library does: it waits for nobody to write into a pipe. Where
 * this machine has no descriptor for it, it is a file yet. */
static enum look look(const char *path)
{
    char head[sizeof SNAPSHOT_MAGIC - 1];
    const int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
    enum look found = LOOK_NONE;
    struct stat st;

    if (fd < 0)
        return errno == EMFILE || errno == ENFILE || errno == ENOMEM ? LOOK_FILE : LOOK_NONE;
    if (!fstat(fd, &st) && S_ISREG(st.st_mode))
        found = pread(fd, head, sizeof head, 0) == (ssize_t)sizeof head &&
                        !memcmp(head, SNAPSHOT_MAGIC, sizeof head)
                    ? LOOK_SNAPSHOT
                    : LOOK_FILE;
    close(fd);
    return found;
}

int subject_open(struct subject *out, const char *path)
{
    const enum look found = look(path);
    hl_error err;
    int result;

    *out = (struct subject){.path = path};
    if (found == LOOK_SNAPSHOT)
        hl_snapshot_load(&out->snapshot, path, &err);
    else
        hl_guest_open(&out->guest, path, &err);
    if (!err.status)
        return CLI_OK;
    words_quote_path(&err, path);
    result = cli_error(&err);
    return found == LOOK_NONE && err.status == HL_E_SYSTEM ? CLI_FILE : result;
}

void subject_close(struct subject *subject)
{
    hl_guest_release(subject->guest);
    hl_snapshot_release(subject->snapshot);
}

bool subject_fallback(const struct subject *subject)
{
    return subject->guest ? hl_guest_fallback(subject->guest)
                          : hl_snapshot_fallback(subject->snapshot);
}

double running_now_us(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec * 1e6 + (double)now.tv_nsec / 1e3;
}

/* ---- What the guest may do: print and log ------------------------------------ */

/* As the library's own HostPrint, but where the verb wants it. */
static hl_status print(hl_call *call, const hl_value args[], hl_value *ret)
{
    const struct running *r = hl_call_user(call);
    FILE *out = r->quiet ? stderr : stdout;

    if (text_is_terminal(out))
        text_safe(out, args[0].as.str, args[0].len, true);
    else
        fwrite(args[0].as.str, 1, args[0].len, out);
    if (r->quiet ? fflush(out) : cli_finish(CLI_OK))
        return hl_fail(call, 1, "the output cannot be written");
    *ret = hl_i32((int32_t)args[0].len);
    return HL_OK;
}

static void log_line(void *user, const hl_log_record *record)
{
    static const char *const levels[] = {"off", "error", "warn", "info", "debug", "trace"};

    (void)user;
    if (record->dropped)
        fprintf(stderr, "guest: %llu log lines were lost\n", (unsigned long long)record->dropped);
    fprintf(stderr, "guest: %s: ", record->level <= HL_LEVEL_TRACE ? levels[record->level] : "?");
    text_safe(stderr, record->file, strlen(record->file), false);
    fprintf(stderr, ":%u: ", record->line);
    text_safe(stderr, record->text, strlen(record->text), false);
    fputc('\n', stderr);
}

/* ---- Sandboxes ------------------------------------------------------------------- */

static hl_status create(struct running *r, const struct subject *subject, hl_error *err)
{
    const hl_host_function table[] = {{"HostPrint", "i32(str)", print, r}};
    const double start = running_now_us();
    hl_status status = hl_host_create(&r->host, table, 1, err);

    r->config.struct_size = sizeof r->config;
    r->config.allow_process = r->allow_process;
    r->config.avx = r->avx;
    if (r->config.log_level)
        r->config.log = log_line;
    if (!status)
        status = subject->guest
                     ? hl_sandbox_create(&r->box, subject->guest, r->host, &r->config, err)
                     : hl_sandbox_create_from(&r->box, subject->snapshot, r->host, &r->config, err);
    r->create_us = running_now_us() - start;
    return status;
}

/* What it requires besides the one function that this command has, "A, B and 2
 * more"; how many. */
static size_t wants_more(char out[1024], const struct subject *subject)
{
    size_t count = 0, left_out = 0, at = 0, i;
    hl_symbol symbol;

    for (i = 0; subject->guest ? hl_guest_import(&symbol, subject->guest, i)
                               : hl_snapshot_import(&symbol, subject->snapshot, i);
         i++) {
        if (!strcmp(symbol.name, "HostPrint"))
            continue;
        if (at + strlen(symbol.name) < 900)
            at += (size_t)snprintf(out + at, 1024 - at, "%s%s", at ? ", " : "", symbol.name);
        else
            left_out++;
        count++;
    }
    if (left_out)
        snprintf(out + at, 1024 - at, " and %zu more", left_out);
    return count;
}

static bool is_of_kvm(const hl_snapshot *snapshot)
{
    return snapshot && hl_snapshot_hypervisor(snapshot) == HL_HYPERVISOR_KVM;
}

/* What this command can do about it, which the library cannot know. */
static void advise(const struct running *r, const hl_error *err)
{
    const bool could = err->status == HL_E_NO_HYPERVISOR || err->status == HL_E_MISMATCH;
    char names[1024];

    if (err->status == HL_E_MISMATCH && wants_more(names, r->subject))
        cli_say("of the host's functions this command has HostPrint alone; the guest also imports "
                "%s",
                names);
    else if (err->status == HL_E_NO_HYPERVISOR && is_of_kvm(r->subject->snapshot))
        cli_say("the snapshot was taken on kvm, and cannot go on in a process");
    else if (could && !r->config.hypervisor && !r->allow_process &&
             !hl_hypervisor_probe(HL_HYPERVISOR_PROCESS, NULL))
        cli_say("--allow-process would run it in a locked-down process, a weaker wall");
}

/* The command's own limit for --init-data is that of the library. */
static bool read_init(struct running *r)
{
    char label[TEXT_SHOWN + 32], shown[TEXT_SHOWN];
    size_t size = 0;

    if (!r->init_path)
        return true;
    snprintf(label, sizeof label, "--init-data is %s", text_shown(shown, r->init_path));
    if (!file_read(&r->init, &size, label, r->init_path, (size_t)1 << 30))
        return false;
    r->config.init_data = r->init;
    r->config.init_size = size;
    return true;
}

int running_begin(struct running *r, const struct subject *subject)
{
    hl_error err;
    int result;

    r->subject = subject;
    if (!read_init(r))
        return CLI_USAGE;
    if (!create(r, subject, &err))
        return CLI_OK;
    result = cli_error(&err);
    advise(r, &err);
    return result;
}

void running_end(struct running *r)
{
    hl_sandbox_destroy(r->box);
    hl_host_release(r->host);
    free(r->init);
}

/* Neither it nor a fallback is there. */
static int no_function(const struct running *r, const char *function)
{
    char name[TEXT_SHOWN], path[TEXT_SHOWN];
    hl_error err = {.status = HL_E_UNKNOWN};
    int len;

    text_shown(name, function);
    len = snprintf(err.text, sizeof err.text, "the guest exports no function %s", name);
    snprintf(err.text + len, sizeof err.text - (size_t)len,
             "; hyperlight inspect %.200s lists them", text_shown(path, r->subject->path));
    return cli_error(&err);
}

/* More than this cannot be in one call. */
static size_t most_bytes(const struct running *r)
{
    hl_area area;
    size_t i;

    for (i = 0; hl_sandbox_area(&area, r->box, i); i++)
        if (!strcmp(area.name, "requests") && area.size < HL_LEN_MAX)
            return (size_t)area.size;
    return HL_LEN_MAX;
}

int running_parse(struct arguments *out, const struct running *r, const char *function,
                  char *const words[], uint32_t count)
{
    hl_symbol symbol = {NULL, NULL};
    size_t i;

    out->most = most_bytes(r);
    for (i = 0; hl_sandbox_export(&symbol, r->box, i); i++)
        if (!strcmp(symbol.name, function))
            return arguments_parse(out, function, symbol.signature, words, count);
    if (!subject_fallback(r->subject))
        return no_function(r, function);
    return arguments_parse(out, function, NULL, words, count);
}
