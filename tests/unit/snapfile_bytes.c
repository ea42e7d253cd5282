/* SPDX-License-Identifier: Apache-2.0 */
/* Mends checksums of snapshot files, and gives bytes a path. */
#include "snapfile_bytes.h"

#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "../../src/host/crc32c.h"

static void put_sum(uint8_t *bytes, uint64_t at, uint64_t from, uint64_t end)
{
    const uint32_t sum = crc32c(0, bytes + from, (size_t)(end - from));

    memcpy(bytes + at, &sum, sizeof sum);
}

static void mend_tables(uint8_t *bytes, size_t size, const struct snapfile_header *head)
{
    struct snapfile_places places;
    uint64_t i, from, end;

    snapfile_places(&places, head);
    if (places.data > size)
        return;
    for (i = 0; i < places.chunk_count; i++) {
        from = places.data + i * SNAPFILE_CHUNK;
        end = from + SNAPFILE_CHUNK < size ? from + SNAPFILE_CHUNK : size;
        if (from < end)
            put_sum(bytes, places.checksums + i * sizeof(uint32_t), from, end);
    }
    put_sum(bytes, offsetof(struct snapfile_header, tables_checksum), sizeof *head, places.data);
}

void snapfile_mend(uint8_t *bytes, size_t size)
{
    struct snapfile_header head;

    if (size < sizeof head)
        return;
    memcpy(&head, bytes, sizeof head);
    if (head.page_count < 1ull << 40 && head.segment_count < 1u << 20)
        mend_tables(bytes, size, &head);
    put_sum(bytes, offsetof(struct snapfile_header, header_checksum), 0,
            offsetof(struct snapfile_header, header_checksum));
}

int snapfile_in_memory(char path[SNAPFILE_PATH], const uint8_t *bytes, size_t size)
{
    const int fd = memfd_create("snapshot", MFD_CLOEXEC);

    if (fd < 0)
        return -1;
    snprintf(path, SNAPFILE_PATH, "/proc/self/fd/%d", fd);
    if (size && write(fd, bytes, size) != (ssize_t)size) {
        close(fd);
        return -1;
    }
    return fd;
}
