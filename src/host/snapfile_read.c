/* SPDX-License-Identifier: Apache-2.0 */
/* Loading snapshots: the header, and what becomes of a checked file. */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "crc32c.h"
#include "error.h"
#include "snapfile.h"

/* Most that any guest can have: image, stack, init data, heap, mapped files. */
#define PAGES_MAX ((IMAGE_SPAN_MAX + (130ull << 30)) / HL_PAGE)
#define FUNCTION_TEXT_MAX (HL_NAME_MAX + 1u + HL_SIGNATURE_TEXT_MAX)

/* ---- Is it for us? ----------------------------------------------------------------- */

static hl_status check_kind(const struct snapfile_header *head, hl_error *err)
{
    if (head->kind != SNAPFILE_VM && head->kind != SNAPFILE_PROCESS)
        return error_set(err, HL_E_IMAGE, "kind is %u, wanted %d (virtual machine) or %d (process)",
                         head->kind, SNAPFILE_VM, SNAPFILE_PROCESS);
    if (head->machine != SNAPFILE_X86_64)
        return error_set(err, HL_E_UNSUPPORTED, "machine is %u, wanted %d (x86-64)", head->machine,
                         SNAPFILE_X86_64);
    return HL_OK;
}

/* The sum comes after what says how the rest is to be read. */
static hl_status check_identity(const struct snapfile_header *head, hl_error *err)
{
    const uint32_t sum = crc32c(0, head, offsetof(struct snapfile_header, header_checksum));

    if (memcmp(head->magic, SNAPFILE_MAGIC, sizeof head->magic))
        return error_set(err, HL_E_IMAGE, "not a snapshot file: it does not begin with \"HLsnap\"");
    if (head->byte_order != SNAPFILE_ORDER)
        return error_set(err, HL_E_IMAGE, "byte_order is 0x%08x, wanted 0x%08x (little endian)",
                         head->byte_order, SNAPFILE_ORDER);
    if (head->version != SNAPFILE_VERSION)
        return error_set(err, HL_E_ABI, "version is %u, this library reads version %u",
                         head->version, SNAPFILE_VERSION);
    if (head->header_checksum != sum)
        return error_set(err, HL_E_IMAGE, "header_checksum is 0x%08x, the header has 0x%08x",
                         head->header_checksum, sum);
    if (head->abi < HL_ABI_MINIMUM || head->abi > HL_ABI_VERSION)
        return error_set(err, HL_E_ABI, "abi is %u, this library understands %u to %u", head->abi,
                         HL_ABI_MINIMUM, HL_ABI_VERSION);
    return check_kind(head, err);
}

/* ---- Can this processor run it? ------------------------------------------------------ */

static hl_status check_features(const struct snapfile_header *head, hl_error *err)
{
    const bool avx = head->flags & SNAPFILE_AVX;
    const uint64_t wanted = head->features | (avx ? 1ull << X86_FEATURE_AVX : 0);
    const uint64_t missing = wanted & ~x86_features(avx || head->kind == SNAPFILE_PROCESS);
    unsigned bit = 0;
    char here[X86_VENDOR_SIZE];

    if (head->flags & ~(uint32_t)SNAPFILE_AVX)
        return error_set(err, HL_E_IMAGE, "flags is 0x%x, wanted 0 or %d (AVX)", head->flags,
                         SNAPFILE_AVX);
    if (!missing)
        return HL_OK;
    while (!(missing >> bit & 1))
        bit++;
    if (!x86_feature_name(bit))
        return error_set(err, HL_E_UNSUPPORTED,
                         "features: bit %u, which this library does not know", bit);
    x86_vendor(here);
    return error_set(err, HL_E_UNSUPPORTED,
                     "features: the guest may use %s, which it cannot on this processor (%.12s); "
                     "the snapshot was taken on one of %.12s",
                     x86_feature_name(bit), here, (const char *)head->vendor);
}

/* ---- Sizes and counts ------------------------------------------------------------------ */

struct limit {
    const char *field;
    uint64_t value, least, most;
};

static hl_status check_counts(const struct snapfile_header *head, hl_error *err)
{
    const uint64_t exports = (uint64_t)head->export_count + head->added_export_count;
    const uint64_t imports = (uint64_t)head->import_count + head->added_import_count;
    const struct limit limits[] = {
        {"segment_count", head->segment_count, 1, IMAGE_SEGMENTS_MAX},
        {"export_count", head->export_count, 0, HL_FUNCTIONS_MAX},
        {"import_count", head->import_count, 0, HL_FUNCTIONS_MAX},
        {"export_count + added_export_count", exports, 0, HL_FUNCTIONS_MAX},
        {"import_count + added_import_count", imports, 0, HL_FUNCTIONS_MAX},
        {"text_size", head->text_size, 0, (exports + imports) * FUNCTION_TEXT_MAX},
        {"page_count", head->page_count, 1, PAGES_MAX},
        {"run_count", head->run_count, 1, head->page_count},
        {"mapped_count", head->mapped_count, 0, MAPPINGS_MAX},
    };
    size_t i;

    for (i = 0; i < sizeof limits / sizeof *limits; i++)
        if (limits[i].value < limits[i].least || limits[i].value > limits[i].most)
            return error_set(err, HL_E_IMAGE, "%s is %" PRIu64 ", wanted %" PRIu64 " to %" PRIu64,
                             limits[i].field, limits[i].value, limits[i].least, limits[i].most);
    for (i = 0; i < sizeof head->reserved; i++)
        if (head->reserved[i])
            return error_set(err, HL_E_IMAGE, "reserved byte %zu of the header is 0x%x, wanted 0",
                             offsetof(struct snapfile_header, reserved) + i, head->reserved[i]);
    return HL_OK;
}

static hl_status check_size(struct snapfile *f, hl_error *err)
{
    snapfile_places(&f->places, &f->head);
    if (f->head.file_size != f->places.end)
        return error_set(err, HL_E_IMAGE,
                         "file_size is %" PRIu64 ", the header's counts make %" PRIu64,
                         f->head.file_size, f->places.end);
    if (f->file.size != f->head.file_size)
        return error_set(err, HL_E_IMAGE, "the file has %" PRIu64 " bytes, file_size is %" PRIu64,
                         f->file.size, f->head.file_size);
    return HL_OK;
}

static hl_status read_header(struct snapfile *f, hl_error *err)
{
    hl_status status;

    if (f->file.size < sizeof f->head)
        return error_set(err, HL_E_IMAGE, "%" PRIu64 " bytes, the header alone has %zu",
                         f->file.size, sizeof f->head);
    status = os_file_read_at(&f->file, &f->head, sizeof f->head, 0, err);
    if (!status)
        status = check_identity(&f->head, err);
    if (!status)
        status = check_features(&f->head, err);
    if (!status)
        status = check_counts(&f->head, err);
    return status ? status : check_size(f, err);
}

static hl_status read_block(struct snapfile *f, hl_error *err)
{
    const size_t begin = sizeof f->head, size = (size_t)f->places.data - begin;
    hl_status status;
    uint32_t sum;

    f->block = malloc(begin + size);
    if (!f->block)
        return error_set(err, HL_E_MEMORY, "no memory for %zu bytes of tables", size);
    memcpy(f->block, &f->head, begin);
    status = os_file_read_at(&f->file, f->block + begin, size, begin, err);
    if (status)
        return status;
    sum = crc32c(0, f->block + begin, size);
    if (sum != f->head.tables_checksum)
        return error_set(err, HL_E_IMAGE, "tables_checksum is 0x%08x, the tables have 0x%08x",
                         f->head.tables_checksum, sum);
    return snapfile_read_tables(f, err);
}

hl_status snapfile_open(struct snapfile *out, const char *path, hl_error *err)
{
    hl_status status;

    memset(out, 0, sizeof *out);
    status = os_file_open(&out->file, path, err);
    if (status)
        return status;
    status = read_header(out, err);
    if (!status)
        status = read_block(out, err);
    return status ? error_within(err, path) : HL_OK;
}

void snapfile_close(struct snapfile *file)
{
    os_file_close(&file->file);
    free(file->block);
    image_free(&file->image);
    added_free(&file->exports);
    added_free(&file->imports);
}

/* ---- A snapshot of it ------------------------------------------------------------------- */

/* The guest that the snapshot is of, and its shape. What supervisor memory holds
 * comes from here, never from the file. */
static hl_status take_guest(hl_snapshot *snapshot, struct snapfile *f, hl_error *err)
{
    hl_guest *guest;
    hl_status status = guest_adopt(&guest, &f->image, err);

    f->image.exports = f->image.imports = NULL; /* the guest's; the numbers stay */
    f->image.text = NULL;
    if (status)
        return status;
    status = guest_shape(&snapshot->kind.shape, guest, &f->sizes, err);
    if (status) {
        hl_guest_release(guest);
        return status == HL_E_INVALID ? error_set(err, HL_E_IMAGE,
                                                  "regions need more than 2 MiB "
                                                  "of page tables")
                                      : status;
    }
    snapshot->guest = guest;
    return HL_OK;
}

static hl_status fill(hl_snapshot *snapshot, struct snapfile *f, const struct hv_ops *hv,
                      hl_error *err)
{
    struct content *content;
    hl_status status;

    atomic_init(&snapshot->references, 1);
    snapshot->kind.hv = hv;
    snapshot->kind.avx = f->head.flags & SNAPFILE_AVX;
    snapshot->park.rsp = f->head.rsp;
    snapshot->lineage = sandbox_new_lineage();
    snapshot->exports = f->exports;
    snapshot->imports = f->imports;
    f->exports = f->imports = (struct added_list){NULL, 0};
    status = take_guest(snapshot, f, err);
    if (!status)
        status = snapfile_read_pages(&content, f, err);
    if (!status)
        snapshot->content = content;
    return status;
}

static hl_status load(hl_snapshot **out, struct snapfile *f, const struct hv_ops *hv, hl_error *err)
{
    hl_snapshot *snapshot;
    hl_status status;

    if (!hv || snapfile_kind(hv) != f->head.kind)
        return error_set(err, HL_E_UNSUPPORTED,
                         "kind is %u: the snapshot is of a sandbox in a %s, wanted one in a %s",
                         f->head.kind, snapfile_kind_name(f->head.kind),
                         hv ? snapfile_kind_name(snapfile_kind(hv)) : "?");
    snapshot = calloc(1, sizeof *snapshot);
    if (!snapshot)
        return error_set(err, HL_E_MEMORY, "no memory for a snapshot");
    status = fill(snapshot, f, hv, err);
    if (status)
        hl_snapshot_release(snapshot);
    else
        *out = snapshot;
    return status;
}

hl_status snapshot_load_on(hl_snapshot **out, const struct hv_ops *hv, const char *path,
                           hl_error *err)
{
    hl_error local;
    struct snapfile file;
    hl_status status;

    err = err ? err : &local;
    *out = NULL;
    status = snapfile_open(&file, path, err);
    if (!status) {
        if (!hv)
            hv = hv_find(file.head.kind == SNAPFILE_PROCESS ? HL_HYPERVISOR_PROCESS
                                                            : HL_HYPERVISOR_ANY);
        status = load(out, &file, hv, err);
        if (status)
            error_within(err, path);
    }
    snapfile_close(&file);
    return status ? status : error_none(err);
}

hl_status hl_snapshot_load(hl_snapshot **out, const char *path, hl_error *err)
{
    if (!out)
        return error_set(err, HL_E_INVALID, "hl_snapshot_load: out is NULL");
    *out = NULL;
    if (!path)
        return error_set(err, HL_E_INVALID, "hl_snapshot_load: path is NULL");
    return snapshot_load_on(out, NULL, path, err);
}
