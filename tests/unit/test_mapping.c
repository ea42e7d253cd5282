/* SPDX-License-Identifier: Apache-2.0 */
/* Mappings over the fake: what fails half-way, and snapshot files that lie about them. */
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "../../src/host/arch/x86_64/system.h"
#include "snapfile_fixture.h"

#define STEP (2ull << 20)

/* A file of three pages of ones. */
static const char *make_file(void)
{
    static char path[256];
    uint8_t page[HL_PAGE];
    FILE *file;
    int i;

    snprintf(path, sizeof path, "%s", snapfile_path("mapped"));
    memset(page, 1, sizeof page);
    file = fopen(path, "wb");
    CHECK(file);
    for (i = 0; i < 3; i++)
        CHECK(fwrite(page, 1, sizeof page, file) == sizeof page);
    fclose(file);
    return path;
}

static uint64_t map(hl_sandbox *box, const char *path, bool writable)
{
    const hl_mapping mapping = {.struct_size = sizeof mapping, .path = path, .writable = writable};
    uint64_t address;
    hl_error err;

    if (hl_sandbox_map(&address, box, &mapping, &err))
        FAIL("map: %s", err.text);
    return address;
}

/* ---- Steps that fail -------------------------------------------------------------------- */

static hl_status play(struct fake_guest *guest, struct hv_exit *exit, hl_error *err)
{
    (void)exit;
    (void)err;
    return fake_return(guest, hl_void());
}

static const struct fake_function exports[] = {{"f", "void()", play}};

static hl_sandbox *box_of(struct fake_program *program)
{
    hl_sandbox *box;
    hl_error err;

    program->exports = exports;
    program->export_count = 1;
    if (fake_create(&box, program, NULL, NULL, &err))
        FAIL("create: %s", err.text);
    return box;
}

/* Do the VM's tables map more than the template's? */
static bool linked(const hl_sandbox *box)
{
    const uint8_t *system = box->vm->memory.base, *template = box->shape->bytes;

    return memcmp(system + SYSTEM_CR3, template + SYSTEM_CR3, box->shape->table_size) != 0;
}

TEST(mapping_that_fails_changes_nothing)
{
    struct fake_program program = {.map = HL_E_SYSTEM};
    hl_sandbox *box = box_of(&program);
    const hl_mapping mapping = {.struct_size = sizeof mapping, .path = make_file()};
    const int before = dup(0);
    uint64_t address;
    hl_error err;

    close(before);
    CHECK_INT(hl_sandbox_map(&address, box, &mapping, &err), HL_E_SYSTEM);
    CHECK_STR(err.text, "the fake maps nothing");
    CHECK_INT(address, 0);
    CHECK(!linked(box));
    CHECK_INT(hl_sandbox_state(box), HL_READY);
    program.map = HL_OK;
    address = map(box, mapping.path, true);
    CHECK(linked(box));
    CHECK_INT(fake_of(box)->maps[0].gpa, address - HL_WINDOW);
    CHECK_INT(fake_of(box)->maps[0].size, 3 * HL_PAGE);
    CHECK(fake_of(box)->maps[0].writable && fake_of(box)->maps[0].memory[0] == 1);
    hl_sandbox_destroy(box);
    CHECK(dup(0) <= before);
}

TEST(mapping_that_cannot_be_taken_away)
{
    struct fake_program program = {.unmap = HL_E_SYSTEM};
    hl_sandbox *box = box_of(&program);
    hl_snapshot *snapshot;
    uint64_t address;
    hl_error err;

    CHECK_INT(hl_snapshot_take(&snapshot, box, NULL), HL_OK);
    address = map(box, make_file(), false);
    CHECK_INT(hl_sandbox_restore(box, snapshot, &err), HL_OK); /* by another VM */
    CHECK_INT(fake_of(box)->maps[0].size, 0);
    address = map(box, make_file(), false);
    CHECK_INT(hl_sandbox_unmap(box, address, &err), HL_E_SYSTEM);
    CHECK_INT(hl_sandbox_state(box), HL_DEAD);
    CHECK_INT(hl_sandbox_call(NULL, box, "f", NULL, 0, &err), HL_E_STATE);
    CHECK_HAS(err.text, "DEAD: the fake unmaps nothing");
    CHECK_INT(hl_sandbox_map(&address, box,
                             &(hl_mapping){.struct_size = sizeof(hl_mapping), .path = make_file()},
                             &err),
              HL_E_STATE);
    CHECK_INT(fake_alive(), 0);
    hl_snapshot_release(snapshot);
    hl_sandbox_destroy(box);
}

/* An idle VM has what its content has: no buffer, nothing mapped since. */
TEST(mapping_in_an_idle_vm)
{
    static _Alignas(4096) uint8_t data[HL_PAGE];
    const hl_mapping buffer = {.struct_size = sizeof buffer, .data = data, .size = HL_PAGE};
    struct fake_program program = {.map = HL_OK};
    hl_sandbox *box = box_of(&program);
    const struct fake_guest *guest = fake_of(box);
    hl_snapshot *snapshot;
    uint64_t address;

    hl_cache_limit(1);
    address = map(box, make_file(), true);
    CHECK_INT(hl_snapshot_take(&snapshot, box, NULL), HL_OK);
    CHECK_INT(hl_sandbox_map(&address, box, &buffer, NULL), HL_OK);
    CHECK(guest->maps[1].memory == data);
    map(box, make_file(), false);
    hl_sandbox_destroy(box);
    CHECK_INT(fake_alive(), 1);
    CHECK_INT(guest->maps[0].size, 3 * HL_PAGE);
    CHECK(!guest->maps[1].size && !guest->maps[2].size);
    hl_snapshot_release(snapshot);
    hl_cache_trim(0);
    CHECK_INT(fake_alive(), 0);
}

TEST(mapping_where_the_hypervisor_cannot)
{
    struct fake_program program = {.exports = exports, .export_count = 1};
    const hl_mapping mapping = {.struct_size = sizeof mapping, .path = make_file()};
    hl_guest *guest = fake_image(&program);
    hl_sandbox *box;
    uint64_t address;
    hl_error err;

    fake_use(&program);
    CHECK_INT(sandbox_create_on(&box, &hv_fake_pinned, guest, NULL, NULL, &err), HL_OK);
    CHECK_INT(hl_sandbox_map(&address, box, &mapping, &err), HL_E_UNSUPPORTED);
    CHECK_HAS(err.text, "pinned fake cannot map files and buffers");
    CHECK_INT(hl_sandbox_state(box), HL_READY);
    hl_sandbox_destroy(box);
    hl_guest_release(guest);
}

/* Whatever a guest that broke the wall left in its tables, the host writes where
 * the template says. */
TEST(mapping_in_wrecked_tables)
{
    struct fake_program program = {.map = HL_OK};
    hl_sandbox *box = box_of(&program);
    const uint64_t tables = box->shape->table_size;

    memset(box->vm->memory.base + SYSTEM_CR3, 0xa5, tables);
    hl_sandbox_unmap(box, map(box, make_file(), true), NULL);
    CHECK_INT(hl_sandbox_state(box), HL_READY);
    hl_sandbox_destroy(box);
}

/* ---- Files ------------------------------------------------------------------------------- */

static uint8_t *good, *bytes;
static size_t size;
static uint64_t at[2];

static void start(void)
{
    hl_sandbox *box = snapfile_box();
    const char *path = make_file();
    hl_snapshot *snapshot;
    hl_error err;

    at[0] = map(box, path, false);
    at[1] = map(box, path, true);
    CHECK_INT(hl_snapshot_take(&snapshot, box, &err), HL_OK);
    hl_sandbox_destroy(box);
    if (hl_snapshot_save(snapshot, snapfile_path("bytes"), &err))
        FAIL("save: %s", err.text);
    hl_snapshot_release(snapshot);
    CHECK_INT(os_file_read(&good, &size, snapfile_path("bytes"), 1 << 24, &err), HL_OK);
    bytes = malloc(size);
    memcpy(bytes, good, size);
}

static struct snapfile_header *header(void)
{
    return (struct snapfile_header *)(void *)bytes;
}

static struct snapfile_region *mapped(int i)
{
    struct snapfile_places places;

    snapfile_places(&places, (const struct snapfile_header *)(const void *)good);
    return (struct snapfile_region *)(void *)(bytes + places.regions) + places.region_count - 2 + i;
}

static void refused(const char *wanted)
{
    hl_error err;

    snapfile_mend(bytes, size);
    if (snapfile_load(NULL, bytes, size, &err) != HL_E_IMAGE || !strstr(err.text, wanted))
        FAIL("%d, \"%s\"; wanted \"...%s...\"", err.status, err.text, wanted);
    memcpy(bytes, good, size);
}

TEST(mapping_in_a_file)
{
    const struct mappings *mappings;
    hl_snapshot *snapshot;
    uint8_t page[HL_PAGE];
    hl_error err;

    start();
    CHECK_INT(header()->mapped_count, 2);
    CHECK_INT(mapped(0)->address, at[0]);
    CHECK_INT(mapped(1)->address, at[1]);
    if (snapfile_load(&snapshot, bytes, size, &err))
        FAIL("load: %s", err.text);
    mappings = snapshot->content->mappings;
    CHECK(mappings && !mappings->at[2].is);
    CHECK_INT(mappings->at[1].is->address, at[1]);
    CHECK(mappings->at[1].is->writable && !mappings->at[0].is->writable);
    CHECK_INT(mapping_read(mappings->at[1].is, page, HL_PAGE, 2 * HL_PAGE, &err), HL_OK);
    CHECK_INT(page[HL_PAGE - 1], 1);
    hl_snapshot_release(snapshot);
}

TEST(mapping_regions_that_lie)
{
    const uint64_t places[] = {0, HL_WINDOW, HL_GATE, HL_SLIDE, STEP, 0ull - STEP};
    size_t i;

    start();
    for (i = 0; i < sizeof places / sizeof *places; i++) {
        mapped(0)->address = places[i];
        refused(places[i] + 3 * HL_PAGE < places[i] ? "end beyond 2^64"
                                                    : "(mapped file): address 0x");
    }
    mapped(0)->address += HL_PAGE;
    refused("wanted a multiple of 0x200000 within 0x");
    mapped(0)->size = 0;
    refused("(mapped file): address 0x");
    mapped(0)->size = STEP; /* no gap to the next one */
    refused("(mapped file): address 0x");
    mapped(0)->size = 1ull << 40;
    refused("(mapped file): address 0x");
    mapped(1)->address = mapped(0)->address;
    refused("(mapped file): address 0x");
    mapped(1)->address += 1ull << 30; /* map_size */
    refused("(mapped file): address 0x");
    mapped(1)->access = HL_READ | HL_EXECUTE;
    refused("access is 0x5, wanted 1 (read) or 3 (write)");
    mapped(1)->kind = SNAPFILE_HEAP;
    refused("kind is 6, wanted 7 (mapped file)");
    header()->map_size = 0;
    refused("map_size is 0, wanted 2097152 to 68719476736");
    header()->map_size += HL_PAGE;
    refused("map_size is 0x40001000, wanted a multiple of 0x200000");
    header()->map_size = STEP;
    refused("(mapped file): address 0x");
    header()->mapped_count = 17;
    refused("mapped_count is 17, wanted 0 to 16");
    header()->mapped_count = 1;
    refused("export 0");
}

/* Each byte of the tables, changed: refused, or loaded and of the same guest. */
TEST_SLOW(mapping_mutations)
{
    struct snapfile_places places;
    hl_snapshot *snapshot;
    hl_error err;
    size_t i;

    start();
    snapfile_places(&places, (const struct snapfile_header *)(const void *)good);
    for (i = places.regions; i < places.checksums; i++) {
        bytes[i] ^= (uint8_t)(1u << i % 8);
        snapfile_mend(bytes, size);
        if (!snapfile_load(&snapshot, bytes, size, &err))
            hl_snapshot_release(snapshot);
        else
            CHECK_INT(err.status, HL_E_IMAGE);
        memcpy(bytes, good, size);
    }
}
