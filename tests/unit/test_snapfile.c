/* SPDX-License-Identifier: Apache-2.0 */
/* Saving snapshots to files and loading them: what is kept, and what fails on the way. */
#include <errno.h>
#include <fcntl.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stddef.h>
#include <stdlib.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "../../src/host/arch/x86_64/system.h"
#include "../../src/host/pages.h"
#include "snapfile_fixture.h"

static void save(const hl_snapshot *snapshot, const char *path)
{
    hl_error err;

    if (hl_snapshot_save(snapshot, path, &err))
        FAIL("save: %d, %s", err.status, err.text);
    CHECK_STR(err.text, "ok");
}

static hl_snapshot *load(const char *path)
{
    hl_snapshot *snapshot;
    hl_error err;

    if (snapshot_load_on(&snapshot, &hv_fake, path, &err))
        FAIL("load: %d, %s", err.status, err.text);
    CHECK_STR(err.text, "ok");
    return snapshot;
}

static hl_sandbox *make_clone(const hl_snapshot *snapshot)
{
    hl_host *host = snapfile_host();
    hl_sandbox *box;
    hl_error err;

    snapfile_use();
    if (hl_sandbox_create_from(&box, snapshot, host, NULL, &err))
        FAIL("create_from: %s", err.text);
    hl_host_release(host);
    return box;
}

static void check_memory(hl_sandbox *box)
{
    uint32_t i;

    for (i = 0; i < 256; i++)
        CHECK_INT(snapfile_get(box, i), i == 1 ? 5 : i == 40 || i == 41 ? 7 : 0);
}

/* ---- What is kept -------------------------------------------------------------------- */

TEST(snapfile_keeps_memory)
{
    hl_snapshot *snapshot = snapfile_snapshot(), *loaded;
    hl_sandbox *box, *other;
    hl_error err;

    save(snapshot, snapfile_path("a"));
    hl_snapshot_release(snapshot);
    loaded = load(snapfile_path("a"));
    CHECK_INT(unlink(snapfile_path("a")), 0);
    box = make_clone(loaded);
    other = make_clone(loaded);
    check_memory(box);
    snapfile_put(box, 30, 20, 9);
    CHECK_INT(snapfile_get(box, 35), 9);
    check_memory(other);
    CHECK_INT(hl_sandbox_restore(box, loaded, &err), HL_OK);
    hl_snapshot_release(loaded);
    check_memory(box);
    hl_sandbox_destroy(box);
    hl_sandbox_destroy(other);
    CHECK_INT(snapfile_entries(), 0);
}

TEST(snapfile_keeps_tables_and_sizes)
{
    static const char *const exports[] = {"get", "put", "late0", "late1"};
    static const char *const texts[] = {"u64(u32)", "u64(u32, u32, u64)", "void(i32)", "void(i32)"};
    hl_snapshot *snapshot = snapfile_snapshot(), *loaded;
    const struct sizes *was = &snapshot->kind.shape->sizes, *now;
    hl_sandbox *box;
    hl_symbol symbol;
    size_t i;

    save(snapshot, snapfile_path("a"));
    loaded = load(snapfile_path("a"));
    now = &loaded->kind.shape->sizes;
    CHECK(!memcmp(was, now, sizeof *was));
    CHECK(loaded->kind.shape != snapshot->kind.shape);
    CHECK_INT(loaded->kind.domain, 0);
    CHECK(loaded->lineage != snapshot->lineage);
    CHECK_INT(loaded->park.rsp, snapshot->park.rsp);
    CHECK_INT(loaded->guest->image.fallback, 2);
    CHECK_INT(loaded->guest->image.init, HL_INDEX_NAMED);
    CHECK_INT(loaded->imports.count, 1);
    CHECK(!loaded->kind.shape->start);
    box = make_clone(loaded);
    for (i = 0; i < 4; i++) {
        CHECK(hl_sandbox_export(&symbol, box, i));
        CHECK_STR(symbol.name, exports[i]);
        CHECK_STR(symbol.signature, texts[i]);
    }
    CHECK(!hl_sandbox_export(&symbol, box, 4));
    CHECK_INT(sandbox_export_find(box, "late1"), 4);
    CHECK(!memcmp(memory_at(&box->vm->memory, AREA_INIT, 0, 4), "abc", 4));
    CHECK_INT(box->import_count, 2);
    hl_sandbox_destroy(box);
    hl_snapshot_release(snapshot);
    hl_snapshot_release(loaded);
}

/* The same content makes the same file, byte by byte, also after a round trip. */
TEST(snapfile_is_reproducible)
{
    hl_snapshot *snapshot = snapfile_snapshot(), *loaded;
    uint8_t *a, *b;
    size_t size, other;

    save(snapshot, snapfile_path("a"));
    CHECK_INT(os_file_read(&a, &size, snapfile_path("a"), 1 << 24, NULL), HL_OK);
    loaded = load(snapfile_path("a"));
    save(loaded, snapfile_path("a"));
    CHECK_INT(os_file_read(&b, &other, snapfile_path("a"), 1 << 24, NULL), HL_OK);
    CHECK_INT(size, other);
    CHECK(!memcmp(a, b, size));
    free(a);
    free(b);
    hl_snapshot_release(snapshot);
    hl_snapshot_release(loaded);
}

/* An image below the window comes first by address and last in guest-physical
 * memory; and there are several chunks, and more runs than views. */
TEST(snapfile_of_a_fixed_image)
{
    const hl_config config = {.struct_size = sizeof config, .heap_size = 64 << 20};
    static const struct fake_program none;
    hl_guest *guest = fake_image(&none);
    struct content_page pages[1000];
    struct content *content;
    hl_snapshot *snapshot, *loaded;
    hl_sandbox *box;
    uint64_t heap, image;
    uint32_t i;

    guest->image.base = 0x400000;
    guest->image.entry = 0x400000;
    guest->image.segments[0].address = 0x400000;
    guest->image.segments[1].address = 0x401000;
    fake_use(&none);
    CHECK_INT(sandbox_create_on(&box, &hv_fake, guest, NULL, &config, NULL), HL_OK);
    CHECK_INT(hl_snapshot_take(&snapshot, box, NULL), HL_OK);
    heap = layout_gpa(box->shape->layout.areas[AREA_HEAP].address) / HL_PAGE;
    image = box->shape->layout.image_gpa / HL_PAGE;
    CHECK(image > heap);
    for (i = 0; i < 1000; i++) {
        uint8_t *page = pages_new();

        CHECK(page);
        memset(page, (int)(i + 1) & 0x7f, HL_PAGE);
        page[0] = 0xaa;
        pages[i] = (struct content_page){i < 2 ? image + i : heap + i + i / 37 * 100, page};
    }
    CHECK_INT(content_derive(&content, snapshot->content, pages, 1000, NULL), HL_OK);
    content_release(snapshot->content);
    snapshot->content = content;
    save(snapshot, snapfile_path("a"));
    loaded = load(snapfile_path("a"));
    CHECK(loaded->content->base->extent_count > BASE_RUNS_MAX);
    CHECK_INT(loaded->content->base->run_count, BASE_RUNS_MAX);
    CHECK(!loaded->content->tree);
    for (i = 0; i < box->shape->layout.memory_size / HL_PAGE; i++)
        if (memcmp(content_at(snapshot->content, i), content_at(loaded->content, i), HL_PAGE))
            FAIL("page %u differs", i);
    hl_sandbox_destroy(box);
    CHECK_INT(hl_sandbox_create_from(&box, loaded, NULL, NULL, NULL), HL_OK);
    for (i = SYSTEM_SIZE / HL_PAGE; i < box->shape->layout.memory_size / HL_PAGE; i++)
        if (memcmp(content_at(snapshot->content, i), box->vm->memory.base + i * HL_PAGE, HL_PAGE))
            FAIL("page %u of the clone differs", i);
    hl_sandbox_destroy(box);
    hl_snapshot_release(snapshot);
    hl_snapshot_release(loaded);
    hl_guest_release(guest);
}

/* ---- Misuse --------------------------------------------------------------------------- */

TEST(snapfile_misuse)
{
    hl_snapshot *snapshot = snapfile_snapshot(), *none = snapshot;
    hl_error err;

    CHECK_INT(hl_snapshot_save(NULL, "x", &err), HL_E_INVALID);
    CHECK_STR(err.text, "hl_snapshot_save: snapshot is NULL");
    CHECK_INT(hl_snapshot_save(snapshot, NULL, &err), HL_E_INVALID);
    CHECK_STR(err.text, "hl_snapshot_save: path is NULL");
    CHECK_INT(hl_snapshot_load(NULL, "x", &err), HL_E_INVALID);
    CHECK_STR(err.text, "hl_snapshot_load: out is NULL");
    CHECK_INT(hl_snapshot_load(&none, NULL, &err), HL_E_INVALID);
    CHECK_STR(err.text, "hl_snapshot_load: path is NULL");
    CHECK(!none);
    CHECK_INT(hl_snapshot_load(&none, "/nowhere/file", NULL), HL_E_SYSTEM);
    CHECK_INT(hl_snapshot_load(&none, "/nowhere/file", &err), HL_E_SYSTEM);
    CHECK_STR(err.text, "/nowhere/file: No such file or directory");
    CHECK_INT(hl_snapshot_save(snapshot, snapfile_path("a"), NULL), HL_OK);
    CHECK_INT(snapshot_load_on(&none, &hv_fake, snapfile_path("a"), NULL), HL_OK);
    hl_snapshot_release(none);
    hl_snapshot_release(snapshot);
}

TEST(snapfile_is_a_regular_file)
{
    hl_snapshot *snapshot;
    hl_error err;

    CHECK_INT(mkfifo(snapfile_path("pipe"), 0600), 0);
    CHECK_INT(hl_snapshot_load(&snapshot, snapfile_path("pipe"), &err), HL_E_IMAGE);
    CHECK_HAS(err.text, "/pipe: not a regular file");
    CHECK_INT(hl_snapshot_load(&snapshot, "/dev/zero", &err), HL_E_IMAGE);
    CHECK_STR(err.text, "/dev/zero: not a regular file");
    CHECK_INT(hl_snapshot_load(&snapshot, snapfile_folder(), &err), HL_E_IMAGE);
}

/* A name that leads to it is as good; one that leads nowhere is named. */
TEST(snapfile_behind_a_symbolic_link)
{
    hl_snapshot *snapshot = snapfile_snapshot();
    char target[400];
    hl_error err;

    strcpy(target, snapfile_path("a"));
    save(snapshot, target);
    hl_snapshot_release(snapshot);
    CHECK_INT(symlink(target, snapfile_path("link")), 0);
    hl_snapshot_release(load(snapfile_path("link")));
    CHECK_INT(unlink(target), 0);
    CHECK_INT(hl_snapshot_load(&snapshot, snapfile_path("link"), &err), HL_E_SYSTEM);
    CHECK_HAS(err.text, "/link: No such file or directory");
}

struct scribbler {
    char path[400];
    uint8_t *bytes;
    size_t size;
    atomic_bool over;
};

/* Cuts the file, changes a byte, and puts it right again, over and over. */
static void *scribble(void *arg)
{
    struct scribbler *scribbler = arg;
    const int fd = open(scribbler->path, O_RDWR);
    const size_t size = scribbler->size;
    uint32_t i;

    CHECK(fd >= 0);
    for (i = 0; !atomic_load(&scribbler->over); i++) {
        if (i % 4 == 0)
            CHECK_INT(ftruncate(fd, (off_t)(i * 7919ull % size)), 0);
        else if (i % 4 == 1)
            CHECK_INT(pwrite(fd, "x", 1, (off_t)(i * 104729ull % size)), 1);
        else
            CHECK_INT(pwrite(fd, scribbler->bytes, size, 0), size);
    }
    close(fd);
    return NULL;
}

/* It is whole or refused, whatever happens to it meanwhile. */
TEST(snapfile_changes_while_it_is_loaded)
{
    static struct scribbler scribbler;
    int round, loaded = 0, refused = 0;
    hl_snapshot *snapshot;
    pthread_t thread;
    hl_error err;

    scribbler.bytes = snapfile_bytes(&scribbler.size);
    strcpy(scribbler.path, snapfile_path("a"));
    snapshot = snapfile_snapshot();
    save(snapshot, scribbler.path);
    hl_snapshot_release(snapshot);
    CHECK_INT(pthread_create(&thread, NULL, scribble, &scribbler), 0);
    for (round = 0; round < 100000 && (round < 300 || !loaded || !refused); round++) {
        if (!snapshot_load_on(&snapshot, &hv_fake, scribbler.path, &err)) {
            loaded++;
            hl_snapshot_release(snapshot);
            continue;
        }
        if (err.status != HL_E_IMAGE && err.status != HL_E_ABI && err.status != HL_E_UNSUPPORTED)
            FAIL("%d, %s", err.status, err.text);
        refused++;
    }
    atomic_store(&scribbler.over, true);
    pthread_join(thread, NULL);
    CHECK(loaded && refused);
    free(scribbler.bytes);
}

/* ---- Where it cannot be written ---------------------------------------------------------- */

/* Fails, and leaves no file but those that were there. */
static void check_unsaved(const char *path, const char *text)
{
    hl_snapshot *snapshot = snapfile_snapshot();
    hl_error err;

    CHECK_INT(hl_snapshot_save(snapshot, path, &err), HL_E_SYSTEM);
    CHECK_INT(err.status, HL_E_SYSTEM);
    CHECK_HAS(err.text, path);
    CHECK_HAS(err.text, text);
    CHECK_INT(hl_snapshot_save(snapshot, path, NULL), HL_E_SYSTEM);
    hl_snapshot_release(snapshot);
}

TEST(snapfile_without_a_folder)
{
    char folder[400];

    check_unsaved("/nowhere/file", "No such file or directory");
    check_unsaved(snapfile_path("no/file"), "No such file or directory");
    check_unsaved(snapfile_path("a/"), "names no file");
    check_unsaved("", "names no file");
    strcpy(folder, snapfile_path("folder"));
    CHECK_INT(mkdir(folder, 0700), 0);
    check_unsaved(folder, "renaming: Is a directory");
    CHECK_INT(snapfile_entries(), 1);
    CHECK_INT(rmdir(folder), 0);
}

/* It would be gone, for everybody. */
TEST(snapfile_takes_the_place_of_no_device)
{
    char path[400];
    struct stat st;

    strcpy(path, snapfile_path("pipe"));
    CHECK_INT(mkfifo(path, 0600), 0);
    check_unsaved(path, "not a regular file");
    CHECK(!stat(path, &st) && S_ISFIFO(st.st_mode));
    CHECK_INT(symlink(path, snapfile_path("link")), 0);
    check_unsaved(snapfile_path("link"), "not a regular file");
    CHECK_INT(snapfile_entries(), 2);
    CHECK(!unlink(path) && !unlink(snapfile_path("link")));
}

TEST(snapfile_in_a_folder_that_cannot_be_written)
{
    CHECK_INT(chmod(snapfile_folder(), 0555), 0);
    if (!geteuid())
        CHECK_INT(seteuid(65534), 0);
    check_unsaved(snapfile_path("a"), "Permission denied");
    CHECK_INT(snapfile_entries(), 0);
}

/* A name without a folder means the working directory. */
TEST(snapfile_in_the_working_directory)
{
    hl_snapshot *snapshot = snapfile_snapshot();

    CHECK_INT(chdir(snapfile_folder()), 0);
    save(snapshot, "here");
    hl_snapshot_release(snapshot);
    hl_snapshot_release(load("here"));
    CHECK_INT(snapfile_entries(), 1);
}

TEST(snapfile_replaces_another)
{
    hl_snapshot *snapshot = snapfile_snapshot();
    struct stat st;
    int fd = open(snapfile_path("a"), O_CREAT | O_WRONLY, 0644);

    CHECK(fd >= 0 && write(fd, "old", 3) == 3 && !close(fd));
    save(snapshot, snapfile_path("a"));
    hl_snapshot_release(snapshot);
    hl_snapshot_release(load(snapfile_path("a")));
    CHECK_INT(stat(snapfile_path("a"), &st), 0);
    CHECK_INT(st.st_mode & 07777, 0600);
    CHECK_INT(snapfile_entries(), 1);
}

/* SIGXFSZ would end the process; none may stay pending either. */
TEST(snapfile_beyond_the_limit_of_files)
{
    const struct rlimit limit = {16384, RLIM_INFINITY};
    hl_snapshot *snapshot = snapfile_snapshot(), *loaded;
    sigset_t pending;
    hl_error err;

    save(snapshot, snapfile_path("old"));
    hl_snapshot_release(snapshot);
    CHECK_INT(setrlimit(RLIMIT_FSIZE, &limit), 0);
    CHECK_INT(hl_snapshot_load(&loaded, snapfile_path("old"), &err), HL_E_SYSTEM);
    CHECK_HAS(err.text, "ftruncate of a memfd: File too large");
    CHECK_INT(sigpending(&pending), 0);
    CHECK(!sigismember(&pending, SIGXFSZ));
}

TEST(snapfile_beyond_the_limit_of_files_while_saving)
{
    const struct rlimit limit = {16384, RLIM_INFINITY};
    hl_snapshot *snapshot = snapfile_snapshot();
    sigset_t set;
    hl_error err;
    int round;

    CHECK_INT(setrlimit(RLIMIT_FSIZE, &limit), 0);
    for (round = 0; round < 2; round++) {
        CHECK_INT(hl_snapshot_save(snapshot, snapfile_path("a"), &err), HL_E_SYSTEM);
        CHECK_HAS(err.text, "/a: writing: File too large");
        CHECK_INT(snapfile_entries(), 0);
        CHECK_INT(sigpending(&set), 0);
        CHECK(!sigismember(&set, SIGXFSZ));
        CHECK_INT(pthread_sigmask(SIG_BLOCK, NULL, &set), 0);
        CHECK_INT(sigismember(&set, SIGXFSZ), round);
        /* Once more with the signal blocked by the application. */
        sigemptyset(&set);
        sigaddset(&set, SIGXFSZ);
        CHECK_INT(pthread_sigmask(SIG_BLOCK, &set, NULL), 0);
    }
    hl_snapshot_release(snapshot);
}

TEST(snapfile_on_a_full_disk)
{
    hl_snapshot *snapshot = snapfile_snapshot();
    hl_error err;

    if (unshare(CLONE_NEWNS) || mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL) ||
        mount("none", snapfile_folder(), "tmpfs", 0, "size=16k"))
        test_skip("no file system of our own: %s", strerror(errno));
    CHECK_INT(hl_snapshot_save(snapshot, snapfile_path("a"), &err), HL_E_SYSTEM);
    CHECK_HAS(err.text, "/a: writing: No space left on device");
    CHECK_INT(snapfile_entries(), 0);
    CHECK_INT(umount(snapfile_folder()), 0);
    hl_snapshot_release(snapshot);
}

/* ---- When it is cut off ------------------------------------------------------------------- */

/* From here on this system call with this first argument (-1: any) ends so. */
static void on_call(uint32_t call, int64_t argument, uint32_t action)
{
    struct sock_filter code[] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, call, 0, argument < 0 ? 1 : 3),
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, args)),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, (uint32_t)argument, 0, 1),
        BPF_STMT(BPF_RET | BPF_K, action),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
    };
    struct sock_fprog program = {sizeof code / sizeof code[0], code};

    if (argument < 0) { /* leave out the look at the argument */
        code[1] = (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, call, 0, 1);
        code[2] = code[4];
        code[3] = code[5];
        program.len = 4;
    }
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) ||
        prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program))
        test_skip("seccomp: %s", strerror(errno));
}

/* Saves in a process of its own, which dies at this call unless that is 0.
 * Frozen pages are not inherited, so the snapshot is made there. */
static void save_and_die(uint32_t call)
{
    const char *path = snapfile_path("a");
    pid_t pid = fork();
    int status;

    if (!pid) {
        hl_snapshot *snapshot = snapfile_snapshot();

        if (call)
            on_call(call, -1, SECCOMP_RET_KILL_PROCESS);
        save(snapshot, path);
        _exit(0);
    }
    CHECK(pid > 0 && waitpid(pid, &status, 0) == pid);
    if (call)
        CHECK(WIFSIGNALED(status) && WTERMSIG(status) == SIGSYS);
    else
        CHECK_INT(status, 0);
}

/* Killed as early and as late as can be, a writer leaves what was there. Only in
 * the moment in which an older file is replaced there is one more. */
TEST(snapfile_writer_killed_on_the_way)
{
    static const uint32_t calls[] = {SYS_pwrite64, SYS_fsync, SYS_linkat, SYS_renameat};
    struct stat st;
    uint32_t i;

    for (i = 0; i < 3; i++) {
        save_and_die(calls[i]);
        CHECK(stat(snapfile_path("a"), &st) && errno == ENOENT);
        CHECK_INT(snapfile_entries(), 0);
    }
    save_and_die(0);
    for (i = 0; i < 4; i++) {
        save_and_die(calls[i]);
        hl_snapshot_release(load(snapfile_path("a")));
        CHECK_INT(snapfile_entries(), i < 3 ? 1 : 2);
    }
}

/* Whatever the moment: who looks at the name sees a whole file or none. */
TEST(snapfile_writer_killed_at_any_time)
{
    const char *path = snapfile_path("a");
    uint32_t round, seen = 0;
    struct stat st;
    int status;
    pid_t pid;

    for (round = 0; round < (test_full() ? 1000 : 60); round++) {
        pid = fork();
        if (!pid) {
            hl_snapshot *snapshot = snapfile_snapshot();

            for (;;)
                save(snapshot, path);
        }
        CHECK(pid > 0);
        usleep(round * 7919 % (4000u << round % 6));
        CHECK_INT(kill(pid, SIGKILL), 0);
        CHECK_INT(waitpid(pid, &status, 0), pid);
        CHECK(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
        if (stat(path, &st))
            continue;
        hl_snapshot_release(load(path));
        seen++;
        if (round % 2)
            CHECK_INT(unlink(path), 0);
    }
    CHECK(seen);
}

TEST(snapfile_that_cannot_be_synced)
{
    hl_snapshot *snapshot = snapfile_snapshot();
    hl_error err;

    on_call(SYS_fsync, -1, SECCOMP_RET_ERRNO | EIO);
    CHECK_INT(hl_snapshot_save(snapshot, snapfile_path("a"), &err), HL_E_SYSTEM);
    CHECK_HAS(err.text, "/a: syncing: Input/output error");
    CHECK_INT(snapfile_entries(), 0);
    hl_snapshot_release(snapshot);
}

/* Neither a new file nor a torn old one. */
TEST(snapfile_that_cannot_be_written)
{
    static const char old[] = "an older one";
    hl_snapshot *snapshot = snapfile_snapshot();
    int fd = open(snapfile_path("a"), O_CREAT | O_RDWR, 0600);
    char found[sizeof old];
    hl_error err;

    CHECK_INT(write(fd, old, sizeof old), sizeof old);
    on_call(SYS_pwrite64, -1, SECCOMP_RET_ERRNO | EIO);
    CHECK_INT(hl_snapshot_save(snapshot, snapfile_path("a"), &err), HL_E_SYSTEM);
    CHECK_HAS(err.text, "/a: writing: Input/output error");
    CHECK_INT(hl_snapshot_save(snapshot, snapfile_path("b"), &err), HL_E_SYSTEM);
    CHECK_HAS(err.text, "/b: writing: Input/output error");
    CHECK_INT(snapfile_entries(), 1);
    close(fd);
    fd = open(snapfile_path("a"), O_RDONLY);
    CHECK_INT(read(fd, found, sizeof found), sizeof found);
    CHECK_STR(found, old);
    close(fd);
    hl_snapshot_release(snapshot);
}

/* The one failure that leaves the new file, because the old one is gone. */
TEST(snapfile_whose_folder_cannot_be_synced)
{
    hl_snapshot *snapshot = snapfile_snapshot();
    hl_error err;
    int next = dup(0); /* the number that the folder will get */

    CHECK(next >= 0 && !close(next));
    on_call(SYS_fsync, next, SECCOMP_RET_ERRNO | EIO);
    CHECK_INT(hl_snapshot_save(snapshot, snapfile_path("a"), &err), HL_E_SYSTEM);
    CHECK_HAS(err.text, "/a: the file is complete; syncing its folder: Input/output error");
    CHECK_INT(snapfile_entries(), 1);
    hl_snapshot_release(load(snapfile_path("a")));
    hl_snapshot_release(snapshot);
}

/* ---- Threads --------------------------------------------------------------------------------- */

static void *save_often(void *snapshot)
{
    char path[400];
    int i;

    strcpy(path, snapfile_folder());
    strcat(path, "/shared");
    for (i = 0; i < 20; i++) {
        save(snapshot, path);
        hl_snapshot_release(load(path));
    }
    return NULL;
}

TEST(snapfile_saved_by_many_threads)
{
    hl_snapshot *snapshot = snapfile_snapshot();
    pthread_t threads[4];
    int i;

    snapfile_folder();
    for (i = 0; i < 4; i++)
        CHECK_INT(pthread_create(&threads[i], NULL, save_often, snapshot), 0);
    for (i = 0; i < 4; i++)
        pthread_join(threads[i], NULL);
    CHECK_INT(snapfile_entries(), 1);
    hl_snapshot_release(snapshot);
}
