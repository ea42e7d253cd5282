/* SPDX-License-Identifier: Apache-2.0 */
/* The snapshot file: docs/snapshot-format.md tells its story. */
#ifndef HL_HOST_SNAPFILE_H
#define HL_HOST_SNAPFILE_H

#include "arch/x86_64/features.h"
#include "snapshot.h"

/* ---- What lies in the file: little endian, in this order, no gaps ------------- */

#define SNAPFILE_MAGIC "HLsnap\r\n" /* 8 bytes; a transfer as text breaks it */
#define SNAPFILE_ORDER 0x01020304u
#define SNAPFILE_VERSION 1u

enum { SNAPFILE_VM = 1, SNAPFILE_PROCESS = 2 }; /* kind: what can run it */
enum { SNAPFILE_X86_64 = 1 };                   /* machine */
enum { SNAPFILE_AVX = 1 };                      /* flags */

struct snapfile_header {
    uint8_t magic[8];
    uint32_t byte_order, version;
    uint32_t kind, machine;
    uint32_t abi;        /* in force between this guest and its host */
    uint32_t flags;      /* SNAPFILE_AVX; all others 0 */
    uint64_t features;   /* x86_features where it was taken: the guest may use them */
    uint8_t vendor[16];  /* of that processor, zeros behind; a note, nothing depends on it */
    uint64_t rsp;        /* of the parked guest: whatever it left there */
    uint64_t init_size;  /* bytes of init data */
    uint32_t call_depth; /* calls in progress at most */
    uint32_t segment_count;
    uint32_t export_count, import_count;             /* of the image */
    uint32_t added_export_count, added_import_count; /* at run time */
    uint32_t text_size;                              /* bytes of names and signatures */
    uint32_t run_count;
    uint64_t page_count; /* of all runs */
    uint64_t file_size;  /* bytes, all of it */
    uint64_t map_size;   /* bytes of addresses for mapped files */
    uint32_t mapped_count;
    uint8_t reserved[116];
    uint32_t tables_checksum; /* of all bytes between header and data */
    uint32_t header_checksum; /* of the bytes before it */
};

/* segment_count of kind IMAGE, then one each of the others, in this order, then
 * mapped_count of kind MAPPED; so they ascend by address. */
enum snapfile_region_kind {
    SNAPFILE_IMAGE = 1,
    SNAPFILE_STACK,
    SNAPFILE_REQUESTS,
    SNAPFILE_REPLIES,
    SNAPFILE_INIT,
    SNAPFILE_HEAP,
    SNAPFILE_MAPPED
};
struct snapfile_region {
    uint64_t address, size; /* guest virtual, whole pages */
    uint32_t kind, access;  /* HL_READ | HL_WRITE | HL_EXECUTE */
};
enum {
    SNAPFILE_AREAS = SNAPFILE_HEAP - SNAPFILE_IMAGE,
    SNAPFILE_REGIONS_MAX = IMAGE_SEGMENTS_MAX + SNAPFILE_AREAS + MAPPINGS_MAX
};

/* Pages that are in the file, ascending; each run within one region that is not
 * REQUESTS or REPLIES. What is in no run is zero. */
struct snapfile_run {
    uint64_t address, size;
};

/* Then one CRC32C for each chunk of page data; the text: for each function name
 * and signature, each closed by a NUL; zeros up to a whole page; the pages. */
#define SNAPFILE_CHUNK (1u << 20)

_Static_assert(sizeof(struct snapfile_header) == 256, "header");
_Static_assert(offsetof(struct snapfile_header, vendor) == 40, "header, first part");
_Static_assert(offsetof(struct snapfile_header, export_count) == 80, "header, counts");
_Static_assert(offsetof(struct snapfile_header, file_size) == 112, "header, sizes");
_Static_assert(offsetof(struct snapfile_header, header_checksum) == 252, "header, last part");
_Static_assert(sizeof(struct snapfile_region) == 24, "region");
_Static_assert(sizeof(struct snapfile_run) == 16, "run");

/* ---- What both directions know -------------------------------------------------- */

/* Where each part begins, by the header's counts, which are in range. */
struct snapfile_places {
    uint64_t regions, runs, checksums, text, text_end, data, end;
    uint32_t region_count;
    uint64_t chunk_count;
};
void snapfile_places(struct snapfile_places *out, const struct snapfile_header *head);

/* The table that an image and a layout make, but for mapped files; its length. */
uint32_t snapfile_regions(struct snapfile_region out[SNAPFILE_REGIONS_MAX],
                          const struct image *image, const struct layout *layout);
const char *snapfile_region_name(uint32_t kind); /* "?" if there is no such kind */
static inline bool snapfile_holds_pages(uint32_t kind)
{
    return kind != SNAPFILE_REQUESTS && kind != SNAPFILE_REPLIES;
}

/* Of an address in a region. */
static inline uint64_t snapfile_gpa(const struct image *image, const struct layout *layout,
                                    uint64_t address)
{
    return address - image->base < image->span ? layout->image_gpa + (address - image->base)
                                               : layout_gpa(address);
}

/* What a backend's sandboxes are in. */
static inline uint32_t snapfile_kind(const struct hv_ops *hv)
{
    return hv->id == HL_HYPERVISOR_PROCESS ? SNAPFILE_PROCESS : SNAPFILE_VM;
}
static inline const char *snapfile_kind_name(uint32_t kind)
{
    return kind == SNAPFILE_PROCESS ? "process" : "virtual machine";
}

/* ---- Reading ---------------------------------------------------------------------- */

struct snapfile { /* one that is being read; snapfile_close ends it */
    os_file file;
    struct snapfile_header head;
    struct snapfile_places places;
    uint8_t *block;                        /* all before the pages, checked against its sums */
    const struct snapfile_region *regions; /* in it */
    const struct snapfile_run *runs;
    const uint32_t *checksums;
    /* From the tables. */
    struct image image;
    struct sizes sizes;
    struct layout layout;
    uint32_t memory_runs; /* the first ones; the others are of mapped files */
    struct added_list exports, imports;
};

/* Opens it and checks the header and all tables. E_IMAGE: the field, found and
 * wanted; E_ABI, E_UNSUPPORTED: what the file needs. *out needs snapfile_close
 * in any case. */
hl_status snapfile_open(struct snapfile *out, const char *path, hl_error *err);
void snapfile_close(struct snapfile *file);
/* A part of that: the tables, once the block is read. */
hl_status snapfile_read_tables(struct snapfile *file, hl_error *err);
/* The pages, checked, as a content that new VMs have views of. */
hl_status snapfile_read_pages(struct content **out, const struct snapfile *file, hl_error *err);

/* As hl_snapshot_load, for sandboxes on a given backend. */
hl_status snapshot_load_on(hl_snapshot **out, const struct hv_ops *hv, const char *path,
                           hl_error *err);
#endif
