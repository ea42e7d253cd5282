/* SPDX-License-Identifier: Apache-2.0 */
/* Sorting arrays (a heapsort: no recursion, no memory, no bad input). */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

struct array {
    unsigned char *items;
    size_t size; /* bytes of one item */
    int (*compare)(const void *, const void *);
};

static void swap(unsigned char *a, unsigned char *b, size_t size)
{
    unsigned char kept[64];

    while (size > 0) {
        size_t n = size < sizeof kept ? size : sizeof kept;

        memcpy(kept, a, n);
        memcpy(a, b, n);
        memcpy(b, kept, n);
        a += n;
        b += n;
        size -= n;
    }
}

/* Lets item `at` sink below its children until each parent is the greatest. */
static void sink(const struct array *array, size_t at, size_t count)
{
    size_t size = array->size;

    while (at < count / 2) {
        size_t child = 2 * at + 1;
        unsigned char *parent = array->items + at * size;
        unsigned char *greater = array->items + child * size;

        if (child + 1 < count && array->compare(greater, greater + size) < 0) {
            child++;
            greater += size;
        }
        if (array->compare(parent, greater) >= 0)
            break;
        swap(parent, greater, size);
        at = child;
    }
}

void qsort(void *items, size_t count, size_t size, int (*compare)(const void *, const void *))
{
    struct array array = {items, size, compare};

    for (size_t at = count / 2; at > 0; at--)
        sink(&array, at - 1, count);
    for (size_t left = count; left > 1; left--) {
        swap(array.items, array.items + (left - 1) * size, size);
        sink(&array, 0, left - 1);
    }
}

void *bsearch(const void *key, const void *items, size_t count, size_t size,
              int (*compare)(const void *, const void *))
{
    const unsigned char *low = items;

    while (count > 0) {
        const unsigned char *middle = low + count / 2 * size;
        int order = compare(key, middle);

        if (order == 0)
            return (void *)middle;
        if (order > 0) {
            low = middle + size;
            count--;
        }
        count /= 2;
    }
    return NULL;
}
