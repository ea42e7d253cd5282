/* SPDX-License-Identifier: Apache-2.0 */
/* Files and buffers in guests that run in processes: copies, in a child of their own. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "../../src/host/snapshot.h"
#include "process.h"
#include "vm/map.h"

enum { HEAP_PAGES = 2048 };

static hl_sandbox *make(void)
{
    hl_config config = {.struct_size = sizeof config, .heap_size = HEAP_PAGES * HL_PAGE};

    return process_box("memory", &config);
}

/* ---- What a child has --------------------------------------------------------------- */

struct maps { /* addresses and permissions, as /proc has them */
    char lines[64][64];
    int count;
};

static struct maps maps_of(pid_t pid)
{
    struct maps maps = {.count = 0};
    char path[64], line[512];
    FILE *file;

    snprintf(path, sizeof path, "/proc/%d/maps", pid);
    file = fopen(path, "r");
    CHECK(file);
    while (fgets(line, sizeof line, file) && maps.count < 64) {
        line[strcspn(line, " ") + 5] = 0;
        snprintf(maps.lines[maps.count++], sizeof maps.lines[0], "%.63s", line);
    }
    fclose(file);
    CHECK(maps.count > 0 && maps.count < 64);
    return maps;
}

/* Those of `more` are those of `less`, and besides exactly the extra ones. */
static void check_maps(const struct maps *more, const struct maps *less, const char *const extra[],
                       int count)
{
    int i, k = 0, n = 0;

    CHECK_INT(more->count, less->count + count);
    for (i = 0; i < more->count; i++) {
        if (k < less->count && !strcmp(more->lines[i], less->lines[k]))
            k++;
        else if (n < count && !strcmp(more->lines[i], extra[n]))
            n++;
        else
            FAIL("%s is mapped", more->lines[i]);
    }
}

static int descriptors_of(pid_t pid)
{
    char path[64];
    DIR *folder;
    int count = 0;

    snprintf(path, sizeof path, "/proc/%d/fd", pid);
    folder = opendir(path);
    CHECK(folder);
    while (readdir(folder))
        count++;
    closedir(folder);
    return count - 2; /* . and .. */
}

/* A mapping is all that a child has more, never to be executed, and no descriptor
 * comes with it. */
TEST(copies_are_all_that_is_added)
{
    static _Alignas(4096) uint8_t data[2 * HL_PAGE] = {1};
    hl_sandbox *box = make();
    struct maps before, during, after;
    char file_line[64], data_line[64];
    const char *const extra[] = {file_line, data_line};
    struct map_file file;
    uint64_t first, second;

    map_file_make(&file, 5 * PAGE + 7);
    map_poke(box, box->shape->layout.areas[AREA_HEAP].address, 1);
    before = maps_of(process_child(box));
    first = map_in(box, map_file(&file, true));
    second = map_in(box, map_buffer(data, sizeof data));
    CHECK_INT(map_peek(box, second), 1);
    snprintf(file_line, sizeof file_line, "%llx-%llx rw-p", (unsigned long long)first,
             (unsigned long long)(first + 6 * PAGE));
    snprintf(data_line, sizeof data_line, "%llx-%llx r--p", (unsigned long long)second,
             (unsigned long long)(second + sizeof data));
    during = maps_of(process_child(box));
    check_maps(&during, &before, extra, 2);
    CHECK_INT(descriptors_of(process_child(box)), 0);
    CHECK_INT(descriptors_of(process_template_of(box)), 0);
    map_out(box, first);
    map_out(box, second);
    CHECK_INT(map_peek(box, box->shape->layout.areas[AREA_HEAP].address), 1);
    after = maps_of(process_child(box));
    check_maps(&after, &before, NULL, 0);
    hl_sandbox_destroy(box);
    map_file_drop(&file);
}

/* What the application changes afterwards is not seen, and a buffer may be freed. */
TEST(copies_are_of_their_moment)
{
    uint8_t *data = aligned_alloc(PAGE, PAGE);
    hl_sandbox *box = make();
    struct map_file file;
    uint64_t at, buffer;
    int fd;

    memset(data, 0x11, PAGE);
    map_file_make(&file, 2 * PAGE);
    at = map_in(box, map_file(&file, true));
    buffer = map_in(box, map_buffer(data, PAGE));
    memset(data, 0x22, PAGE);
    free(data);
    fd = open(file.path, O_WRONLY | O_TRUNC);
    CHECK_INT(write(fd, "changed", 7), 7);
    close(fd);
    CHECK_INT(map_sum(box, at, 2 * PAGE), map_sum_of(file.bytes, 2 * PAGE));
    CHECK_INT(map_peek(box, buffer), 0x1111111111111111);
    hl_sandbox_destroy(box);
    map_file_drop(&file);
}

/* A hole of 8 GiB takes neither time nor memory. */
TEST(copies_keep_holes)
{
    const hl_config config = {.struct_size = sizeof config, .map_size = 16ull << 30};
    hl_sandbox *box = process_box("memory", &config);
    struct map_file file;
    uint64_t at, start, end;
    os_share share;

    map_file_make(&file, 3 * PAGE);
    CHECK_INT(truncate(file.path, (8ll << 30) + 5), 0);
    at = map_in(box, map_file(&file, false));
    share = box->vm->mapped[0].is->share;
    start = 0;
    CHECK(os_share_written(&share, &start, &end));
    CHECK(start == 0 && end == 3 * PAGE);
    CHECK(!os_share_written(&share, &end, &start));
    CHECK_INT(map_sum(box, at, 3 * PAGE), map_sum_of(file.bytes, 3 * PAGE));
    CHECK_INT(map_peek(box, at + (8ull << 30)), 0);
    map_peek_faults(box, at + (8ull << 30) + PAGE);
    hl_sandbox_destroy(box);
    map_file_drop(&file);
}

/* ---- Whose they are --------------------------------------------------------------------- */

/* Files of one size at one address: each sandbox has its own, and clones of one
 * snapshot have one template. */
TEST(copies_are_told_apart)
{
    hl_sandbox *one = make(), *two, *clone;
    hl_snapshot *snapshot = process_take(one);
    struct map_file files[2];
    uint64_t at;
    int i;

    two = map_clone(snapshot);
    hl_snapshot_release(snapshot);
    for (i = 0; i < 2; i++)
        map_file_make(&files[i], 3 * PAGE);
    for (i = 0; i < 10; i++) { /* descriptors come again */
        at = map_in(one, map_file(&files[0], true));
        CHECK_INT(map_in(two, map_file(&files[1], true)), at);
        if (i & 1) {
            map_out(one, at);
            map_in(one, map_file(&files[0], true));
        }
        CHECK_INT(map_sum(one, at, 3 * PAGE), map_sum_of(files[0].bytes, 3 * PAGE));
        CHECK_INT(map_sum(two, at, 3 * PAGE), map_sum_of(files[1].bytes, 3 * PAGE));
        CHECK(one->vm->machine->template != two->vm->machine->template);
        map_out(two, at);
        map_out(one, at);
    }
    CHECK(one->vm->machine->template == two->vm->machine->template);
    map_in(one, map_file(&files[0], true));
    snapshot = process_take(one);
    clone = map_clone(snapshot);
    CHECK(clone->vm->machine->template == one->vm->machine->template);
    map_poke(clone, at, 7);
    CHECK_INT(map_sum(one, at, 3 * PAGE), map_sum_of(files[0].bytes, 3 * PAGE));
    hl_snapshot_release(snapshot);
    hl_sandbox_destroy(clone);
    hl_sandbox_destroy(one);
    hl_sandbox_destroy(two);
    for (i = 0; i < 2; i++)
        map_file_drop(&files[i]);
}

/* ---- What a guest wrote ------------------------------------------------------------------ */

static uint64_t heap_at(const hl_sandbox *box, uint64_t page)
{
    return box->shape->layout.areas[AREA_HEAP].address + (HEAP_PAGES / 2 + page) * PAGE;
}

static void write_heap(hl_sandbox *box, uint32_t pages, uint64_t value)
{
    vm_call(box, "Fill", ARGS(hl_u32(0), hl_u32(pages), hl_u64(value)));
}

static void check_heap(hl_sandbox *box, uint32_t pages, uint64_t value)
{
    CHECK_INT(vm_call(box, "SumPages", ARGS(hl_u32(0), hl_u32(pages))).as.u64, pages * value);
}

/* Some pages of the mapping and of the heap, as many as `pages` each. */
static void restores_are_exact(uint32_t pages)
{
    hl_sandbox *box = make();
    hl_snapshot *plain = process_take(box), *mapped, *written;
    struct map_file file;
    uint64_t at, original, i;

    map_file_make(&file, 400 * PAGE);
    at = map_in(box, map_file(&file, true));
    mapped = process_take(box);
    for (i = 0; i < pages; i++)
        map_poke(box, at + i * PAGE, i);
    write_heap(box, pages, 3);
    written = process_take(box);
    original = map_sum_of(file.bytes, file.size);
    for (i = 0; i < pages; i++)
        *(uint64_t *)(void *)(file.bytes + i * PAGE) = i;
    for (i = 0; i < 4; i++) {
        map_poke(box, at + i * PAGE, 99);
        map_poke(box, at + 300 * PAGE, 99);
        process_restore(box, written);
        CHECK_INT(map_sum(box, at, file.size), map_sum_of(file.bytes, file.size));
        check_heap(box, pages, 3);
        map_poke(box, at, 98);
        process_restore(box, i & 1 ? written : mapped);
        CHECK_INT(map_sum(box, at, file.size),
                  i & 1 ? map_sum_of(file.bytes, file.size) : original);
        map_poke(box, at + 399 * PAGE, 97);
        if (i == 2) {
            process_restore(box, plain);
            map_peek_faults(box, at);
            process_restore(box, written);
        }
    }
    hl_snapshot_release(plain);
    hl_snapshot_release(mapped);
    hl_snapshot_release(written);
    hl_sandbox_destroy(box);
    map_file_drop(&file);
}

TEST(copies_are_restored_exactly)
{
    restores_are_exact(5);
    restores_are_exact(200); /* by a new child each time */
}

TEST(copies_are_restored_exactly_by_the_page_map)
{
    vm_refuse(SYS_ioctl, 1, 0xc0606610, ENOTTY);
    restores_are_exact(5);
}

/* All pages count as dirty then; what the file has is not taken for written. */
TEST(copies_are_restored_exactly_without_proc)
{
    const struct mapping_state *state;
    hl_snapshot *snapshot;
    struct map_file file;
    hl_sandbox *box;
    uint64_t at;

    vm_refuse(SYS_openat, 2, 0 /* O_RDONLY */, ENOENT);
    restores_are_exact(5);
    box = make();
    map_file_make(&file, 100 * PAGE);
    at = map_in(box, map_file(&file, true));
    map_poke(box, at + 7 * PAGE, 1);
    snapshot = process_take(box);
    state = &snapshot->content->mappings->at[0];
    CHECK(tree_find(state->tree, mapping_height(state->is), 7));
    CHECK(!tree_find(state->tree, mapping_height(state->is), 6));
    CHECK(!tree_find(state->tree, mapping_height(state->is), 99));
    hl_snapshot_release(snapshot);
    hl_sandbox_destroy(box);
    map_file_drop(&file);
}

/* A guest goes on with all that it has written, little or much; also one that has
 * yet to be entered. */
TEST(copies_leave_the_guest_its_memory)
{
    static const uint32_t counts[] = {0, 1, 40, 64, 65, 500, 900};
    hl_sandbox *box = make(), *clone;
    hl_snapshot *snapshot;
    struct map_file file;
    uint64_t at[2];
    size_t i;

    map_file_make(&file, 600 * PAGE);
    for (i = 0; i < sizeof counts / sizeof *counts; i++) {
        write_heap(box, counts[i], i + 1);
        at[0] = map_in(box, map_file(&file, true));
        check_heap(box, counts[i], i + 1);
        map_poke(box, at[0] + 599 * PAGE, i);
        at[1] = map_in(box, map_file(&file, false));
        snapshot = process_take(box);
        clone = map_clone(snapshot);
        map_out(clone, at[1]);
        map_in(clone, map_file(&file, false));
        hl_snapshot_release(snapshot);
        snapshot = process_take(clone); /* it never ran */
        hl_sandbox_destroy(clone);
        process_restore(box, snapshot);
        check_heap(box, counts[i], i + 1);
        CHECK_INT(map_peek(box, at[0] + 599 * PAGE), i);
        CHECK_INT(map_sum(box, at[1], file.size), map_sum_of(file.bytes, file.size));
        map_out(box, at[0]);
        map_out(box, at[1]);
        hl_snapshot_release(snapshot);
        CHECK_INT(map_peek(box, heap_at(box, 0)), counts[i] ? i + 1 : 0);
    }
    hl_sandbox_destroy(box);
    map_file_drop(&file);
}

/* No child and no buffer goes into the cache. */
TEST(copies_in_idle_vms)
{
    static _Alignas(4096) uint8_t data[HL_PAGE];
    hl_sandbox *box = make();
    const struct vm *vm = box->vm;
    hl_snapshot *snapshot;
    struct map_file file;
    pid_t child;

    map_file_make(&file, 200 * PAGE);
    map_poke(box, map_in(box, map_file(&file, true)), 1);
    snapshot = process_take(box);
    map_in(box, map_buffer(data, HL_PAGE));
    map_in(box, map_file(&file, false)); /* the content has what there was before */
    map_poke(box, heap_at(box, 0), 1);
    child = process_child(box);
    hl_sandbox_destroy(box);
    CHECK(process_is_gone(child));
    CHECK(vm->mapped[0].is && !vm->mapped[1].is && !vm->mapped[2].is);
    hl_snapshot_release(snapshot);
    map_file_drop(&file);
}

/* ---- What goes wrong ----------------------------------------------------------------------- */

/* Maps under a limit, takes it away, and looks whether a failure has changed
 * anything. */
static hl_status map_limited(hl_sandbox *box, const struct map_file *file, int resource,
                             rlim_t most, const char *text)
{
    const hl_mapping mapping = map_file(file, true);
    struct rlimit before, limit;
    hl_status status;
    uint64_t at;
    hl_error err;

    write_heap(box, 30, 5);
    CHECK(!getrlimit(resource, &before));
    limit = before;
    limit.rlim_cur = most;
    CHECK(!setrlimit(resource, &limit));
    status = hl_sandbox_map(&at, box, &mapping, &err);
    CHECK(!setrlimit(resource, &before));
    if (status)
        CHECK_HAS(err.text, text);
    CHECK_INT(hl_sandbox_state(box), HL_READY);
    check_heap(box, 30, 5);
    if (status)
        at = map_in(box, mapping);
    CHECK_INT(map_sum(box, at, file->size), map_sum_of(file->bytes, file->size));
    map_out(box, at);
    check_heap(box, 30, 5);
    return status;
}

TEST(copies_for_want_of_descriptors)
{
    hl_sandbox *box = make();
    const int next = dup(0);
    struct map_file file;
    int spare = 0;

    close(next);
    map_file_make(&file, 3 * PAGE);
    while (map_limited(box, &file, RLIMIT_NOFILE, (rlim_t)(next + spare), "Too many open files"))
        spare++;
    CHECK(spare >= 5);
    hl_sandbox_destroy(box);
    map_file_drop(&file);
}

TEST(copies_for_want_of_processes)
{
    struct map_file file;
    hl_sandbox *box;

    if (setresgid(65534, 65534, 65534) || setresuid(65534, 65534, 65534))
        test_skip("giving up root: %s", strerror(errno));
    box = make();
    map_file_make(&file, 3 * PAGE);
    CHECK_INT(map_limited(box, &file, RLIMIT_NPROC, 0, "is the number of processes limited"),
              HL_E_MEMORY);
    hl_sandbox_destroy(box);
    map_file_drop(&file);
}

/* A large file where memory files may only be small. */
TEST(copies_for_want_of_file_size)
{
    struct rlimit limit = {1 << 20, RLIM_INFINITY};
    hl_sandbox *box = make();
    hl_mapping mapping;
    struct map_file file;
    uint64_t address;
    hl_error err;

    map_file_make(&file, 2 * MIB);
    mapping = map_file(&file, false);
    CHECK(!setrlimit(RLIMIT_FSIZE, &limit));
    CHECK_INT(hl_sandbox_map(&address, box, &mapping, &err), HL_E_SYSTEM);
    CHECK_HAS(err.text, "File too large");
    limit.rlim_cur = RLIM_INFINITY;
    CHECK(!setrlimit(RLIMIT_FSIZE, &limit));
    CHECK_INT(map_sum(box, map_in(box, mapping), file.size), map_sum_of(file.bytes, file.size));
    hl_sandbox_destroy(box);
    map_file_drop(&file);
}

/* A child that was killed has no memory left to go on with: the sandbox is as it
 * was, and a restore heals it. */
static void dies(pid_t (*whom)(const hl_sandbox *box))
{
    hl_sandbox *box = make();
    hl_snapshot *mapped, *none;
    hl_mapping mapping;
    struct map_file file;
    uint64_t at, other;
    hl_error err;

    map_file_make(&file, 3 * PAGE);
    mapping = map_file(&file, true);
    at = map_in(box, mapping);
    map_poke(box, at, 1);
    mapped = process_take(box);
    CHECK_INT(kill(whom(box), SIGKILL), 0);
    usleep(100000);
    CHECK_INT(hl_sandbox_map(&other, box, &mapping, &err), HL_E_SYSTEM);
    CHECK_INT(hl_sandbox_unmap(box, at, &err), HL_E_SYSTEM);
    CHECK_INT(hl_snapshot_take(&none, box, &err), HL_E_SYSTEM);
    CHECK_INT(hl_sandbox_state(box), HL_READY);
    vm_expect(HL_E_SYSTEM, NULL, box, "Peek", ARGS(hl_u64(at)), NULL);
    CHECK_INT(hl_sandbox_state(box), HL_POISONED);
    process_restore(box, mapped);
    CHECK_INT(map_peek(box, at), 1);
    other = map_in(box, mapping); /* without a child: none to be missed */
    map_out(box, at);
    CHECK_INT(map_sum(box, other, file.size), map_sum_of(file.bytes, file.size));
    hl_snapshot_release(mapped);
    hl_sandbox_destroy(box);
    map_file_drop(&file);
}

TEST(copies_of_a_child_that_died)
{
    dies(process_child);
}

TEST(copies_of_a_tracer_that_died)
{
    dies(process_tracer);
}

/* After a bad end nothing of the guest is kept, and nothing is asked of it. */
TEST(copies_are_taken_from_the_dead)
{
    hl_sandbox *box = make();
    hl_snapshot *clean = process_take(box), *mapped;
    struct map_file file;
    uint64_t at;

    map_file_make(&file, 3 * PAGE);
    at = map_in(box, map_file(&file, true));
    mapped = process_take(box);
    map_peek_faults(box, 16);
    CHECK_INT(kill(process_child(box), SIGKILL), 0);
    map_out(box, at);
    CHECK_INT(hl_sandbox_state(box), HL_POISONED);
    process_restore(box, clean);
    map_peek_faults(box, at);
    process_restore(box, mapped);
    map_peek_faults(box, at + 3 * PAGE);
    map_out(box, at);
    process_restore(box, mapped); /* the VM had this very content before */
    CHECK_INT(map_sum(box, at, file.size), map_sum_of(file.bytes, file.size));
    hl_snapshot_release(clean);
    hl_snapshot_release(mapped);
    hl_sandbox_destroy(box);
    map_file_drop(&file);
}
