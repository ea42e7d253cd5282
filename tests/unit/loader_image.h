/* SPDX-License-Identifier: Apache-2.0 */
/* The image under test in a test program, and changes to it. */
#ifndef HL_TESTS_LOADER_IMAGE_H
#define HL_TESTS_LOADER_IMAGE_H

#include "loader_check.h"

static struct elf_build b;

/* Builds an image, changes it, wants it refused with this text. */
#define REFUSED(kind, change, text) \
    do { \
        elf_build(&b, kind); \
        change; \
        check_refused(&b, HL_E_IMAGE, text); \
    } while (0)
/* The same, but wants it loaded. */
#define TAKEN(kind, change) \
    do { \
        elf_build(&b, kind); \
        change; \
        check_loads(&b); \
    } while (0)
#endif
