/* SPDX-License-Identifier: Apache-2.0 */
/* A guest image as its loader leaves it: where it goes and what it offers. */
#ifndef HL_HOST_IMAGE_H
#define HL_HOST_IMAGE_H

#include "../shared/abi.h"
#include "../shared/signature.h"

#define IMAGE_SEGMENTS_MAX 16u
#define IMAGE_SPAN_MAX (256ull << 20) /* bytes from the first to the last */

struct image_segment {
    uint64_t address, size; /* guest virtual, whole pages; no two overlap */
    uint32_t access;        /* HL_READ | HL_WRITE | HL_EXECUTE; never W and X */
};

struct image_function {
    const char *name; /* in image.text; "" for none */
    struct hl_signature signature;
    char signature_text[HL_SIGNATURE_TEXT_MAX]; /* canonical */
};

struct image {
    uint32_t abi;                                      /* version in force with this host */
    uint64_t base, span;                               /* all segments lie in [base, base + span) */
    uint64_t entry;                                    /* in an executable segment */
    struct image_segment segments[IMAGE_SEGMENTS_MAX]; /* by address */
    uint32_t segment_count;
    /* Positions are the indexes that frames carry. An init or fallback row
     * stays in exports, with an empty name. */
    struct image_function *exports, *imports;
    uint32_t export_count, import_count;
    uint32_t init, fallback; /* position in exports; HL_INDEX_NAMED if none */
    char *text;              /* one block for all names */
};

/* Loading has two steps, both on hostile input and both free of side effects
 * on failure: plan reads headers and says how much memory the image spans;
 * fill copies the segments to `memory` (image->span zero bytes for address
 * image->base), applies relocations and reads the tables. `file` is a private
 * copy that nobody else can change. Nothing of the image runs.
 * E_IMAGE: the field, what was found and wanted. E_ABI: both versions. */
hl_status elf_plan(struct image *out, const uint8_t *file, size_t size, hl_error *err);
hl_status elf_fill(struct image *image, const uint8_t *file, size_t size, uint8_t *memory,
                   hl_error *err);
void image_free(struct image *image); /* its arrays, not itself */
#endif
