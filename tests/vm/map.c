/* SPDX-License-Identifier: Apache-2.0 */
/* Files and buffers for guests. */
#include "map.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

/* ---- Files and what is in them ------------------------- */

static uint64_t random_state = 0x9e3779b97f4a7c15;

uint64_t map_random(void)
{
    random_state ^= random_state << 13;
    random_state ^= random_state >> 7;
    random_state ^= random_state << 17;
    return random_state;
}

void map_file_make(struct map_file *file, uint64_t size)
{
    const uint64_t room = (size + PAGE - 1) / PAGE * PAGE;
    uint64_t i;
    int fd;

    snprintf(file->path, sizeof file->path, "/tmp/hl-map-XXXXXX");
    fd = mkstemp(file->path);
    CHECK(fd >= 0);
    file->size = size;
    file->bytes = aligned_alloc(PAGE, room);
    memset(file->bytes, 0, room);
    for (i = 0; i + 8 <= size; i += 8)
        *(uint64_t *)(void *)(file->bytes + i) = map_random();
    for (i = 0; i < size;)
        i += (uint64_t)write(fd, file->bytes + i, size - i);
    close(fd);
}

void map_file_drop(struct map_file *file)
{
    unlink(file->path);
    free(file->bytes);
}

bool map_file_is(const struct map_file *file, const uint8_t *bytes)
{
    FILE *stream = fopen(file->path, "rb");
    uint8_t *found = malloc(file->size);
    bool same;

    CHECK(stream && fread(found, 1, file->size, stream) == file->size);
    same = !memcmp(found, bytes, file->size);
    fclose(stream);
    free(found);
    return same;
}

/* As the guest's Sum. */
uint64_t map_sum_of(const uint8_t *bytes, uint64_t size)
{
    uint64_t sum = 0, word, i;

    for (i = 0; i < size; i += sizeof word) {
        memcpy(&word, bytes + i, sizeof word);
        sum = (sum << 1 | sum >> 63) ^ word;
    }
    return sum;
}

hl_mapping map_file(const struct map_file *file, bool writable)
{
    return (hl_mapping){
        .struct_size = sizeof(hl_mapping), .path = file->path, .writable = writable};
}

hl_mapping map_buffer(const void *data, uint64_t size)
{
    return (hl_mapping){.struct_size = sizeof(hl_mapping), .data = data, .size = size};
}

/* ---- In the guest ------------------------- */

/* A sandbox of `memory`. */
hl_sandbox *map_box(const hl_config *config)
{
    return vm_box("memory", NULL, config);
}

uint64_t map_in(hl_sandbox *box, hl_mapping mapping)
{
    uint64_t address;
    hl_error err;

    if (hl_sandbox_map(&address, box, &mapping, &err))
        FAIL("map: %d, %s", err.status, err.text);
    CHECK_STR(err.text, "ok");
    return address;
}

void map_out(hl_sandbox *box, uint64_t address)
{
    hl_error err;

    if (hl_sandbox_unmap(box, address, &err))
        FAIL("unmap: %d, %s", err.status, err.text);
    CHECK_STR(err.text, "ok");
}

uint64_t map_peek(hl_sandbox *box, uint64_t address)
{
    return vm_call(box, "Peek", ARGS(hl_u64(address))).as.u64;
}

void map_poke(hl_sandbox *box, uint64_t address, uint64_t value)
{
    vm_call(box, "Poke", ARGS(hl_u64(address), hl_u64(value)));
}

uint64_t map_sum(hl_sandbox *box, uint64_t address, uint64_t size)
{
    return vm_call(box, "Sum", ARGS(hl_u64(address), hl_u64(size))).as.u64;
}

void map_peek_faults(hl_sandbox *box, uint64_t address)
{
    hl_error err;

    vm_expect(HL_E_FAULT, "nothing is mapped there", box, "Peek", ARGS(hl_u64(address)), &err);
    CHECK_INT(err.address, address);
}

hl_snapshot *map_take(hl_sandbox *box)
{
    hl_snapshot *snapshot;
    hl_error err;

    if (hl_snapshot_take(&snapshot, box, &err))
        FAIL("take: %d, %s", err.status, err.text);
    return snapshot;
}

void map_restore(hl_sandbox *box, const hl_snapshot *snapshot)
{
    hl_error err;

    if (hl_sandbox_restore(box, snapshot, &err))
        FAIL("restore: %d, %s", err.status, err.text);
}

hl_sandbox *map_clone(const hl_snapshot *snapshot)
{
    hl_sandbox *box;
    hl_error err;

    if (hl_sandbox_create_from(&box, snapshot, NULL, NULL, &err))
        FAIL("create_from: %d, %s", err.status, err.text);
    return box;
}

/* The area that begins there. */
hl_area map_area(const hl_sandbox *box, uint64_t address)
{
    hl_area area;
    size_t i;

    for (i = 0; hl_sandbox_area(&area, box, i); i++)
        if (area.address == address)
            return area;
    return (hl_area){NULL, 0, 0, 0};
}
