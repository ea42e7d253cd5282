/* SPDX-License-Identifier: Apache-2.0 */
/* Allocations that fail when a test wants it. */
#include "alloc.h"

#include <stddef.h>

static _Thread_local bool armed, failed;
static _Thread_local uint32_t left;

void *__real_malloc(size_t size);
void *__real_calloc(size_t count, size_t size);
void *__real_realloc(void *at, size_t size);
void *__wrap_malloc(size_t size);
void *__wrap_calloc(size_t count, size_t size);
void *__wrap_realloc(void *at, size_t size);

void alloc_fails_after(uint32_t count)
{
    armed = true;
    failed = false;
    left = count;
}

bool alloc_works(void)
{
    armed = false;
    return failed;
}

static bool fails(void)
{
    if (!armed)
        return false;
    if (!left)
        return failed = true;
    left--;
    return false;
}

void *__wrap_malloc(size_t size)
{
    return fails() ? NULL : __real_malloc(size);
}

void *__wrap_calloc(size_t count, size_t size)
{
    return fails() ? NULL : __real_calloc(count, size);
}

void *__wrap_realloc(void *at, size_t size)
{
    return fails() ? NULL : __real_realloc(at, size);
}
