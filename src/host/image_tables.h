/* SPDX-License-Identifier: Apache-2.0 */
/* What every image loader needs behind its own format. */
#ifndef HL_HOST_IMAGE_TABLES_H
#define HL_HOST_IMAGE_TABLES_H

#include "image.h"

/* [address, address + size) lies within one segment that has all of `access`. */
bool image_holds(const struct image *image, uint64_t address, uint64_t size, uint32_t access);

/* Guest addresses of the first row and behind the last one. */
struct image_table {
    uint64_t start, end;
};

/* Reads both tables from `memory`, the relocated contents for image->base, into
 * image->exports, imports, init, fallback and text. On failure image_free is
 * needed. */
hl_status image_read_tables(struct image *image, const uint8_t *memory,
                            const struct image_table *exports, const struct image_table *imports,
                            hl_error *err);
#endif
