/* SPDX-License-Identifier: Apache-2.0 */
/* Mapping files and buffers into sandboxes. */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "error.h"
#include "sandbox.h"

/* ---- What is asked -------------------------------------------------------------------- */

static hl_status bad(hl_error *err, const char *member, uint64_t found, const char *wanted)
{
    return error_set(err, HL_E_INVALID, "hl_mapping.%s is %" PRIu64 ", wanted %s", member, found,
                     wanted);
}

static hl_status check(const hl_mapping *given, hl_error *err)
{
    if (given->struct_size != sizeof *given)
        return bad(err, "struct_size", given->struct_size,
                   "sizeof(hl_mapping); write: mapping.struct_size = sizeof mapping;");
    if (!given->path == !given->data)
        return error_set(err, HL_E_INVALID, "hl_mapping: %s of path and data, wanted one",
                         given->path ? "both" : "none");
    if (given->writable > 1)
        return bad(err, "writable", given->writable, "0 or 1");
    if (given->offset % HL_PAGE)
        return bad(err, "offset", given->offset, "a multiple of 4096");
    if (given->size % HL_PAGE)
        return bad(err, "size", given->size, "a multiple of 4096");
    if (given->path)
        return HL_OK;
    if (given->writable)
        return bad(err, "writable", 1, "0: only files can be mapped copy-on-write");
    if (given->offset)
        return bad(err, "offset", given->offset, "0 with data");
    if (!given->size)
        return bad(err, "size", 0, "the bytes of data");
    if ((uintptr_t)given->data % HL_PAGE)
        return error_set(err, HL_E_INVALID,
                         "hl_mapping.data is 0x%" PRIxPTR ", wanted a multiple of 4096: what else "
                         "is in its pages would be the guest's to read",
                         (uintptr_t)given->data);
    return HL_OK;
}

/* Part of a file, which begins and ends within it. */
static hl_status choose_part(struct mapping *mapping, const hl_mapping *given, hl_error *err)
{
    const uint64_t size = HL_ALIGN_UP(mapping->file.size, HL_PAGE);

    if (given->offset >= size)
        return error_set(err, HL_E_INVALID,
                         "%s: hl_mapping.offset is %" PRIu64 ", the file has %" PRIu64 " bytes",
                         given->path, given->offset, mapping->file.size);
    if (given->size > size - given->offset)
        return error_set(err, HL_E_INVALID,
                         "%s: hl_mapping.size is %" PRIu64 ", the file has %" PRIu64
                         " bytes from %" PRIu64 " on",
                         given->path, given->size, mapping->file.size - given->offset,
                         given->offset);
    mapping->offset = given->offset;
    mapping->size = given->size ? given->size : size - given->offset;
    mapping->writable = given->writable;
    return HL_OK;
}

static hl_status make(struct mapping **out, const hl_mapping *given, hl_error *err)
{
    hl_status status;
    os_file file;

    if (given->data) {
        *out = mapping_of_buffer(given->data);
    } else {
        status = os_file_open(&file, given->path, err);
        if (status)
            return status;
        *out = mapping_of_file(&file, given->path);
    }
    if (!*out)
        return error_set(err, HL_E_MEMORY, "no memory for a mapping");
    (*out)->size = given->size;
    status = given->data ? HL_OK : choose_part(*out, given, err);
    if (status)
        mapping_release(*out);
    return status;
}

/* ---- Where it goes ---------------------------------------------------------------------- */

static const struct mapping *mapped_at(const hl_sandbox *box, uint32_t place)
{
    return box->vm && box->vm->mapped ? box->vm->mapped[place].is : NULL;
}

static uint64_t room_end(const struct mapping *mapping) /* a page at least stays unmapped */
{
    return HL_ALIGN_UP(mapping->address + mapping->size + HL_PAGE, LAYOUT_MAP_STEP);
}

/* The lowest address that has room; 0: none. */
static uint64_t find_room(const hl_sandbox *box, uint64_t size)
{
    const struct layout *layout = &box->shape->layout;
    const uint64_t end = layout->map_address + layout->map_size;
    const struct mapping *other;
    uint64_t at = layout->map_address;
    uint32_t i = 0;

    while (i < MAPPINGS_MAX) {
        other = mapped_at(box, i++);
        if (!other || at >= room_end(other) || at + size + HL_PAGE <= other->address)
            continue;
        at = room_end(other);
        i = 0;
    }
    return at <= end && size <= end - at ? at : 0;
}

static hl_status map(hl_sandbox *box, struct mapping *mapping, hl_error *err)
{
    uint32_t place = 0;
    hl_status status;

    while (place < MAPPINGS_MAX && mapped_at(box, place))
        place++;
    if (place == MAPPINGS_MAX)
        return error_set(err, HL_E_INVALID,
                         "%d files and buffers are mapped, the most there can be", MAPPINGS_MAX);
    mapping->address = mapping->size <= box->shape->layout.map_size ? find_room(box, mapping->size)
                                                                    : 0;
    if (!mapping->address)
        return error_set(err, HL_E_INVALID,
                         "no room for %" PRIu64 " bytes in hl_config.map_size, %" PRIu64,
                         mapping->size, box->shape->layout.map_size);
    status = box->kind.hv->renew ? mapping_copy(mapping, err) : HL_OK;
    return status ? status : vm_map(box->vm, place, mapping, err);
}

/* What the sandbox is afterwards. */
static hl_status settle(hl_sandbox *box, hl_status status, int before, const hl_error *err)
{
    if (status && status != HL_E_INVALID && box->vm->lost)
        return sandbox_die(box, err);
    atomic_store(&box->state, before);
    return status;
}

/* ---- For applications ---------------------------------------------------------------------- */

hl_status hl_sandbox_map(uint64_t *address, hl_sandbox *box, const hl_mapping *given, hl_error *err)
{
    struct mapping *mapping;
    hl_status status;
    hl_error local;
    int before;

    err = err ? err : &local;
    if (!address)
        return error_set(err, HL_E_INVALID, "hl_sandbox_map: address is NULL");
    *address = 0;
    if (!box || !given)
        return error_set(err, HL_E_INVALID, "hl_sandbox_map: %s is NULL", box ? "mapping" : "box");
    status = check(given, err);
    if (!status)
        status = make(&mapping, given, err);
    if (status)
        return status;
    status = sandbox_claim(box, "hl_sandbox_map", false, &before, err);
    if (!status)
        status = settle(box, map(box, mapping, err), before, err);
    if (!status)
        *address = mapping->address;
    mapping_release(mapping);
    return status ? status : error_none(err);
}

static hl_status unmap(hl_sandbox *box, uint64_t address, hl_error *err)
{
    uint32_t i;

    for (i = 0; i < MAPPINGS_MAX; i++)
        if (mapped_at(box, i) && mapped_at(box, i)->address == address)
            return vm_unmap(box->vm, i, err);
    return error_set(err, HL_E_INVALID, "hl_sandbox_unmap: nothing is mapped at 0x%" PRIx64,
                     address);
}

hl_status hl_sandbox_unmap(hl_sandbox *box, uint64_t address, hl_error *err)
{
    hl_status status;
    hl_error local;
    int before;

    err = err ? err : &local;
    if (!box)
        return error_set(err, HL_E_INVALID, "hl_sandbox_unmap: box is NULL");
    status = sandbox_claim(box, "hl_sandbox_unmap", true, &before, err);
    if (status)
        return status;
    status = settle(box, unmap(box, address, err), before, err);
    return status ? status : error_none(err);
}
