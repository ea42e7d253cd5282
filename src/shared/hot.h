/* SPDX-License-Identifier: Apache-2.0 */
/* Marks what every call runs through. */
#ifndef HL_SHARED_HOT_H
#define HL_SHARED_HOT_H

/* A guest after an entry, and the host after an exit, run with cold caches: so
 * what is hot stands together, in images and in the library. */
#define HL__HOT __attribute__((hot))
#endif
