/* SPDX-License-Identifier: Apache-2.0 */
/* Snapshot files that are damaged or lie: each is refused, and the field named. */
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "../../src/host/arch/x86_64/features.h"
#include "../../src/host/arch/x86_64/system.h"
#include "snapfile_fixture.h"

static uint8_t *good, *bytes; /* as saved; a copy for damage */
static size_t size;

static void start(void)
{
    good = snapfile_bytes(&size);
    bytes = malloc(size + HL_PAGE);
    CHECK(bytes);
    memcpy(bytes, good, size);
}

static struct snapfile_header *header(void)
{
    return (struct snapfile_header *)(void *)bytes;
}

static struct snapfile_places places(void)
{
    struct snapfile_places out;

    snapfile_places(&out, (const struct snapfile_header *)(const void *)good);
    return out;
}

static struct snapfile_region *regions(void)
{
    return (struct snapfile_region *)(void *)(bytes + places().regions);
}

static struct snapfile_run *runs(void)
{
    return (struct snapfile_run *)(void *)(bytes + places().runs);
}

static char *text(void)
{
    return (char *)bytes + places().text;
}

/* Refused so, after the checksums have been made right; then all is as before. */
static void refused(hl_status status, const char *wanted)
{
    hl_error err;

    snapfile_mend(bytes, size);
    if (snapfile_load(NULL, bytes, size, &err) != status || !strstr(err.text, wanted))
        FAIL("%d, \"%s\"; wanted %d, \"...%s...\"", err.status, err.text, status, wanted);
    memcpy(bytes, good, size);
}

/* ---- Damage ------------------------------------------------------------------------- */

TEST(snapfile_cut_anywhere)
{
    size_t length;
    hl_error err;

    start();
    for (length = 0; length < size; length += length < 8192 ? 1 : 61) {
        CHECK_INT(snapfile_load(NULL, bytes, length, &err), HL_E_IMAGE);
        CHECK_HAS(err.text, length < sizeof(struct snapfile_header) ? "the header alone has 256"
                                                                    : "bytes, file_size is");
    }
    /* The same where the header goes with the length. */
    for (length = sizeof(struct snapfile_header); length < size; length += 4093) {
        header()->file_size = length;
        snapfile_mend(bytes, length);
        CHECK_INT(snapfile_load(NULL, bytes, length, &err), HL_E_IMAGE);
        CHECK_HAS(err.text, "file_size is");
        memcpy(bytes, good, size);
    }
}

TEST(snapfile_with_more_behind)
{
    hl_error err;
    size_t more;

    start();
    for (more = 1; more <= HL_PAGE; more += 455) {
        memset(bytes + size, 0, more);
        CHECK_INT(snapfile_load(NULL, bytes, size + more, &err), HL_E_IMAGE);
        CHECK_HAS(err.text, "bytes, file_size is");
    }
}

/* Each bit of header and tables, and bits of all pages. */
TEST_SLOW(snapfile_flipped_bits)
{
    struct snapfile_places at;
    const char *wanted;
    uint64_t bit, step;
    hl_error err;

    start();
    at = places();
    for (bit = 0; bit < size * 8; bit += step) {
        step = bit / 8 < at.text_end || test_full() ? 1 : 251;
        bytes[bit / 8] ^= (uint8_t)(1u << bit % 8);
        if (!snapfile_load(NULL, bytes, size, &err))
            FAIL("bit %llu is not missed", (unsigned long long)bit);
        wanted = bit < 64            ? "not a snapshot file"
                 : bit < 96          ? "byte_order is"
                 : bit < 128         ? "version is"
                 : bit < 2048        ? "header_checksum is"
                 : bit / 8 < at.data ? "tables_checksum is"
                                     : "chunk 0 (bytes ";
        CHECK_HAS(err.text, wanted);
        bytes[bit / 8] ^= (uint8_t)(1u << bit % 8);
    }
}

/* The second of two chunks. */
TEST(snapfile_names_the_chunk)
{
    hl_sandbox *box = snapfile_box();
    hl_snapshot *snapshot;
    hl_error err;
    int fd;

    snapfile_put(box, 0, 256, 3);
    CHECK_INT(hl_snapshot_take(&snapshot, box, &err), HL_OK);
    CHECK_INT(hl_snapshot_save(snapshot, snapfile_path("a"), &err), HL_OK);
    hl_sandbox_destroy(box);
    hl_snapshot_release(snapshot);
    CHECK_INT(os_file_read(&bytes, &size, snapfile_path("a"), 1 << 24, &err), HL_OK);
    bytes[size - 1] ^= 1;
    CHECK_INT(snapfile_load(NULL, bytes, size, &err), HL_E_IMAGE);
    CHECK_HAS(err.text, "chunk 1 (bytes 1052672 to ");
    bytes[size - 1] ^= 1;
    bytes[size - 20000] ^= 1;
    CHECK_INT(snapfile_load(NULL, bytes, size, &err), HL_E_IMAGE);
    CHECK_HAS(err.text, "chunk 0 (bytes 4096 to 1052671): checksum is 0x");
    fd = unlink(snapfile_path("a"));
    CHECK_INT(fd, 0);
}

/* Little on a disk would be much in memory. */
TEST(snapfile_with_pages_of_zeros)
{
    hl_snapshot *snapshot;
    uint8_t *page;
    hl_error err;

    start();
    page = bytes + places().data;
    memset(page, 0, HL_PAGE);
    page[HL_PAGE - 1] = 1;
    snapfile_mend(bytes, size);
    CHECK_INT(snapfile_load(&snapshot, bytes, size, &err), HL_OK);
    hl_snapshot_release(snapshot);
    page = bytes + places().data;
    page[HL_PAGE - 1] = 0;
    refused(HL_E_IMAGE, "the page at byte 4096 is all zeros, wanted only pages that are not");
}

/* ---- The header -------------------------------------------------------------------------- */

struct lie {
    size_t offset;
    unsigned size;
    uint64_t value;
    hl_status status;
    const char *text;
};
#define FIELD(name) \
    offsetof(struct snapfile_header, name), sizeof(((struct snapfile_header *)0)->name)

TEST(snapfile_header_fields_that_lie)
{
    const uint64_t half = 1ull << 63, all = UINT64_MAX;
    const struct lie lies[] = {
        {FIELD(byte_order), 0x04030201, HL_E_IMAGE, "byte_order is 0x04030201, wanted 0x01020304"},
        {FIELD(version), 0, HL_E_ABI, "version is 0, this library reads version 1"},
        {FIELD(version), 2, HL_E_ABI, "version is 2, this library reads version 1"},
        {FIELD(kind), 0, HL_E_IMAGE, "kind is 0, wanted 1 (virtual machine)"},
        {FIELD(kind), 2, HL_E_UNSUPPORTED, "kind is 2: the snapshot is of a sandbox in a process"},
        {FIELD(kind), 3, HL_E_IMAGE, "kind is 3, wanted 1"},
        {FIELD(machine), 0, HL_E_UNSUPPORTED, "machine is 0, wanted 1 (x86-64)"},
        {FIELD(machine), 2, HL_E_UNSUPPORTED, "machine is 2, wanted 1 (x86-64)"},
        {FIELD(abi), 0, HL_E_ABI, "abi is 0, this library understands 1 to 1"},
        {FIELD(abi), 2, HL_E_ABI, "abi is 2, this library understands 1 to 1"},
        {FIELD(flags), 2, HL_E_IMAGE, "flags is 0x2, wanted 0 or 1"},
        {FIELD(flags), all, HL_E_IMAGE, "flags is 0xffffffff"},
        {FIELD(features), half, HL_E_UNSUPPORTED, "features: bit 63, which this library does not"},
        {FIELD(features), 1ull << 33, HL_E_UNSUPPORTED, "features: the guest may use AVX2, which"},
        {FIELD(init_size), 0, HL_E_IMAGE, "region 5 (init data): address"},
        {FIELD(init_size), 4097, HL_E_IMAGE, "region 5 (init data): address"},
        {FIELD(init_size), half, HL_E_IMAGE, "init_size is 9223372036854775808, wanted 0 to"},
        {FIELD(init_size), all, HL_E_IMAGE, "init_size is 18446744073709551615"},
        {FIELD(call_depth), 0, HL_E_IMAGE, "call_depth is 0, wanted 1 to 64"},
        {FIELD(call_depth), 65, HL_E_IMAGE, "call_depth is 65, wanted 1 to 64"},
        {FIELD(segment_count), 0, HL_E_IMAGE, "segment_count is 0, wanted 1 to 16"},
        {FIELD(segment_count), 17, HL_E_IMAGE, "segment_count is 17, wanted 1 to 16"},
        {FIELD(segment_count), all, HL_E_IMAGE, "segment_count is 4294967295"},
        {FIELD(segment_count), 1, HL_E_IMAGE, "region 1: kind is 1, wanted 2 (stack)"},
        {FIELD(segment_count), 3, HL_E_IMAGE, "region 2: kind is 2, wanted 1 (image)"},
        {FIELD(export_count), 4097, HL_E_IMAGE, "export_count is 4097, wanted 0 to 4096"},
        {FIELD(export_count), 4095, HL_E_IMAGE, "export_count + added_export_count is 4097"},
        {FIELD(export_count), 2, HL_E_IMAGE, "import 0: name of 0 bytes"},
        {FIELD(import_count), all, HL_E_IMAGE, "import_count is 4294967295"},
        {FIELD(import_count), 4096, HL_E_IMAGE, "import_count + added_import_count is 4097"},
        {FIELD(import_count), 2, HL_E_IMAGE, "added import 0: name is not within text_size"},
        {FIELD(added_export_count), all, HL_E_IMAGE, "added_export_count is 4294967298"},
        {FIELD(added_export_count), 1, HL_E_IMAGE, "text_size is"},
        {FIELD(added_import_count), all, HL_E_IMAGE, "added_import_count is 4294967296"},
        {FIELD(added_import_count), 2, HL_E_IMAGE, "added import 1: name is not within text_size"},
        {FIELD(text_size), 0, HL_E_IMAGE, "export 0: name is not within text_size"},
        {FIELD(text_size), 3, HL_E_IMAGE, "export 0: name is not within text_size"},
        {FIELD(text_size), 4, HL_E_IMAGE, "export 0: signature is not within text_size"},
        {FIELD(text_size), 1000, HL_E_IMAGE, "text_size is 1000, the functions have"},
        {FIELD(text_size), all, HL_E_IMAGE, "text_size is 4294967295, wanted 0 to"},
        {FIELD(run_count), 0, HL_E_IMAGE, "run_count is 0, wanted 1 to"},
        {FIELD(run_count), all, HL_E_IMAGE, "run_count is 4294967295, wanted 1 to"},
        {FIELD(run_count), 1, HL_E_IMAGE, "export 0: "},
        {FIELD(page_count), 0, HL_E_IMAGE, "page_count is 0, wanted 1 to"},
        {FIELD(page_count), half, HL_E_IMAGE, "page_count is 9223372036854775808, wanted 1 to"},
        {FIELD(page_count), all, HL_E_IMAGE, "page_count is 18446744073709551615"},
        {FIELD(page_count), 6, HL_E_IMAGE, "file_size is "},
        {FIELD(page_count), 3, HL_E_IMAGE, "run_count is 4, wanted 1 to 3"},
        {FIELD(file_size), 0, HL_E_IMAGE, "file_size is 0, the header's counts make"},
        {FIELD(file_size), half, HL_E_IMAGE, "file_size is 9223372036854775808, the header's"},
        {offsetof(struct snapfile_header, reserved), 1, 1, HL_E_IMAGE,
         "reserved byte 132 of the header is 0x1, wanted 0"},
        {offsetof(struct snapfile_header, tables_checksum) - 1, 1, 0x80, HL_E_IMAGE,
         "reserved byte 247 of the header is 0x80, wanted 0"},
    };
    size_t i;

    start();
    CHECK_INT(header()->run_count, 4);
    for (i = 0; i < sizeof lies / sizeof *lies; i++) {
        memcpy(bytes + lies[i].offset, &lies[i].value, lies[i].size);
        refused(lies[i].status, lies[i].text);
    }
}

/* Any value is fine: it only ever reaches user mode. */
TEST(snapfile_any_rsp_is_loaded)
{
    static const uint64_t values[] = {0, 1, HL_GATE, HL_WINDOW, 1ull << 47, 1ull << 63, UINT64_MAX};
    hl_snapshot *snapshot;
    hl_error err;
    size_t i;

    start();
    for (i = 0; i < sizeof values / sizeof *values; i++) {
        header()->rsp = values[i];
        snapfile_mend(bytes, size);
        if (snapfile_load(&snapshot, bytes, size, &err))
            FAIL("rsp %#llx: %s", (unsigned long long)values[i], err.text);
        CHECK_INT(snapshot->park.rsp, values[i]);
        hl_snapshot_release(snapshot);
    }
}

TEST(snapfile_needs_the_features_it_names)
{
    const uint64_t here = x86_features(false), wide = x86_features(true);
    char wanted[80];
    hl_error err;
    hl_snapshot *snapshot;
    unsigned bit;

    start();
    CHECK_INT(header()->features, here);
    CHECK_STR(x86_feature_name(X86_FEATURE_AVX), "AVX");
    for (bit = 0; x86_feature_name(bit); bit++) {
        header()->features = 1ull << bit;
        if (here >> bit & 1) {
            snapfile_mend(bytes, size);
            CHECK_INT(snapfile_load(&snapshot, bytes, size, &err), HL_OK);
            hl_snapshot_release(snapshot);
            continue;
        }
        strcpy(wanted, "features: the guest may use ");
        strcat(wanted, x86_feature_name(bit));
        strcat(wanted, ", which it cannot on this processor");
        refused(HL_E_UNSUPPORTED, wanted);
    }
    for (; bit < 64; bit++) {
        header()->features = 1ull << bit;
        refused(HL_E_UNSUPPORTED, "which this library does not know");
    }
    header()->features = 0;
    header()->flags = SNAPFILE_AVX;
    if (!(wide >> X86_FEATURE_AVX & 1)) {
        refused(HL_E_UNSUPPORTED, "features: the guest may use AVX");
        return;
    }
    snapfile_mend(bytes, size);
    CHECK_INT(snapfile_load(&snapshot, bytes, size, &err), HL_OK);
    CHECK(snapshot->kind.avx);
    hl_snapshot_release(snapshot);
}

/* ---- Regions -------------------------------------------------------------------------------- */

enum { CODE, DATA, STACK, REQUESTS, REPLIES, INIT, HEAP };

TEST(snapfile_segments_that_lie)
{
    static const struct {
        int region;
        uint64_t address, size;
        uint32_t access;
        const char *text;
    } lies[] = {
        {CODE, HL_SLIDE, HL_PAGE, 0, "region 0 (image): access is 0x0, wanted 1 (read), 3"},
        {CODE, HL_SLIDE, HL_PAGE, 7, "region 0 (image): access is 0x7"},
        {DATA, HL_SLIDE + HL_PAGE, HL_PAGE, 6, "region 1 (image): access is 0x6"},
        {DATA, HL_SLIDE + HL_PAGE, HL_PAGE, 0x80000003, "region 1 (image): access is 0x80000003"},
        {CODE, HL_SLIDE, 0, 5, "region 0 (image): 0x600000210000 to 0x600000210000 is empty or"},
        {CODE, HL_SLIDE + 1, HL_PAGE, 5, "region 0 (image): address 0x600000210001, size 0x1000"},
        {CODE, HL_SLIDE, HL_PAGE - 1, 5, "are not whole pages"},
        {CODE, HL_SLIDE, 1ull << 63, 5, "is empty or not within 0x600000210000 to 0x600010210000"},
        {CODE, HL_SLIDE, -(uint64_t)HL_PAGE, 5, "size 0xfffffffffffff000 end beyond 2^64"},
        {CODE, -(uint64_t)HL_PAGE, HL_PAGE, 5, "end beyond 2^64"},
        {CODE, 0, HL_PAGE, 5, "is empty or not within 0x10000 to 0x600000000000"},
        {CODE, HL_LOW_END - HL_PAGE, HL_PAGE, 5, "is empty or not within 0x10000"},
        {CODE, HL_WINDOW - HL_PAGE, 2 * HL_PAGE, 5, "is empty or not within 0x10000"},
        {CODE, HL_WINDOW, HL_PAGE, 5, "is empty or not within 0x600000210000"},
        {CODE, HL_GATE, HL_PAGE, 5, "is empty or not within 0x600000210000"},
        {CODE, HL_BOOT, HL_PAGE, 5, "is empty or not within 0x600000210000"},
        {CODE, HL_SLIDE - HL_PAGE, HL_PAGE, 5, "is empty or not within 0x600000210000"},
        {CODE, HL_SLIDE + IMAGE_SPAN_MAX, HL_PAGE, 5, "is empty or not within 0x600000210000"},
        {CODE, HL_SLIDE, 2 * HL_PAGE, 5,
         "region 1 (image): begins at 0x600000211000, the one before ends at 0x600000212000"},
        {DATA, HL_SLIDE, HL_PAGE, 3, "region 1 (image): begins at 0x600000210000, the one before"},
        {DATA, 0x400000, HL_PAGE, 3, "region 1 (image): 0x400000 to 0x401000 is empty or not"},
        {DATA, HL_SLIDE + 2 * HL_PAGE, HL_PAGE, 3, "region 2 (stack): address"},
        {DATA, HL_SLIDE + (64 << 10), HL_PAGE, 3, "region 2 (stack): address"},
        {CODE, 0x400000, HL_PAGE, 5, "region 1 (image): 0x600000211000 to 0x600000212000 is"},
    };
    size_t i;

    start();
    for (i = 0; i < sizeof lies / sizeof *lies; i++) {
        struct snapfile_region *region = &regions()[lies[i].region];

        region->address = lies[i].address;
        region->size = lies[i].size;
        region->access = lies[i].access;
        refused(HL_E_IMAGE, lies[i].text);
    }
    regions()[CODE].address = 0x10000; /* 256 MiB and a page */
    regions()[DATA].address = 0x10000 + IMAGE_SPAN_MAX;
    refused(HL_E_IMAGE, "region 1 (image): the image spans 0x10001000 bytes, at most 0x10000000");
}

/* Stack, messages, init data and heap are where this library puts them, or not
 * at all: not over another one, not over the system area. */
TEST(snapfile_areas_that_lie)
{
    static const char *const names[] = {"",        "",          "stack", "requests",
                                        "replies", "init data", "heap"};
    const uint64_t places_to_be[] = {0, HL_WINDOW, HL_GATE, HL_BOOT, HL_SLIDE, 0x400000};
    char wanted[64];
    uint32_t i, k;

    start();
    for (i = STACK; i <= HEAP; i++) {
        snprintf(wanted, sizeof wanted, "region %u (%s): address 0x", i, names[i]);
        regions()[i].address += HL_PAGE;
        refused(HL_E_IMAGE, wanted);
        for (k = 0; k < sizeof places_to_be / sizeof *places_to_be; k++) {
            regions()[i].address = places_to_be[k];
            refused(HL_E_IMAGE, wanted);
        }
        regions()[i].address = regions()[i == HEAP ? STACK : i + 1].address;
        refused(HL_E_IMAGE, wanted);
        regions()[i].access ^= HL_EXECUTE;
        refused(HL_E_IMAGE, wanted);
        regions()[i].address++;
        refused(HL_E_IMAGE, "are not whole pages");
        regions()[i].size++;
        refused(HL_E_IMAGE, "are not whole pages");
        regions()[i].size = 0ull - HL_PAGE;
        refused(HL_E_IMAGE, "end beyond 2^64");
        regions()[i].kind = i == HEAP ? 2 : 6;
        snprintf(wanted, sizeof wanted, "region %u: kind is %u, wanted %u (%s)", i,
                 i == HEAP ? 2 : 6, i, names[i]);
        refused(HL_E_IMAGE, wanted);
    }
}

TEST(snapfile_sizes_that_lie)
{
    static const struct {
        int region;
        uint64_t size;
        const char *text;
    } lies[] = {
        {STACK, 0, "stack_size is 0, wanted 16384 to 67108864"},
        {STACK, 1ull << 63, "stack_size is 9223372036854775808"},
        {STACK, 65 << 20, "stack_size is 68157440"},
        {STACK, 128 << 10, "region 3 (requests): address"},
        {REQUESTS, 0, "message_size is 0, wanted 65536 to 4294967296"},
        {REQUESTS, 1ull << 63, "message_size is 9223372036854775808"},
        {REQUESTS, 128 << 10, "region 4 (replies): address"},
        {REPLIES, 0, "region 4 (replies): address"},
        {REPLIES, 1ull << 63, "region 4 (replies): address"},
        {INIT, 0, "region 5 (init data): address"},
        {INIT, 2 * HL_PAGE, "region 5 (init data): address"},
        {INIT, 1ull << 63, "region 5 (init data): address"},
        {HEAP, 0, "heap_size is 0, wanted 65536 to 68719476736"},
        {HEAP, 60 << 10, "heap_size is 61440, wanted 65536"},
        {HEAP, 1ull << 63, "heap_size is 9223372036854775808"},
        {HEAP, 64 << 10, "do not lie in one region"}, /* where pages were */
        {HEAP, 2 << 20, "region 6 (heap): address"},  /* where it would lie otherwise */
    };
    size_t i;

    start();
    for (i = 0; i < sizeof lies / sizeof *lies; i++) {
        regions()[lies[i].region].size = lies[i].size;
        refused(HL_E_IMAGE, lies[i].text);
    }
}

/* ---- Functions ----------------------------------------------------------------------------- */

/* The text is: get u64(u32) put u64(u32, u32, u64) "" fallback h void(i32)
 * late0 void(i32) late1 void(i32) h void(i32). */
static char *find(const char *part)
{
    char *at = memmem(text(), places().text_end - places().text, part, strlen(part));

    CHECK(at);
    return at;
}

static void rename_part(const char *part, const char *to, const char *wanted)
{
    memcpy(find(part), to, strlen(part));
    refused(HL_E_IMAGE, wanted);
}

TEST(snapfile_functions_that_lie)
{
    start();
    rename_part("get", "\xff\xfe!", "export 0: its name \"\\xff\\xfe!\" is not UTF-8");
    rename_part("put", "\xed\xa0\x80", "export 1: its name \"\\xed\\xa0\\x80\" is not UTF-8");
    rename_part("get", "put", "exports 0 and 1 are both named \"put\"");
    rename_part("late0", "late1", "exports 3 and 4 are both named \"late1\"");
    rename_part("late0", "\0late", "added export 0: name of 0 bytes, wanted 1 to 255");
    rename_part("late1", "la\xc0\x80!", "added export 1: its name \"la\\xc0\\x80!\" is not UTF-8");
    rename_part("fallback", "fallbaci", "export 2: its name is empty, its signature \"fallbaci\"");
    rename_part("u64(u32)", "u64(u33)", "export 0 (get): signature \"u64(u33)\": ");
    rename_part("u64(u32)", "u64 (u3)", "export 0 (get): signature \"u64 (u3)\": ");
    rename_part("u64(u32)", "u64( u8)", "export 0 (get): signature ");
    rename_part("u64(u32)", "u64(  )", "export 0 (get): signature \"u64(  )\": not in canonical");
    rename_part("put", "p\0t", "export 1 (p): signature \"t\": ");
    *find("h") = '\0';
    refused(HL_E_IMAGE, "import 0: name of 0 bytes");
    text()[places().text_end - places().text - 1] = 'x';
    refused(HL_E_IMAGE, "added import 0: signature is not within text_size");
}

/* Another text in the room before the pages. */
static void set_text(const char *with, size_t length, const uint32_t counts[4])
{
    CHECK(length <= places().data - places().text);
    memset(text(), 0, places().data - places().text);
    memcpy(text(), with, length);
    header()->text_size = (uint32_t)length;
    header()->export_count = counts[0];
    header()->import_count = counts[1];
    header()->added_export_count = counts[2];
    header()->added_import_count = counts[3];
}

#define TEXT(literal, ...) set_text(literal, sizeof(literal) - 1, (const uint32_t[4]){__VA_ARGS__})

TEST(snapfile_tables_that_lie)
{
    start();
    TEXT("a\0void()\0h\0void()\0h\0void()\0", 1, 2, 0, 0);
    refused(HL_E_IMAGE, "imports 0 and 1 are both named \"h\"");
    TEXT("a\0void()\0b\0void()\0a\0i32()\0", 2, 0, 1, 0);
    refused(HL_E_IMAGE, "exports 0 and 2 are both named \"a\"");
    TEXT("\0init\0\0fallback\0\0init\0", 3, 0, 0, 0);
    refused(HL_E_IMAGE, "exports 0 and 2 are both the init function");
    TEXT("\0fallback\0\0fallback\0", 2, 0, 0, 0);
    refused(HL_E_IMAGE, "exports 0 and 1 are both the fallback function");
    TEXT("\0init\0", 0, 1, 0, 0);
    refused(HL_E_IMAGE, "import 0: name of 0 bytes, wanted 1 to 255");
    TEXT("\0init\0", 0, 0, 1, 0);
    refused(HL_E_IMAGE, "added export 0: name of 0 bytes, wanted 1 to 255");
    TEXT("a\0void()\0b", 2, 0, 0, 0);
    refused(HL_E_IMAGE, "export 1: name is not within text_size");
    TEXT("a\0void()\0b\0", 2, 0, 0, 0);
    refused(HL_E_IMAGE, "export 1: signature is not within text_size");
    TEXT("a\0void()\0b\0void()\0", 1, 0, 0, 0);
    refused(HL_E_IMAGE, "text_size is 18, the functions have 9 bytes");
    TEXT("a\0void(i32,i32)\0", 1, 0, 0, 0);
    refused(HL_E_IMAGE, "signature \"void(i32,i32)\": not in canonical form");
    TEXT("a\0void(bool, bool, bool, bool, bool, bool, bool, bool, bool, bool, bool, bool, bool, "
         "bool, bool, bool, bool)\0",
         0, 0, 0, 1);
    refused(HL_E_IMAGE, "added import 0 (a): signature \"void(bool, ");
}

TEST(snapfile_tables_that_are_fine)
{
    char name[HL_NAME_MAX + 1 + sizeof "void()"];
    hl_snapshot *snapshot;
    hl_error err;

    start();
    memset(name, 'n', HL_NAME_MAX);
    memcpy(name + HL_NAME_MAX, "\0void()", sizeof "\0void()");
    set_text(name, sizeof name, (const uint32_t[]){1, 0, 0, 0});
    snapfile_mend(bytes, size);
    CHECK_INT(snapfile_load(&snapshot, bytes, size, &err), HL_OK);
    CHECK_INT(strlen(snapshot->guest->image.exports[0].name), HL_NAME_MAX);
    hl_snapshot_release(snapshot);
    memset(name, 'n', HL_NAME_MAX + 1);
    memcpy(name + HL_NAME_MAX + 1, "\0void()", sizeof "void()" - 1);
    set_text(name, sizeof name, (const uint32_t[]){1, 0, 0, 0});
    refused(HL_E_IMAGE, "export 0: name of 256 bytes, wanted 1 to 255");

    TEXT("\0init\0\0fallback\0", 2, 0, 0, 0);
    snapfile_mend(bytes, size);
    CHECK_INT(snapfile_load(&snapshot, bytes, size, &err), HL_OK);
    CHECK_INT(snapshot->guest->image.init, 0);
    CHECK_INT(snapshot->guest->image.fallback, 1);
    hl_snapshot_release(snapshot);
    TEXT("", 0, 0, 0, 0);
    snapfile_mend(bytes, size);
    CHECK_INT(snapfile_load(&snapshot, bytes, size, &err), HL_OK);
    hl_snapshot_release(snapshot);
    TEXT("h\0void()\0h\0void()\0h\0void()\0", 0, 1, 0, 2); /* as guests may ask */
    snapfile_mend(bytes, size);
    CHECK_INT(snapfile_load(&snapshot, bytes, size, &err), HL_OK);
    CHECK_INT(snapshot->imports.count, 2);
    hl_snapshot_release(snapshot);
}

/* ---- Pages ---------------------------------------------------------------------------------- */

/* The runs are: stack, init data, heap 1 and heap 40 to 41. */
TEST(snapfile_runs_that_lie)
{
    static const struct {
        int run;
        uint64_t at, size; /* at: from the begin of a region; region -1: absolute */
        int region;
        const char *text;
    } lies[] = {
        {0, 0, 0, STACK, "are not whole pages"},
        {0, 1, HL_PAGE, STACK, "are not whole pages"},
        {0, 0, HL_PAGE + 1, STACK, "are not whole pages"},
        {0, 0, 1ull << 63, STACK, "size 0x8000000000000000 do not lie in one region"},
        {0, 0, -(uint64_t)HL_PAGE, STACK, "do not lie in one region"},
        {0, 0, 17 * HL_PAGE, STACK, "do not lie in one region"},
        {0, -(uint64_t)HL_PAGE, HL_PAGE, STACK, "do not lie in one region"},
        {0, 0, HL_PAGE, -1, "address 0x0, size 0x1000 do not lie in one region"},
        {0, HL_WINDOW, HL_PAGE, -1, "do not lie in one region"},
        {0, HL_GATE, HL_PAGE, -1, "do not lie in one region"},
        {0, HL_BOOT, HL_PAGE, -1, "do not lie in one region"},
        {0, HL_SLIDE + HL_PAGE, 2 * HL_PAGE, -1, "do not lie in one region"},
        {0, HL_SLIDE, 2 * HL_PAGE, -1, "do not lie in one region"}, /* two segments */
        {0, 1ull << 63, HL_PAGE, -1, "do not lie in one region"},
        {0, -(uint64_t)HL_PAGE, HL_PAGE, -1, "do not lie in one region"},
        {0, 0, HL_PAGE, REQUESTS, "lies in a region (requests) that snapshots do not hold"},
        {0, 0, HL_PAGE, REPLIES, "lies in a region (replies) that snapshots do not hold"},
        {0, 15 * HL_PAGE, HL_PAGE, REPLIES, "lies in a region (replies)"},
        {1, 15 * HL_PAGE, HL_PAGE, STACK, "run 1: begins at 0x"},
        {1, 0, HL_PAGE, STACK, "run 1: begins at 0x"},
        {0, 0, HL_PAGE, HEAP, "run 1: begins at 0x"},
        {2, 40 * HL_PAGE, HL_PAGE, HEAP, "run 3: begins at 0x"},
        {3, 1 * HL_PAGE, HL_PAGE, HEAP, "run 3: begins at 0x"},
        {3, 256 * HL_PAGE, HL_PAGE, HEAP, "run 3: address 0x"},
        {3, 255 * HL_PAGE, 2 * HL_PAGE, HEAP, "do not lie in one region"},
        {3, 40 * HL_PAGE, HL_PAGE, HEAP, "page_count is 5, the runs have 4"},
        {3, 40 * HL_PAGE, 3 * HL_PAGE, HEAP, "page_count is 5, the runs have 6"},
    };
    size_t i;

    start();
    for (i = 0; i < sizeof lies / sizeof *lies; i++) {
        struct snapfile_run *run = &runs()[lies[i].run];

        run->address = lies[i].at;
        if (lies[i].region >= 0)
            run->address += regions()[lies[i].region].address;
        run->size = lies[i].size;
        refused(HL_E_IMAGE, lies[i].text);
    }
    bytes[places().text_end] = 1;
    refused(HL_E_IMAGE, "before the pages is 0x1, wanted 0");
    bytes[places().data - 1] = 0x80;
    refused(HL_E_IMAGE, "byte 4095 before the pages is 0x80, wanted 0");
}

/* ---- Anything at all ------------------------------------------------------------------------- */

/* Reads all that a loaded one has, and makes a sandbox of it. */
static void use(const hl_snapshot *snapshot)
{
    hl_host *host = snapfile_host();
    const struct content *content = snapshot->content;
    const struct base *base = content->base;
    const uint64_t memory = snapshot->kind.shape->layout.memory_size;
    hl_sandbox *box;
    uint32_t i;

    for (i = 0; i < base->run_count; i++) {
        CHECK(base->runs[i].gpa >= SYSTEM_SIZE && base->runs[i].size);
        CHECK(base->runs[i].gpa + base->runs[i].size <= memory);
        CHECK(base->runs[i].offset + base->runs[i].size <= base->share.size);
    }
    for (i = 0; i < base->extent_count; i++)
        CHECK(content_base_at(content, base->extents[i].gpa / HL_PAGE) != NULL);
    snapfile_use();
    if (!hl_sandbox_create_from(&box, snapshot, host, NULL, NULL))
        hl_sandbox_destroy(box);
    hl_host_release(host);
}

/* Numbers that are likely to hurt, at random places, with right checksums. */
TEST_SLOW(snapfile_mutations)
{
    static const uint64_t values[] = {0,       1,          2,          4,         5,
                                      0x7f,    0xff,       HL_PAGE,    HL_WINDOW, HL_GATE,
                                      1 << 20, 1ull << 32, 1ull << 63, UINT64_MAX};
    enum { VALUES = sizeof values / sizeof *values };
    const int rounds = test_full() ? 1000000 : 20000;
    uint64_t random = 88172645463325252ull;
    hl_snapshot *snapshot;
    int round, changes, loaded = 0;
    hl_error err;

    start();
    for (round = 0; round < rounds; round++) {
        for (changes = 1 + round % 3; changes; changes--) {
            const size_t width = 1ull << (random >> 8) % 4;
            const size_t at = (random >> 16) % (places().text_end - 8) / width * width;

            if (random % 4)
                memcpy(bytes + at, &values[(random >> 40) % VALUES], width);
            else
                bytes[at] ^= (uint8_t)(1u << (random >> 40) % 8);
            random ^= random << 13;
            random ^= random >> 7;
            random ^= random << 17;
        }
        snapfile_mend(bytes, size);
        if (!snapfile_load(&snapshot, bytes, size, &err)) {
            use(snapshot);
            hl_snapshot_release(snapshot);
            loaded++;
        }
        memcpy(bytes, good, size);
    }
    CHECK(loaded);
}
