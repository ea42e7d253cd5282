/* SPDX-License-Identifier: Apache-2.0 */
/* Plays the guest, makes the folder. */
#include "snapfile_fixture.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

/* ---- The guest -------------------------------------------------------------------- */

static uint64_t *word_of(struct fake_guest *guest, uint32_t page)
{
    return (uint64_t *)(void *)(guest->memory + layout_gpa(guest->boot.heap) +
                                (uint64_t)page * HL_PAGE);
}

static hl_status play_get(struct fake_guest *guest, struct hv_exit *exit, hl_error *err)
{
    (void)exit;
    (void)err;
    return fake_return(guest, hl_u64(*word_of(guest, guest->args[0].as.u32)));
}

static hl_status play_put(struct fake_guest *guest, struct hv_exit *exit, hl_error *err)
{
    const uint32_t first = guest->args[0].as.u32, pages = guest->args[1].as.u32;
    uint32_t i;

    (void)exit;
    (void)err;
    for (i = first; i < first + pages; i++) {
        *word_of(guest, i) = guest->args[2].as.u64;
        fake_wrote(guest, layout_gpa(guest->boot.heap) / HL_PAGE + i);
    }
    return fake_return(guest, hl_u64(0));
}

/* Asks for two exports and for an import that it has. */
static hl_status play_init(struct fake_guest *guest, struct hv_exit *exit, hl_error *err)
{
    static const char *const names[] = {"late0", "late1", "h"};
    hl_value values[2] = {hl_void(), hl_str("void(i32)")};

    (void)exit;
    (void)err;
    if (guest->step)
        CHECK_INT(guest->in.kind, HL_KIND_RETURN);
    if (guest->step == 3)
        return fake_return(guest, hl_void());
    values[0] = hl_str(names[guest->step]);
    fake_send(guest, guest->step < 2 ? HL_KIND_EXPORT : HL_KIND_IMPORT, 0, values, 2);
    return HL_OK;
}

static const struct fake_function exports[] = {{"get", "u64(u32)", play_get},
                                               {"put", "u64(u32, u32, u64)", play_put},
                                               {"", NULL, NULL}};
static const hl_symbol imports[] = {{"h", "void(i32)"}};
static const struct fake_program program = {.exports = exports,
                                            .export_count = 3,
                                            .imports = imports,
                                            .import_count = 1,
                                            .init = play_init};

static hl_status host_noop(hl_call *call, const hl_value args[], hl_value *ret)
{
    (void)call;
    (void)args;
    (void)ret;
    return HL_OK;
}

hl_host *snapfile_host(void)
{
    static const hl_host_function function = {"h", "void(i32)", host_noop, NULL};
    hl_host *host;

    CHECK_INT(hl_host_create(&host, &function, 1, NULL), HL_OK);
    return host;
}

void snapfile_use(void)
{
    fake_use(&program);
}

hl_sandbox *snapfile_box(void)
{
    const hl_config config = {.struct_size = sizeof config,
                              .heap_size = 1 << 20,
                              .stack_size = 64 << 10,
                              .message_size = 64 << 10,
                              .call_depth = 3,
                              .init_data = "abc",
                              .init_size = 3};
    hl_host *host = snapfile_host();
    hl_sandbox *box;
    hl_error err;

    if (fake_create(&box, &program, host, &config, &err))
        FAIL("create: %s", err.text);
    hl_host_release(host);
    return box;
}

void snapfile_put(hl_sandbox *box, uint32_t first, uint32_t pages, uint64_t value)
{
    const hl_value args[] = {hl_u32(first), hl_u32(pages), hl_u64(value)};
    hl_error err;

    if (hl_sandbox_call(NULL, box, "put", args, 3, &err))
        FAIL("put: %s", err.text);
}

uint64_t snapfile_get(hl_sandbox *box, uint32_t page)
{
    const hl_value arg = hl_u32(page);
    hl_value ret;
    hl_error err;

    if (hl_sandbox_call(&ret, box, "get", &arg, 1, &err))
        FAIL("get: %s", err.text);
    return ret.as.u64;
}

hl_snapshot *snapfile_snapshot(void)
{
    hl_sandbox *box = snapfile_box();
    hl_snapshot *snapshot;
    hl_error err;

    snapfile_put(box, 1, 1, 5);
    snapfile_put(box, 40, 2, 7);
    if (hl_snapshot_take(&snapshot, box, &err))
        FAIL("take: %s", err.text);
    hl_sandbox_destroy(box);
    return snapshot;
}

/* ---- The folder ---------------------------------------------------------------------- */

static char folder[256];
static pid_t owner; /* not the processes that a test forks off */

static void remove_folder(void)
{
    struct dirent *entry;
    DIR *dir;

    if (getpid() != owner || seteuid(getuid()) || chmod(folder, 0700))
        return;
    dir = opendir(folder);
    while (dir && (entry = readdir(dir)))
        unlinkat(dirfd(dir), entry->d_name, 0);
    if (dir)
        closedir(dir);
    rmdir(folder);
}

const char *snapfile_folder(void)
{
    const char *parent = getenv("TMPDIR");

    if (*folder)
        return folder;
    snprintf(folder, sizeof folder, "%s/hl-snapfile-XXXXXX", parent ? parent : "/tmp");
    CHECK(mkdtemp(folder));
    owner = getpid();
    atexit(remove_folder);
    return folder;
}

const char *snapfile_path(const char *name)
{
    static char path[sizeof folder + 64];

    snprintf(path, sizeof path, "%s/%s", snapfile_folder(), name);
    return path;
}

int snapfile_entries(void)
{
    DIR *dir = opendir(snapfile_folder());
    int n = 0;

    CHECK(dir);
    while (readdir(dir))
        n++;
    closedir(dir);
    return n - 2;
}

/* ---- Bytes ------------------------------------------------------------------------------ */

uint8_t *snapfile_bytes(size_t *size)
{
    hl_snapshot *snapshot = snapfile_snapshot();
    uint8_t *bytes;
    hl_error err;

    if (hl_snapshot_save(snapshot, snapfile_path("bytes"), &err))
        FAIL("save: %s", err.text);
    hl_snapshot_release(snapshot);
    CHECK_INT(os_file_read(&bytes, size, snapfile_path("bytes"), 1 << 24, &err), HL_OK);
    CHECK_INT(unlink(snapfile_path("bytes")), 0);
    return bytes;
}

hl_status snapfile_load(hl_snapshot **out, const uint8_t *bytes, size_t size, hl_error *err)
{
    char path[SNAPFILE_PATH];
    const int fd = snapfile_in_memory(path, bytes, size);
    hl_snapshot *snapshot;
    hl_status status;

    CHECK(fd >= 0);
    status = snapshot_load_on(&snapshot, &hv_fake, path, err);
    close(fd);
    CHECK(!status == (snapshot != NULL));
    CHECK_INT(err->status, status);
    if (status)
        CHECK(!strncmp(err->text, path, strlen(path)));
    if (out)
        *out = snapshot;
    else if (snapshot)
        FAIL("the file was loaded");
    return status;
}
