/* SPDX-License-Identifier: Apache-2.0 */
/* A block of bytes that is reused from call to call. */
#ifndef HL_HOST_BUFFER_H
#define HL_HOST_BUFFER_H

#include <stdint.h>
#include <stdlib.h>

struct buffer {
    uint8_t *data;
    size_t capacity;
};

enum { BUFFER_KEEP = 64 * 1024 }; /* a larger block is not kept for small needs */

/* Room for `size` bytes, old contents lost; NULL if there is no memory. */
static inline uint8_t *buffer_room(struct buffer *buffer, size_t size)
{
    if (size <= buffer->capacity && (buffer->capacity <= BUFFER_KEEP || size > BUFFER_KEEP))
        return buffer->data;
    free(buffer->data);
    buffer->capacity = size < 256 ? 256 : size;
    buffer->data = malloc(buffer->capacity);
    if (!buffer->data)
        buffer->capacity = 0;
    return buffer->data;
}

static inline void buffer_free(struct buffer *buffer)
{
    free(buffer->data);
    *buffer = (struct buffer){0};
}
#endif
