/* SPDX-License-Identifier: Apache-2.0 */
/* Loads an image as the library does and checks what every result must hold. */
#ifndef HL_TESTS_LOADER_CHECK_H
#define HL_TESTS_LOADER_CHECK_H

#include "../../src/host/image.h"
#include "elf_build.h"

struct loaded {
    hl_status status;
    struct image image; /* all zero unless status is HL_OK */
    uint8_t *memory;    /* its contents */
    hl_error err;
};

/* Plans and fills; fails the test if the result breaks image.h. */
void load_bytes(struct loaded *out, const void *bytes, size_t size);
void load_built(struct loaded *out, const struct elf_build *build);
void load_free(struct loaded *loaded);

/* The image loads; the image is refused with exactly this text. */
void check_loads(const struct elf_build *build);
void check_refused(const struct elf_build *build, hl_status status, const char *text);

/* Same segments, functions and contents? */
bool load_same(const struct loaded *a, const struct loaded *b);
#endif
