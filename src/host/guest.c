/* SPDX-License-Identifier: Apache-2.0 */
/* Opening guest images and keeping them. */
#include "guest.h"

#include <stdlib.h>
#include <string.h>

#include "error.h"

#define FILE_MAX (1ull << 30) /* bytes of an image file */

static void guest_free(hl_guest *guest)
{
    struct shape *next;

    for (; guest->shapes; guest->shapes = next) {
        next = guest->shapes->next;
        shape_free(guest->shapes);
    }
    names_free(&guest->exports);
    os_unmap(guest->bytes, guest->contents.size);
    os_share_close(&guest->contents);
    image_free(&guest->image);
    free(guest);
}

static hl_status index_exports(hl_guest *guest, hl_error *err)
{
    uint32_t i;

    if (!names_create(&guest->exports, guest->image.export_count))
        return error_set(err, HL_E_MEMORY, "no memory for %u exports", guest->image.export_count);
    for (i = 0; i < guest->image.export_count; i++)
        if (*guest->image.exports[i].name)
            names_add(&guest->exports, guest->image.exports[i].name, i);
    return HL_OK;
}

/* `file` is ours: nobody else can change it while it is read. */
static hl_status load(hl_guest *guest, const uint8_t *file, size_t size, hl_error *err)
{
    hl_status status, sealed;
    uint8_t *memory;

    status = elf_plan(&guest->image, file, size, err);
    if (!status)
        status = os_share_create(&guest->contents, &memory, guest->image.span, err);
    if (status)
        return status;
    status = elf_fill(&guest->image, file, size, memory, err);
    sealed = os_share_seal(&guest->contents, memory, status ? NULL : err);
    if (!status)
        status = sealed;
    if (!status)
        status = os_share_map(&guest->bytes, &guest->contents, err);
    return status ? status : index_exports(guest, err);
}

static hl_guest *make(void)
{
    hl_guest *guest = calloc(1, sizeof *guest);

    if (!guest)
        return NULL;
    atomic_init(&guest->references, 1);
    guest->contents = OS_SHARE_NONE;
    return guest;
}

static hl_status open_private(hl_guest **out, const uint8_t *file, size_t size, hl_error *err)
{
    hl_guest *guest = make();
    hl_status status;

    if (!guest)
        return error_set(err, HL_E_MEMORY, "no memory for a guest");
    status = load(guest, file, size, err);
    if (status) {
        guest_free(guest);
        return status;
    }
    *out = guest;
    return error_none(err);
}

hl_status guest_adopt(hl_guest **out, const struct image *image, hl_error *err)
{
    struct image loose = *image;
    hl_guest *guest = make();
    hl_status status;

    *out = NULL;
    if (!guest) {
        image_free(&loose);
        return error_set(err, HL_E_MEMORY, "no memory for a guest");
    }
    guest->image = loose;
    status = index_exports(guest, err);
    if (status)
        guest_free(guest);
    else
        *out = guest;
    return status;
}

hl_status hl_guest_open(hl_guest **out, const char *path, hl_error *err)
{
    hl_error local;
    hl_status status;
    uint8_t *file;
    size_t size;

    if (!out)
        return error_set(err, HL_E_INVALID, "hl_guest_open: out is NULL");
    *out = NULL;
    if (!path)
        return error_set(err, HL_E_INVALID, "hl_guest_open: path is NULL");
    err = err ? err : &local;
    status = os_file_read(&file, &size, path, FILE_MAX, err);
    if (status)
        return status;
    status = open_private(out, file, size, err);
    free(file);
    return status ? error_within(err, path) : HL_OK;
}

hl_status hl_guest_open_memory(hl_guest **out, const void *image, size_t size, hl_error *err)
{
    hl_status status;
    uint8_t *copy;

    if (!out)
        return error_set(err, HL_E_INVALID, "hl_guest_open_memory: out is NULL");
    *out = NULL;
    if (!image)
        return error_set(err, HL_E_INVALID, "hl_guest_open_memory: image is NULL");
    if (size > FILE_MAX)
        return error_set(err, HL_E_IMAGE, "image of %zu bytes, at most %llu can be read", size,
                         FILE_MAX);
    copy = malloc(size + 1);
    if (!copy)
        return error_set(err, HL_E_MEMORY, "no memory for an image of %zu bytes", size);
    memcpy(copy, image, size);
    status = open_private(out, copy, size, err);
    free(copy);
    return status;
}

/* The counter and the shapes are the only parts of a guest that change. */
static hl_guest *shared(const hl_guest *guest)
{
    return (hl_guest *)(uintptr_t)guest;
}

void hl_guest_retain(const hl_guest *guest)
{
    if (guest)
        atomic_fetch_add(&shared(guest)->references, 1);
}

void hl_guest_release(const hl_guest *guest)
{
    if (guest && atomic_fetch_sub(&shared(guest)->references, 1) == 1)
        guest_free(shared(guest));
}

/* Takes the shape with these sizes out of the list, if it is there. */
static struct shape *take_shape(hl_guest *guest, const struct sizes *sizes)
{
    struct shape **link = &guest->shapes, *shape;

    while (*link && memcmp(&(*link)->sizes, sizes, sizeof *sizes))
        link = &(*link)->next;
    shape = *link;
    if (shape)
        *link = shape->next;
    return shape;
}

/* Frees shapes without users beyond the first few. */
static void forget_shapes(hl_guest *guest)
{
    enum { KEEP = 4 };
    struct shape **link = &guest->shapes, *shape;
    uint32_t idle = 0;

    while (*link) {
        shape = *link;
        if (shape->users || idle++ < KEEP) {
            link = &shape->next;
            continue;
        }
        *link = shape->next;
        shape_free(shape);
    }
}

hl_status guest_shape(const struct shape **out, const hl_guest *guest, const struct sizes *sizes,
                      hl_error *err)
{
    hl_guest *mine = shared(guest);
    struct shape *shape;
    hl_status status = HL_OK;

    lock_take(&mine->lock);
    shape = take_shape(mine, sizes);
    if (!shape)
        status = shape_create(&shape, &guest->image, &guest->contents, guest->bytes, sizes, err);
    if (!status) {
        shape->users++;
        shape->next = mine->shapes;
        mine->shapes = shape;
        forget_shapes(mine);
    }
    lock_drop(&mine->lock);
    *out = shape;
    return status;
}

void guest_shape_use(const hl_guest *guest, const struct shape *shape)
{
    lock_take(&shared(guest)->lock);
    ((struct shape *)(uintptr_t)shape)->users++;
    lock_drop(&shared(guest)->lock);
}

void guest_shape_done(const hl_guest *guest, const struct shape *shape)
{
    lock_take(&shared(guest)->lock);
    ((struct shape *)(uintptr_t)shape)->users--;
    forget_shapes(shared(guest));
    lock_drop(&shared(guest)->lock);
}
