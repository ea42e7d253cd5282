/* SPDX-License-Identifier: Apache-2.0 */
/* Writes the seeds in fuzz/corpus/: make_seeds CORPUS-FOLDER. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "../src/shared/wire.h"
#include "../tests/unit/elf_build.h"
#include "../tests/unit/snapfile_bytes.h"

static int failures;

static void put(const char *corpus, const char *target, const char *name, const void *bytes,
                size_t size)
{
    char path[4096];
    FILE *file;

    snprintf(path, sizeof path, "%s/%s", corpus, target);
    mkdir(path, 0777);
    snprintf(path, sizeof path, "%s/%s/%s", corpus, target, name);
    file = fopen(path, "wb");
    if (!file || fwrite(bytes, 1, size, file) != size) {
        perror(path);
        failures++;
    }
    if (file && fclose(file))
        failures++;
}

static void put_images(const char *corpus)
{
    static struct elf_build b;

    elf_build(&b, ELF_FIXED);
    put(corpus, "image_elf", "fixed", b.bytes, b.size);
    elf_build(&b, ELF_PIE_RELA);
    elf_export(&b, "", "fallback", elf_link(&b, AT_CODE));
    put(corpus, "image_elf", "pie_rela", b.bytes, b.size);
    elf_build(&b, ELF_PIE_RELR);
    put(corpus, "image_elf", "pie_relr", b.bytes, b.size);
    elf_build_empty(&b, ELF_FIXED);
    put(corpus, "image_elf", "no_functions", b.bytes, b.size);
    elf_build_empty(&b, ELF_FIXED);
    elf_desc(&b)->version = elf_desc(&b)->minimum = 2;
    put(corpus, "image_elf", "newer_abi", b.bytes, b.size);
}

static void put_message(const char *corpus, const char *name, const hl_value values[],
                        uint32_t count)
{
    const struct hl_frame head = {.kind = HL_KIND_CALL, .depth = 1};
    static uint8_t frame[4096];
    const uint64_t size = hl__wire_size(values, count);

    hl__wire_write(frame, &head, values, count, size);
    put(corpus, "message", name, frame, (size_t)size);
}

static void put_messages(const char *corpus)
{
    static const hl_value every[] = {
        {HL_BOOL, 0, {.b = true}},
        {HL_I32, 0, {.i32 = -5}},
        {HL_U32, 0, {.u32 = 5}},
        {HL_I64, 0, {.i64 = -7}},
        {HL_U64, 0, {.u64 = 7}},
        {HL_F32, 0, {.f32 = 1.5f}},
        {HL_F64, 0, {.f64 = -2.5}},
        {HL_STR, 3, {.str = "\xe2\x82\xac"}},
        {HL_BYTES, 16, {.bytes = "0123456789abcdef"}},
    };

    put_message(corpus, "none", every, 0);
    put_message(corpus, "scalar", every + 1, 1);
    put_message(corpus, "every", every, sizeof every / sizeof every[0]);
}

static void put_signatures(const char *corpus)
{
    static const char *const texts[] = {"void()", "i32(str, bytes)", "u64( bool,f32 ,f64)"};
    char name[] = "signature_0";
    size_t i;

    for (i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        name[sizeof name - 2] = (char)('0' + i);
        put(corpus, "signature", name, texts[i], strlen(texts[i]));
    }
}

/* The file of a snapshot, but for what this machine's processor puts into it. */
static uint8_t *snapshot_bytes(size_t *size, const hl_snapshot *snapshot, const char *corpus)
{
    struct snapfile_header head;
    char path[4096];
    uint8_t *bytes = NULL;

    snprintf(path, sizeof path, "%s/seed", corpus);
    if (hl_snapshot_save(snapshot, path, NULL) || os_file_read(&bytes, size, path, 1 << 20, NULL))
        failures++;
    unlink(path);
    if (!bytes)
        return NULL;
    memcpy(&head, bytes, sizeof head);
    head.features = 0;
    memset(head.vendor, 0, sizeof head.vendor);
    memcpy(bytes, &head, sizeof head);
    snapfile_mend(bytes, *size);
    return bytes;
}

/* The same with a mapped file of two pages, which the guest may write. */
static struct content *with_mapping(const struct shape *shape)
{
    struct mappings *mappings = mappings_new();
    struct mapping *mapping;
    struct content *content;
    os_share share;
    os_file file;

    if (os_share_create(&share, NULL, 2 * HL_PAGE, NULL) ||
        os_share_write(&share, "mapped", 6, HL_PAGE, NULL) || os_share_file(&file, &share, NULL) ||
        content_derive(&content, shape->start, NULL, 0, NULL))
        return NULL;
    os_share_close(&share);
    mapping = mapping_of_file(&file, "mapped");
    mapping->address = shape->layout.map_address;
    mapping->size = 2 * HL_PAGE;
    mapping->writable = true;
    mappings->at[0].is = mapping;
    content_set_mappings(content, mappings);
    return content;
}

/* A guest that has not begun, as a snapshot. */
static void put_snapshot(const char *corpus, const char *name, const struct elf_build *b,
                         uint32_t added)
{
    const struct sizes sizes = {64 << 10, 16 << 10, 64 << 10, 5, 2, 2 << 20};
    const struct hl_signature signature = {.result = HL_I32, .count = 1, .params = {HL_STR}};
    hl_snapshot snapshot = {.lineage = 1};
    const struct shape *shape;
    struct content *mapped = NULL;
    hl_guest *guest;
    uint8_t *bytes;
    size_t size;

    if (hl_guest_open_memory(&guest, b->bytes, b->size, NULL) ||
        guest_shape(&shape, guest, &sizes, NULL)) {
        failures++;
        return;
    }
    snapshot.guest = guest;
    snapshot.kind.shape = shape;
    if (added)
        mapped = with_mapping(shape);
    snapshot.content = mapped ? mapped : shape->start;
    snapshot.park.rsp = shape->start_rsp;
    if (added && (!added_append(&snapshot.exports, "late", &signature) ||
                  !added_append(&snapshot.imports, "host", &signature)))
        failures++;
    bytes = snapshot_bytes(&size, &snapshot, corpus);
    if (bytes)
        put(corpus, "snapshot_file", name, bytes, size);
    free(bytes);
    added_free(&snapshot.exports);
    added_free(&snapshot.imports);
    content_release(mapped);
    guest_shape_done(guest, shape);
    hl_guest_release(guest);
}

static void put_snapshots(const char *corpus)
{
    static struct elf_build b;

    elf_build(&b, ELF_FIXED);
    put_snapshot(corpus, "fixed", &b, 0);
    elf_build(&b, ELF_PIE_RELA);
    elf_export(&b, "", "fallback", elf_link(&b, AT_CODE));
    put_snapshot(corpus, "relocatable", &b, 1);
    elf_build_empty(&b, ELF_PIE_RELR);
    put_snapshot(corpus, "no_functions", &b, 0);
}

int main(int argc, char **argv)
{
    if (argc != 2) {
        fprintf(stderr, "usage: %s CORPUS-FOLDER\n", argv[0]);
        return 2;
    }
    put_images(argv[1]);
    put_messages(argv[1]);
    put_signatures(argv[1]);
    put_snapshots(argv[1]);
    return failures != 0;
}
