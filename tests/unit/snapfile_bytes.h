/* SPDX-License-Identifier: Apache-2.0 */
/* Snapshot files as bytes, for those who damage them. */
#ifndef HL_TESTS_SNAPFILE_BYTES_H
#define HL_TESTS_SNAPFILE_BYTES_H

#include "../../src/host/snapfile.h"

/* Makes all checksums right that the header's counts leave within the file, so
 * that what is wrong is found by a look at it. */
void snapfile_mend(uint8_t *bytes, size_t size);

/* A file of the same content in memory, at a path that can be opened: SNAPFILE_PATH
 * is room for that. -1: not on this system. Close it. */
enum { SNAPFILE_PATH = 32 };
int snapfile_in_memory(char path[SNAPFILE_PATH], const uint8_t *bytes, size_t size);
#endif
