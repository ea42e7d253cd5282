/* SPDX-License-Identifier: Apache-2.0 */
/* A guest's memory as its virtual addresses have it. */
#ifndef HL_HOST_REGIONS_H
#define HL_HOST_REGIONS_H

#include "hv/hv.h"
#include "layout.h"

enum { REGIONS_MAX = 1 + AREA_COUNT + IMAGE_SEGMENTS_MAX };

/* Fills out[] and gives their number. */
uint32_t regions_list(struct hv_region out[REGIONS_MAX], const struct layout *layout,
                      const struct image *image);
#endif
