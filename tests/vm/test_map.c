/* SPDX-License-Identifier: Apache-2.0 */
/* Files and buffers in guests. */
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include "map.h"

/* ---- Reading and writing ------------------------- */

TEST(map_file_is_read_in_place)
{
    static const uint64_t sizes[] = {1,       4096,          3 * 4096 + 100,
                                     2 << 20, (2 << 20) + 1, (7 << 20) + 9};
    hl_sandbox *box = map_box(NULL);
    hl_snapshot *snapshot = map_take(box);
    struct map_file file;
    uint64_t at, pages;
    size_t i;

    for (i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        map_file_make(&file, sizes[i]);
        pages = (sizes[i] + PAGE - 1) / PAGE;
        at = map_in(box, map_file(&file, false));
        CHECK_INT(map_area(box, at).size, pages * PAGE);
        CHECK_INT(map_area(box, at).access, HL_READ);
        CHECK_STR(map_area(box, at).name, "file");
        CHECK_INT(map_sum(box, at, pages * PAGE), map_sum_of(file.bytes, pages * PAGE));
        map_peek_faults(box, at + pages * PAGE);
        map_restore(box, snapshot);
        CHECK_INT(map_area(box, at).size, 0);
        map_peek_faults(box, at);
        map_restore(box, snapshot);
        map_file_drop(&file);
    }
    hl_snapshot_release(snapshot);
    hl_sandbox_destroy(box);
}

TEST(map_part_of_a_file)
{
    hl_sandbox *box = map_box(NULL);
    struct map_file file;
    hl_mapping part;
    uint64_t at;

    map_file_make(&file, 10 * PAGE + 8);
    part = map_file(&file, true);
    part.offset = 3 * PAGE;
    part.size = 2 * PAGE;
    at = map_in(box, part);
    CHECK_INT(map_sum(box, at, 2 * PAGE), map_sum_of(file.bytes + 3 * PAGE, 2 * PAGE));
    part.offset = 10 * PAGE;
    part.size = 0;
    at = map_in(box, part);
    CHECK_INT(map_sum(box, at, PAGE), map_sum_of(file.bytes + 10 * PAGE, PAGE));
    map_peek_faults(box, at + PAGE);
    hl_sandbox_destroy(box);
    map_file_drop(&file);
}

TEST(map_file_read_only)
{
    hl_sandbox *box = map_box(NULL);
    struct map_file file;
    uint64_t at;

    map_file_make(&file, PAGE);
    at = map_in(box, map_file(&file, false));
    vm_expect(HL_E_FAULT, "not allowed there", box, "Poke", ARGS(hl_u64(at), hl_u64(1)), NULL);
    CHECK(map_file_is(&file, file.bytes));
    hl_sandbox_destroy(box);
    map_file_drop(&file);
}

TEST(map_is_not_executable)
{
    hl_sandbox *box = map_box(NULL);
    struct map_file file;
    uint64_t at;

    map_file_make(&file, PAGE);
    at = map_in(box, map_file(&file, true));
    vm_expect(HL_E_FAULT, "executing", box, "Execute", ARGS(hl_u64(at)), NULL);
    hl_sandbox_destroy(box);
    map_file_drop(&file);
}

TEST(map_copy_on_write)
{
    hl_sandbox *box = map_box(NULL);
    hl_snapshot *snapshot;
    struct map_file file;
    uint64_t at;

    map_file_make(&file, 5 * MIB);
    at = map_in(box, map_file(&file, true));
    snapshot = map_take(box);
    map_poke(box, at + 16, 4711);
    map_poke(box, at + 4 * MIB, 4712);
    CHECK_INT(map_peek(box, at + 16), 4711);
    CHECK_INT(map_peek(box, at + 4 * MIB), 4712);
    CHECK(map_file_is(&file, file.bytes));
    map_restore(box, snapshot);
    CHECK_INT(map_sum(box, at, 5 * MIB), map_sum_of(file.bytes, 5 * MIB));
    hl_snapshot_release(snapshot);
    hl_sandbox_destroy(box);
    map_file_drop(&file);
}

/* It goes on as if nothing had happened: memory, registers that a park keeps, who
 * it is. */
TEST(map_leaves_the_guest_as_it_was)
{
    const uint64_t control = 0x27full << 32 | 0x3f80; /* another rounding, some flags masked */
    hl_sandbox *box = map_box(NULL);
    uint64_t cookie = vm_call(box, "Cookie", NONE).as.u64, generation, at, written;
    struct map_file file;
    int i;

    map_file_make(&file, 3 * PAGE);
    generation = vm_call(box, "Generation", NONE).as.u64;
    vm_call(box, "SetControl", ARGS(hl_u32((uint32_t)control), hl_u32((uint32_t)(control >> 32))));
    written = vm_call(box, "Fill", ARGS(hl_u32(0), hl_u32(20), hl_u64(7))).as.u64;
    for (i = 0; i < 3; i++) {
        at = map_in(box, map_file(&file, true));
        if (i)
            CHECK_INT(map_peek(box, at), *(uint64_t *)(void *)file.bytes);
        if (i == 2)
            map_out(box, at);
        CHECK_INT(vm_call(box, "Cookie", NONE).as.u64, cookie);
        CHECK_INT(vm_call(box, "Generation", NONE).as.u64, generation);
        CHECK_INT(vm_call(box, "Control", NONE).as.u64, control);
        CHECK_INT(vm_call(box, "SumPages", ARGS(hl_u32(0), hl_u32(20))).as.u64, 140);
        CHECK_INT(vm_call(box, "Fill", ARGS(hl_u32(0), hl_u32(1), hl_u64(7))).as.u64, ++written);
    }
    hl_sandbox_destroy(box);
    map_file_drop(&file);
}

/* ---- Buffers ------------------------- */

TEST(map_buffer)
{
    uint8_t *data = aligned_alloc(PAGE, 3 * PAGE);
    hl_sandbox *box = map_box(NULL);
    hl_snapshot *clean = map_take(box), *none;
    uint64_t at, i;
    hl_error err;

    for (i = 0; i < 3 * PAGE; i++)
        data[i] = (uint8_t)map_random();
    at = map_in(box, map_buffer(data, 3 * PAGE));
    CHECK_STR(map_area(box, at).name, "buffer");
    CHECK_INT(map_sum(box, at, 3 * PAGE), map_sum_of(data, 3 * PAGE));
    CHECK_INT(hl_snapshot_take(&none, box, &err), HL_E_STATE);
    CHECK_HAS(err.text, "a buffer is mapped at 0x");
    CHECK(!none);
    vm_expect(HL_E_FAULT, "not allowed there", box, "Poke", ARGS(hl_u64(at), hl_u64(1)), &err);
    CHECK_INT(hl_sandbox_state(box), HL_POISONED);
    map_out(box, at); /* so that it can be freed */
    memset(data, 0xee, 3 * PAGE);
    map_restore(box, clean);
    map_peek_faults(box, at);
    map_restore(box, clean);
    at = map_in(box, map_buffer(data, PAGE));
    CHECK_INT(map_peek(box, at), 0xeeeeeeeeeeeeeeee);
    map_restore(box, clean); /* unmaps it, too */
    free(data);
    map_peek_faults(box, at);
    hl_snapshot_release(clean);
    hl_sandbox_destroy(box);
}

/* The VM goes to the cache, the buffer must not. */
TEST(map_buffer_ends_with_its_sandbox)
{
    uint8_t *data = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    hl_sandbox *box = map_box(NULL);
    hl_snapshot *clean = map_take(box);
    hl_cache_stats stats;
    uint64_t at;

    memset(data, 0xee, PAGE);
    at = map_in(box, map_buffer(data, PAGE));
    CHECK_INT(map_peek(box, at), 0xeeeeeeeeeeeeeeee);
    hl_sandbox_destroy(box);
    munmap(data, PAGE);
    box = map_clone(clean);
    hl_cache_get_stats(&stats);
    CHECK_INT(stats.hits, 1);
    map_peek_faults(box, at);
    hl_sandbox_destroy(box);
    hl_snapshot_release(clean);
}

/* A process whose written pages nobody names, for want of a /proc of its own, has
 * all of them read. */
static uint64_t large(void)
{
    char self[16] = "";
    const bool named = readlink("/proc/self", self, sizeof self - 1) > 0 && atoi(self) == getpid();

    return named || vm_hypervisor() != HL_HYPERVISOR_PROCESS ? 3ull << 30 : 3 * MIB;
}

TEST(map_many_at_once)
{
    const hl_config config = {.struct_size = sizeof config, .map_size = 64ull << 30};
    hl_sandbox *box = map_box(&config);
    const uint64_t size = large();
    uint64_t at[16], last = 0, extra;
    struct map_file file;
    hl_mapping mapping;
    hl_error err;
    int i;

    map_file_make(&file, 5 * PAGE);
    CHECK_INT(truncate(file.path, (off_t)size), 0); /* mostly a hole */
    for (i = 0; i < 16; i++) {
        at[i] = map_in(box, map_file(&file, true));
        CHECK(at[i] >= last);
        last = at[i] + size + PAGE;
        map_poke(box, at[i] + size - 8, (uint64_t)i);
    }
    mapping = map_file(&file, true);
    CHECK_INT(hl_sandbox_map(&extra, box, &mapping, &err), HL_E_INVALID);
    CHECK_HAS(err.text, "16 files and buffers are mapped, the most there can be");
    for (i = 0; i < 16; i++) {
        CHECK_INT(map_peek(box, at[i] + size - 8), i);
        CHECK_INT(map_peek(box, at[i]), *(uint64_t *)(void *)file.bytes);
    }
    map_out(box, at[7]);
    CHECK_INT(map_in(box, map_file(&file, true)), at[7]);
    CHECK_INT(map_peek(box, at[7] + size - 8), 0);
    hl_sandbox_destroy(box);
    map_file_drop(&file);
}

/* ---- What goes wrong ------------------------- */

/* Guests in processes have a copy, of what was there when it was mapped. */
static void check_copy(hl_sandbox *box, uint64_t at, const hl_snapshot *mapped,
                       const struct map_file *file)
{
    uint64_t *const words = (uint64_t *)(void *)file->bytes;

    words[40 * PAGE / 8] = words[41 * PAGE / 8] = 1;
    CHECK_INT(map_sum(box, at, file->size), map_sum_of(file->bytes, file->size));
    hl_snapshot_release(map_take(box));
    map_restore(box, mapped);
    CHECK(map_peek(box, at + 41 * PAGE) != 1);
    words[41 * PAGE / 8] = map_peek(box, at + 41 * PAGE);
    CHECK_INT(map_sum(box, at, file->size), map_sum_of(file->bytes, file->size));
}

/* It must not raise SIGBUS in this process. */
TEST(map_file_cut_short)
{
    const bool copied = vm_hypervisor() == HL_HYPERVISOR_PROCESS;
    hl_sandbox *box = map_box(NULL);
    hl_snapshot *clean = map_take(box), *mapped, *none;
    char path[] = "/tmp/hl-map-saved-XXXXXX";
    struct map_file file;
    uint64_t at;
    hl_error err;

    close(mkstemp(path));
    map_file_make(&file, 64 * PAGE);
    at = map_in(box, map_file(&file, true));
    map_poke(box, at + 40 * PAGE, 1);
    mapped = map_take(box);
    map_poke(box, at + 41 * PAGE, 1);
    CHECK_INT(truncate(file.path, 8 * PAGE), 0);
    CHECK_INT(map_peek(box, at), *(uint64_t *)(void *)file.bytes);
    if (copied) {
        check_copy(box, at, mapped, &file);
        CHECK_INT(hl_snapshot_save(mapped, path, &err), HL_OK);
    } else {
        CHECK_INT(hl_snapshot_take(&none, box, &err), HL_E_SYSTEM); /* what it wrote is gone */
        CHECK_HAS(err.text, "memory of a mapped file");
        CHECK_INT(hl_sandbox_state(box), HL_READY);
        vm_expect(HL_E_SYSTEM, "was a mapped file cut short", box, "Peek",
                  ARGS(hl_u64(at + 20 * PAGE)), NULL);
        CHECK_INT(hl_sandbox_state(box), HL_POISONED);
        CHECK_INT(hl_snapshot_save(mapped, path, &err), HL_E_SYSTEM);
        CHECK_HAS(err.text, "is shorter than when it was mapped");
        CHECK_INT(hl_sandbox_restore(box, mapped, &err), HL_E_SYSTEM);
        CHECK_INT(hl_sandbox_state(box), HL_DEAD);
    }
    hl_sandbox_destroy(box);
    box = map_clone(clean);
    map_peek_faults(box, at);
    hl_sandbox_destroy(box);
    hl_snapshot_release(clean);
    hl_snapshot_release(mapped);
    unlink(path);
    map_file_drop(&file);
}

static void refuse(hl_sandbox *box, hl_mapping mapping, hl_status status, const char *text)
{
    uint64_t address = 1;
    hl_error err;

    if (hl_sandbox_map(&address, box, &mapping, &err) != status || !strstr(err.text, text))
        FAIL("%d, \"%s\"; wanted %d, \"...%s...\"", err.status, err.text, status, text);
    CHECK_INT(address, 0);
    CHECK_INT(hl_sandbox_state(box), HL_READY);
}

TEST(map_errors)
{
    const hl_config small = {.struct_size = sizeof small, .map_size = 5 << 20};
    static _Alignas(4096) uint8_t data[2 * 4096];
    hl_sandbox *box = map_box(&small);
    hl_mapping mapping;
    struct map_file file;
    uint64_t address;
    hl_error err;

    map_file_make(&file, 2 * PAGE + 1);
    refuse(box, (hl_mapping){.path = "x"}, HL_E_INVALID, "write: mapping.struct_size = sizeof");
    refuse(box, (hl_mapping){.struct_size = sizeof mapping}, HL_E_INVALID, "none of path and data");
    mapping = map_file(&file, false);
    mapping.data = data;
    refuse(box, mapping, HL_E_INVALID, "both of path and data");
    mapping = map_file(&file, false);
    mapping.writable = 2;
    refuse(box, mapping, HL_E_INVALID, "hl_mapping.writable is 2, wanted 0 or 1");
    mapping = map_file(&file, false);
    mapping.offset = 5;
    refuse(box, mapping, HL_E_INVALID, "hl_mapping.offset is 5, wanted a multiple of 4096");
    mapping.offset = 3 * PAGE;
    refuse(box, mapping, HL_E_INVALID, "hl_mapping.offset is 12288, the file has 8193 bytes");
    mapping.offset = PAGE;
    mapping.size = 3 * PAGE;
    refuse(box, mapping, HL_E_INVALID, "size is 12288, the file has 4097 bytes from 4096 on");
    mapping.size = ~0ull << 12;
    refuse(box, mapping, HL_E_INVALID, "hl_mapping.size is 18446744073709547520");
    mapping.size = 4097;
    refuse(box, mapping, HL_E_INVALID, "hl_mapping.size is 4097, wanted a multiple of 4096");
    refuse(box, map_buffer(data + 16, PAGE), HL_E_INVALID, "would be the guest's to read");
    refuse(box, map_buffer(data, 0), HL_E_INVALID,
           "hl_mapping.size is 0, wanted the bytes of data");
    mapping = map_buffer(data, PAGE);
    mapping.writable = 1;
    refuse(box, mapping, HL_E_INVALID, "only files can be mapped copy-on-write");
    mapping = map_buffer(data, PAGE);
    mapping.offset = PAGE;
    refuse(box, mapping, HL_E_INVALID, "hl_mapping.offset is 4096, wanted 0 with data");
    mapping = map_file(&file, false);
    mapping.path = "/nonexistent/file";
    refuse(box, mapping, HL_E_SYSTEM, "/nonexistent/file: No such file");
    mapping.path = "/dev/zero";
    refuse(box, mapping, HL_E_IMAGE, "/dev/zero: not a regular file");
    CHECK_INT(truncate(file.path, 6 * (off_t)MIB + 1), 0);
    refuse(box, map_file(&file, false), HL_E_INVALID,
           "no room for 6295552 bytes in hl_config.map_size, 6291456");
    CHECK_INT(truncate(file.path, 0), 0);
    refuse(box, map_file(&file, false), HL_E_INVALID, "the file has 0 bytes");
    address = map_in(box, map_buffer(data, PAGE));
    map_in(box, map_buffer(data, PAGE));
    map_in(box, map_buffer(data, PAGE));
    refuse(box, map_buffer(data, PAGE), HL_E_INVALID, "no room for 4096 bytes");
    CHECK_INT(hl_sandbox_unmap(box, address + PAGE, &err), HL_E_INVALID);
    CHECK_HAS(err.text, "hl_sandbox_unmap: nothing is mapped at 0x");
    map_out(box, address);
    CHECK_INT(hl_sandbox_unmap(box, address, &err), HL_E_INVALID);
    CHECK_INT(hl_sandbox_unmap(NULL, address, &err), HL_E_INVALID);
    CHECK_INT(hl_sandbox_map(NULL, box, &mapping, &err), HL_E_INVALID);
    CHECK_INT(hl_sandbox_map(&address, NULL, &mapping, &err), HL_E_INVALID);
    CHECK_INT(hl_sandbox_map(&address, box, NULL, &err), HL_E_INVALID);
    hl_sandbox_destroy(box);
    map_file_drop(&file);
}

static hl_status map_inside(hl_call *call, const hl_value args[], hl_value *ret)
{
    static _Alignas(4096) uint8_t data[4096];
    const hl_mapping mapping = map_buffer(data, PAGE);
    uint64_t address;
    hl_error err;

    (void)args;
    CHECK_INT(hl_sandbox_map(&address, hl_call_sandbox(call), &mapping, &err), HL_E_STATE);
    CHECK_INT(hl_sandbox_unmap(hl_call_sandbox(call), 0, &err), HL_E_STATE);
    CHECK_HAS(err.text, "RUNNING");
    *ret = hl_i32(0);
    return HL_OK;
}

TEST(map_at_rest_only)
{
    const hl_host_function fns[] = {{"HostPrint", "i32(str)", map_inside, NULL}};
    hl_host *host = vm_host(fns, 1);
    hl_sandbox *box = vm_box("simple", host, NULL);

    vm_call(box, "Print", ARGS(hl_str("x")));
    hl_sandbox_destroy(box);
    hl_host_release(host);
}

TEST(map_leaves_nothing_behind)
{
    hl_sandbox *box = map_box(NULL);
    hl_snapshot *clean = map_take(box);
    struct map_file file;
    int before = dup(0), after, i;

    close(before);
    map_file_make(&file, 3 * PAGE);
    for (i = 0; i < 50; i++) {
        map_poke(box, map_in(box, map_file(&file, true)), 1);
        if (i % 5 == 0)
            hl_snapshot_release(map_take(box));
        map_restore(box, clean);
    }
    map_in(box, map_file(&file, true));
    hl_snapshot_release(map_take(box));
    hl_snapshot_release(clean);
    hl_sandbox_destroy(box);
    hl_cache_trim(0);
    after = dup(0);
    close(after);
    CHECK(after <= before);
    map_file_drop(&file);
}
