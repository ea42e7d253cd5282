/* SPDX-License-Identifier: Apache-2.0 */
/* The guest's C library under its test names, and what it reports to the runtime. */
#ifndef HL_TESTS_GUEST_LIBC_H
#define HL_TESTS_GUEST_LIBC_H

#include "../test.h"

#include <ctype.h>
#include <setjmp.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* The same type as the host's function of this name. */
#define OURS(name) extern __typeof__(name) hl_t_##name

OURS(memcpy);
OURS(memmove);
OURS(memset);
OURS(memcmp);
OURS(strlen);
OURS(strnlen);
OURS(strcmp);
OURS(strncmp);
OURS(strcpy);
OURS(strncpy);
OURS(strcat);
OURS(strncat);
OURS(strspn);
OURS(strcspn);
OURS(strtok_r);
OURS(strdup);
OURS(strndup);
OURS(malloc);
OURS(calloc);
OURS(realloc);
OURS(free);
OURS(aligned_alloc);
OURS(abort);
OURS(abs);
OURS(labs);
OURS(llabs);
OURS(strtol);
OURS(strtoul);
OURS(strtoll);
OURS(strtoull);
OURS(qsort);
OURS(bsearch);
OURS(snprintf);
OURS(vsnprintf);
OURS(printf);
OURS(vprintf);
OURS(puts);
OURS(putchar);
OURS(memchr);
OURS(memrchr);
OURS(strchr);
OURS(strrchr);
OURS(strstr);
OURS(strpbrk);
OURS(isalnum);
OURS(isalpha);
OURS(isblank);
OURS(iscntrl);
OURS(isdigit);
OURS(isgraph);
OURS(islower);
OURS(isprint);
OURS(ispunct);
OURS(isspace);
OURS(isupper);
OURS(isxdigit);
OURS(tolower);
OURS(toupper);

extern int hl__errno;
void hl__assert_failed(const char *condition, const char *file, int line) __attribute__((noreturn));
void hl__heap_init(void *base, size_t size);

/* What the library last handed to hl_abort. */
extern jmp_buf abort_jump;
extern volatile bool abort_awaited;
extern int32_t abort_code;
extern char abort_text[512];

/* The statement must end in hl_abort with this code and a text with this part. */
#define CHECK_ABORTS(code, part, statement) \
    do { \
        abort_awaited = true; \
        if (setjmp(abort_jump) == 0) { \
            statement; \
            FAIL("%s did not abort", #statement); \
        } \
        CHECK_INT(abort_code, code); \
        CHECK_HAS(abort_text, part); \
    } while (0)

/* A fixed sequence of numbers; random_below(n) is below n. */
uint64_t random_bits(void);
size_t random_below(size_t limit);

/* `size` fresh zero bytes that end at a page which faults. */
unsigned char *guarded(size_t size);

#endif
