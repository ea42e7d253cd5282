/* SPDX-License-Identifier: Apache-2.0 */
/* A shape: an image with sizes; all its sandboxes share one system area. */
#ifndef HL_HOST_SHAPE_H
#define HL_HOST_SHAPE_H

#include "content.h"
#include "layout.h"
#include "os/os.h"

struct shape {
    struct sizes sizes;
    struct layout layout;
    os_share system;       /* tables, descriptors, gate, boot block; sealed */
    const uint8_t *bytes;  /* its contents */
    uint64_t table_size;   /* bytes of page tables from SYSTEM_CR3 on */
    uint64_t tails;        /* guest-physical: MAPPINGS_MAX tables for mappings' ends */
    struct content *start; /* the image, parked before its first instruction; NULL without */
    uint64_t start_rsp;
    uint32_t users; /* sandboxes, VMs and snapshots; the guest keeps count */
    struct shape *next;
};

/* Builds a shape for an image whose contents, image->span bytes, outlive it;
 * bytes NULL: nobody starts it from there. shape_free undoes it. E_INVALID if
 * the tables do not fit. */
hl_status shape_create(struct shape **out, const struct image *image, const os_share *contents,
                       const uint8_t *bytes, const struct sizes *sizes, hl_error *err);
void shape_free(struct shape *shape);
#endif
