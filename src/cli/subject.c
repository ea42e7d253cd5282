/* SPDX-License-Identifier: Apache-2.0 */
/* Opens guests and snapshots and makes sandboxes of them. */
#include "subject.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "file.h"
#include "text.h"
#include "value.h"

/* A snapshot file begins so (docs/snapshot-format.md). */
#define SNAPSHOT_MAGIC "HLsnap\r\n"

/* Opened as the library does: it waits for nobody to write into a pipe. */
static bool is_snapshot(const char *path)
{
    char head[sizeof SNAPSHOT_MAGIC - 1];
    const int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
    const bool yes = fd >= 0 && pread(fd, head, sizeof head, 0) == (ssize_t)sizeof head &&
                     !memcmp(head, SNAPSHOT_MAGIC, sizeof head);

    if (fd >= 0)
        close(fd);
    return yes;
}

hl_status subject_open(struct subject *out, const char *path, hl_error *err)
{
    *out = (struct subject){.path = path};
    return is_snapshot(path) ? hl_snapshot_load(&out->snapshot, path, err)
                             : hl_guest_open(&out->guest, path, err);
}

void subject_close(struct subject *subject)
{
    hl_guest_release(subject->guest);
    hl_snapshot_release(subject->snapshot);
}

enum cli_exit subject_exit(const hl_error *err)
{
    return err->status == HL_E_SYSTEM ? CLI_FILE : cli_exit_of(err->status);
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
    if (r->config.log_level)
        r->config.log = log_line;
    if (!status)
        status = subject->guest
                     ? hl_sandbox_create(&r->box, subject->guest, r->host, &r->config, err)
                     : hl_sandbox_create_from(&r->box, subject->snapshot, r->host, &r->config, err);
    r->create_us = running_now_us() - start;
    return status;
}

/* Does it require more than the one function that this command has? */
static bool wants_more(const struct subject *subject)
{
    hl_symbol symbol;
    size_t i;

    for (i = 0; subject->guest ? hl_guest_import(&symbol, subject->guest, i)
                               : hl_snapshot_import(&symbol, subject->snapshot, i);
         i++)
        if (strcmp(symbol.name, "HostPrint"))
            return true;
    return false;
}

/* What this command can do about it, which the library cannot know. */
static void advise(const struct running *r, const struct subject *subject, const hl_error *err)
{
    const bool could = err->status == HL_E_NO_HYPERVISOR || err->status == HL_E_MISMATCH;

    if (err->status == HL_E_MISMATCH && wants_more(subject))
        cli_say("of the host's functions this command has HostPrint alone");
    else if (could && !r->config.hypervisor && !r->allow_process &&
             !hl_hypervisor_probe(HL_HYPERVISOR_PROCESS, NULL))
        cli_say("--allow-process would run it in a locked-down process, a weaker wall");
}

int running_begin(struct running *r, const struct subject *subject)
{
    hl_error err;
    size_t size = 0;

    if (r->init_path && !file_read(&r->init, &size, r->init_path, (size_t)1 << 30))
        return CLI_USAGE;
    r->config.init_data = r->init;
    r->config.init_size = size;
    if (create(r, subject, &err)) {
        cli_error(&err);
        advise(r, subject, &err);
        return (int)cli_exit_of(err.status);
    }
    return CLI_OK;
}

void running_end(struct running *r)
{
    hl_sandbox_destroy(r->box);
    hl_host_release(r->host);
    free(r->init);
}

int running_parse(struct arguments *out, const struct running *r, const char *function,
                  char *const words[], uint32_t count)
{
    hl_symbol symbol = {NULL, NULL};
    size_t i;

    for (i = 0; hl_sandbox_export(&symbol, r->box, i); i++)
        if (!strcmp(symbol.name, function))
            return arguments_parse(out, function, symbol.signature, words, count);
    return arguments_parse(out, function, NULL, words, count);
}
