/* SPDX-License-Identifier: Apache-2.0 */
/* The default HostPrint: to pipes, terminals and nowhere. */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <termios.h>
#include <unistd.h>

#include "../fake/fake.h"
#include "../test.h"

/* In place of the C library's: counts. */
static int writes;
ssize_t write(int fd, const void *from, size_t size)
{
    if (fd == STDOUT_FILENO)
        writes++;
    return syscall(SYS_write, fd, from, size);
}

/* ---- A guest that prints ------------------------------------------------------------- */

static hl_status print(struct fake_guest *guest, struct hv_exit *exit, hl_error *err)
{
    (void)exit;
    (void)err;
    return guest->step ? fake_return(guest, guest->args[0]) : fake_call(guest, 0, guest->args, 1);
}

static hl_sandbox *printer(void)
{
    static const struct fake_function exports[] = {{"p", "i32(str)", print}};
    static const hl_symbol imports[] = {{"HostPrint", "i32(str)"}};
    static const struct fake_program program = {
        .exports = exports, .export_count = 1, .imports = imports, .import_count = 1};
    hl_sandbox *box;
    hl_error err;

    CHECK_INT(fake_create(&box, &program, NULL, NULL, &err), HL_OK);
    return box;
}

/* Prints with fd as standard output: what HostPrint returned, or the code that
 * it failed with (the fake returns what it is told). */
static int32_t print_to(int fd, hl_sandbox *box, hl_value text, hl_status wanted)
{
    int saved = dup(STDOUT_FILENO);
    hl_status status;
    hl_value ret;
    hl_error err;

    fflush(stdout);
    if (fd < 0)
        close(STDOUT_FILENO);
    else
        dup2(fd, STDOUT_FILENO);
    writes = 0;
    status = hl_sandbox_call(&ret, box, "p", &text, 1, &err);
    dup2(saved, STDOUT_FILENO);
    close(saved);
    CHECK_INT(status, wanted);
    return ret.as.i32;
}

static void expect_unwritable(int fd, hl_sandbox *box)
{
    const struct fake_guest *guest = fake_of(box);

    CHECK_INT(print_to(fd, box, hl_str("x"), HL_OK), 1);
    CHECK_INT(guest->in.kind, HL_KIND_FAIL);
    CHECK(!memcmp(guest->args[1].as.bytes, "standard output cannot be written", 33));
}

/* ---- Someone who reads ------------------------------------------------------------------ */

struct reader {
    int fd;
    hl_interrupt *stop; /* after the first bytes; NULL: nothing */
    pthread_t thread;
    size_t size; /* of what came */
    char first[64];
};

static void *read_all(void *arg)
{
    struct reader *reader = arg;
    static char buffer[65536];
    ssize_t n;

    while ((n = read(reader->fd, buffer, sizeof buffer)) > 0) {
        if (reader->size < sizeof reader->first - 1)
            memcpy(reader->first + reader->size, buffer,
                   (size_t)n < sizeof reader->first - 1 - reader->size
                       ? (size_t)n
                       : sizeof reader->first - 1 - reader->size);
        reader->size += (size_t)n;
        if (reader->stop)
            CHECK(hl_interrupt_stop(reader->stop));
        reader->stop = NULL;
    }
    return NULL;
}

/* Both return the end to write to; closing it ends the reader. */
static int read_pipe(struct reader *reader, hl_interrupt *stop)
{
    int ends[2];

    CHECK_INT(pipe(ends), 0);
    *reader = (struct reader){.fd = ends[0], .stop = stop};
    CHECK_INT(pthread_create(&reader->thread, NULL, read_all, reader), 0);
    return ends[1];
}
static int read_terminal(struct reader *reader, hl_interrupt *stop)
{
    int master = posix_openpt(O_RDWR | O_NOCTTY), terminal;
    struct termios raw;

    if (master < 0 || grantpt(master) || unlockpt(master))
        test_skip("no terminal: %s", strerror(errno));
    terminal = open(ptsname(master), O_RDWR | O_NOCTTY);
    if (terminal < 0)
        test_skip("no terminal: %s", strerror(errno));
    CHECK_INT(tcgetattr(terminal, &raw), 0);
    cfmakeraw(&raw);
    CHECK_INT(tcsetattr(terminal, TCSANOW, &raw), 0);
    *reader = (struct reader){.fd = master, .stop = stop};
    CHECK_INT(pthread_create(&reader->thread, NULL, read_all, reader), 0);
    return terminal;
}
static void join(struct reader *reader, int end)
{
    close(end);
    CHECK_INT(pthread_join(reader->thread, NULL), 0);
    close(reader->fd);
}

static hl_value escapes(size_t count)
{
    static char text[(8 << 20) + 1];

    CHECK(count < sizeof text);
    memset(text, '\x1b', count);
    text[count] = 0;
    return hl_str(text);
}

/* ---- What arrives ------------------------------------------------------------------------ */

TEST(print_to_a_pipe_as_it_is)
{
    const hl_value text = hl_str("Hello, %s \x1b[1m\xc3\xa9\n");
    hl_sandbox *box = printer();
    struct reader reader;
    int end = read_pipe(&reader, NULL);

    CHECK_INT(print_to(end, box, text, HL_OK), text.len);
    CHECK_INT(writes, 1);
    join(&reader, end);
    CHECK_INT(reader.size, text.len);
    CHECK_STR(reader.first, text.as.str);
    hl_sandbox_destroy(box);
}

TEST(print_to_a_terminal_escapes_controls)
{
    const hl_value text = hl_str("\x1b[1m \xc3\xa9\t\xc2\x9b\x7f \xc2\xa0\n\r.");
    hl_sandbox *box = printer();
    struct reader reader;
    int end = read_terminal(&reader, NULL);

    CHECK_INT(print_to(end, box, text, HL_OK), text.len);
    CHECK_INT(writes, 1);
    join(&reader, end);
    CHECK_STR(reader.first, "\\x1b[1m \xc3\xa9\t\\x9b\\x7f \xc2\xa0\n\\x0d.");
    CHECK_INT(reader.size, strlen(reader.first));
    hl_sandbox_destroy(box);
}

/* A megabyte of escapes is no million of system calls. */
TEST(print_to_a_terminal_in_few_writes)
{
    hl_sandbox *box = printer();
    const hl_value text = escapes(1 << 20);
    struct reader reader;
    int end = read_terminal(&reader, NULL);

    CHECK_INT(print_to(end, box, text, HL_OK), 1 << 20);
    CHECK(writes < 3000);
    join(&reader, end);
    CHECK_INT(reader.size, 4 << 20);
    CHECK(!memcmp(reader.first, "\\x1b\\x1b", 8));
    hl_sandbox_destroy(box);
}

TEST(print_ends_when_it_is_stopped)
{
    const hl_value text = escapes(8 << 20);
    hl_sandbox *box = printer();
    struct reader reader;
    int end = read_terminal(&reader, hl_sandbox_interrupt(box));

    print_to(end, box, text, HL_E_CANCELLED);
    join(&reader, end);
    CHECK(reader.size > 0 && reader.size < 1 << 20);
    hl_sandbox_destroy(box);
    box = printer();
    end = read_pipe(&reader, hl_sandbox_interrupt(box));
    print_to(end, box, text, HL_E_CANCELLED);
    join(&reader, end);
    CHECK(reader.size > 0 && reader.size < 4 << 20);
    hl_sandbox_destroy(box);
}

/* ---- Where it cannot --------------------------------------------------------------------- */

TEST(print_reports_a_closed_output)
{
    hl_sandbox *box = printer();

    expect_unwritable(-1, box);
    hl_sandbox_destroy(box);
}

static int sigpipe_is_pending(void)
{
    sigset_t pending;

    CHECK_INT(sigpending(&pending), 0);
    return sigismember(&pending, SIGPIPE);
}

/* Writing would end the process: SIGPIPE has its default. */
TEST(print_survives_a_reader_that_is_gone)
{
    hl_sandbox *box = printer();
    sigset_t set, after;
    int ends[2];

    CHECK_INT(pipe(ends), 0);
    close(ends[0]);
    expect_unwritable(ends[1], box);
    CHECK_INT(pthread_sigmask(SIG_SETMASK, NULL, &after), 0);
    CHECK_INT(sigismember(&after, SIGPIPE), 0);

    sigemptyset(&set);
    sigaddset(&set, SIGPIPE);
    CHECK_INT(pthread_sigmask(SIG_BLOCK, &set, NULL), 0);
    expect_unwritable(ends[1], box);
    CHECK_INT(sigpipe_is_pending(), 0); /* ours was taken */
    CHECK_INT(raise(SIGPIPE), 0);
    expect_unwritable(ends[1], box);
    CHECK_INT(sigpipe_is_pending(), 1); /* the application's was not */
    CHECK_INT(pthread_sigmask(SIG_SETMASK, NULL, &after), 0);
    CHECK_INT(sigismember(&after, SIGPIPE), 1);
    hl_sandbox_destroy(box);
}
