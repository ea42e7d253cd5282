/* SPDX-License-Identifier: Apache-2.0 */
/* Makes sandboxes on a given tracker, and compares all of their memory. */
#include "inside.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "../../src/host/arch/x86_64/system.h"

/* ---- Sandboxes ----------------------------------------------------------------- */

hl_sandbox *inside_create(const struct hv_ops *hv, const hl_guest *guest, const hl_host *host,
                          const hl_config *config)
{
    hl_sandbox *box = NULL;
    hl_error err;

    if (sandbox_create_on(&box, hv, guest, host, config, &err))
        FAIL("create: %d, %s", err.status, err.text);
    return box;
}

hl_sandbox *inside_box(const struct hv_ops *hv, const char *name, const hl_config *config)
{
    hl_guest *guest = vm_guest(name);
    hl_sandbox *box = inside_create(hv, guest, NULL, config);

    hl_guest_release(guest);
    return box;
}

hl_sandbox *inside_clone(const hl_snapshot *snapshot, const hl_host *host, const hl_config *config)
{
    hl_sandbox *box;
    hl_error err;

    if (hl_sandbox_create_from(&box, snapshot, host, config, &err))
        FAIL("create_from: %d, %s", err.status, err.text);
    return box;
}

void inside_restore(hl_sandbox *box, const hl_snapshot *snapshot)
{
    hl_error err;

    if (hl_sandbox_restore(box, snapshot, &err))
        FAIL("restore: %d, %s", err.status, err.text);
    CHECK_INT(hl_sandbox_state(box), HL_READY);
}

/* ---- Which pages there are -------------------------------------------------------- */

/* The kernel's word for each page of guest memory: zero where nothing is mapped
 * (Documentation/admin-guide/mm/pagemap.rst). malloc'd. */
static uint64_t *page_map(const struct vm *vm)
{
    const uint64_t size = vm->memory.layout->memory_size / PAGE * sizeof(uint64_t);
    const uint64_t first = (uintptr_t)vm->memory.base / PAGE * sizeof(uint64_t);
    uint64_t *map = malloc(size), done = 0;
    int fd = open("/proc/self/pagemap", O_RDONLY);
    ssize_t n;

    CHECK(map && fd >= 0);
    while (done < size) {
        n = pread(fd, (uint8_t *)map + done, size - done, (off_t)(first + done));
        CHECK(n > 0);
        done += (uint64_t)n;
    }
    close(fd);
    return map;
}

static bool in_base(const struct vm *vm, uint64_t number)
{
    const struct base *base = vm->content->base;
    uint32_t i;

    for (i = 0; i < base->run_count; i++)
        if (number * PAGE - base->runs[i].gpa < base->runs[i].size)
            return true;
    return false;
}

/* May the page be something else than zero? Others are not touched, so that
 * looking at memory does not fill it. */
static bool may_have_bytes(const struct vm *vm, const uint64_t *map, uint64_t number)
{
    const uint64_t present = 1ull << 63, swapped = 1ull << 62;

    return map[number] & (present | swapped) || in_base(vm, number);
}

static bool in_area(const struct vm *vm, int area, uint64_t number)
{
    const struct hl_area *in = &vm->memory.layout->areas[area];

    return number * PAGE - layout_gpa(in->address) < in->size;
}

static bool is_message(const struct vm *vm, uint64_t number)
{
    return in_area(vm, AREA_REPLIES, number) || in_area(vm, AREA_REQUESTS, number);
}

/* ---- Copying and comparing ---------------------------------------------------------- */

static const uint8_t zeros[PAGE];

static const uint8_t *page_at(const struct vm *vm, uint64_t number)
{
    return vm->memory.base + number * PAGE;
}

void inside_copy_take(struct inside_copy *out, const struct vm *vm)
{
    const uint64_t pages = vm->memory.layout->memory_size / PAGE;
    uint64_t *map = page_map(vm), number, room = 0;

    *out = (struct inside_copy){0, NULL};
    for (number = SYSTEM_SIZE / PAGE; number < pages; number++) {
        if (!may_have_bytes(vm, map, number) || is_message(vm, number) ||
            !memcmp(page_at(vm, number), zeros, PAGE))
            continue;
        if (out->count == room) {
            room = room * 2 + 64;
            out->pages = realloc(out->pages, room * sizeof *out->pages);
            CHECK(out->pages);
        }
        out->pages[out->count].number = number;
        memcpy(out->pages[out->count++].bytes, page_at(vm, number), PAGE);
    }
    free(map);
}

void inside_copy_free(struct inside_copy *copy)
{
    free(copy->pages);
    *copy = (struct inside_copy){0, NULL};
}

static void check_page(const uint8_t *found, const uint8_t *wanted, uint64_t number,
                       const char *what)
{
    uint32_t i = 0;

    if (!memcmp(found, wanted, PAGE))
        return;
    while (found[i] == wanted[i])
        i++;
    FAIL("%s: byte 0x%x of guest-physical page 0x%llx is %#x, wanted %#x", what, i,
         (unsigned long long)number, found[i], wanted[i]);
}

static void check(struct vm *vm, const struct inside_copy *copy, bool messages)
{
    const uint64_t pages = vm->memory.layout->memory_size / PAGE;
    uint64_t *map = page_map(vm), number, at = 0;
    const uint8_t *wanted;

    vm_lay(vm); /* as its next entry would */
    for (number = SYSTEM_SIZE / PAGE; number < pages; number++) {
        wanted = zeros;
        if (at < copy->count && copy->pages[at].number == number)
            wanted = copy->pages[at++].bytes;
        else if (!may_have_bytes(vm, map, number))
            continue;
        if (messages || !is_message(vm, number))
            check_page(page_at(vm, number), wanted, number, "memory");
        if (!is_message(vm, number))
            check_page(content_at(vm->content, number), wanted, number, "content");
    }
    CHECK_INT(at, copy->count);
    free(map);
}

void inside_check(struct vm *vm, const struct inside_copy *copy)
{
    check(vm, copy, true);
}

hl_snapshot *inside_take(struct inside_copy *out, hl_sandbox *box)
{
    hl_snapshot *snapshot;
    hl_error err;

    inside_copy_take(out, box->vm);
    if (hl_snapshot_take(&snapshot, box, &err))
        FAIL("take: %d, %s", err.status, err.text);
    check(box->vm, out, false);
    return snapshot;
}

/* ---- What the process holds --------------------------------------------------------- */

/* The part of a mapping that lies in [from, to), of what it has resident. A
 * mapping that is only partly inside counts with all of it. */
static uint64_t resident(uint64_t from, uint64_t to)
{
    unsigned long long start = 0, end = 0, value;
    FILE *file = fopen("/proc/self/smaps", "r");
    uint64_t sum = 0;
    char line[512];

    CHECK(file);
    while (fgets(line, sizeof line, file)) {
        if (sscanf(line, "%llx-%llx ", &start, &end) == 2)
            continue;
        if (start < to && end > from && sscanf(line, "Rss: %llu kB", &value) == 1)
            sum += value << 10;
    }
    fclose(file);
    return sum;
}

uint64_t inside_resident(const struct vm *vm)
{
    const uint64_t base = (uintptr_t)vm->memory.base;

    return resident(base + SYSTEM_SIZE, base + vm->memory.layout->memory_size);
}

/* By the page map, since areas share a mapping. */
uint64_t inside_resident_area(const struct vm *vm, int area)
{
    const uint64_t pages = vm->memory.layout->memory_size / PAGE;
    uint64_t *map = page_map(vm), number, sum = 0;

    for (number = 0; number < pages; number++)
        if (in_area(vm, area, number) && map[number] >> 62)
            sum += PAGE;
    free(map);
    return sum;
}
