/* SPDX-License-Identifier: Apache-2.0 */
/* Marks what every call runs through. */
#ifndef HL_SHARED_HOT_H
#define HL_SHARED_HOT_H

/* A guest runs with cold caches after each entry, so what is hot stands
 * together in its image. */
#define HL__HOT __attribute__((hot))
#endif
