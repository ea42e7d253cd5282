/* SPDX-License-Identifier: Apache-2.0 */
/* What tools see of guests, sandboxes and snapshots: functions and memory. */
#include "config.h"
#include "snapshot.h"

/* The index-th function that has a name: of a table, then of a list. */
static bool symbol_at(hl_symbol *out, const struct image_function *table, uint32_t count,
                      const struct added_list *added, size_t index)
{
    const uint32_t all = count + (added ? added->count : 0);
    const struct image_function *function;
    uint32_t i;

    for (i = 0; i < all; i++) {
        function = i < count ? &table[i] : &added->items[i - count]->function;
        if (!*function->name || index--)
            continue;
        *out = (hl_symbol){function->name, function->signature_text};
        return true;
    }
    return false;
}

bool hl_guest_export(hl_symbol *out, const hl_guest *guest, size_t index)
{
    return symbol_at(out, guest->image.exports, guest->image.export_count, NULL, index);
}

bool hl_guest_import(hl_symbol *out, const hl_guest *guest, size_t index)
{
    return symbol_at(out, guest->image.imports, guest->image.import_count, NULL, index);
}

bool hl_sandbox_export(hl_symbol *out, const hl_sandbox *box, size_t index)
{
    const struct image *image = &box->guest->image;

    return symbol_at(out, image->exports, image->export_count, &box->exports_added, index);
}

bool hl_snapshot_export(hl_symbol *out, const hl_snapshot *snapshot, size_t index)
{
    const struct image *image = &snapshot->guest->image;

    return symbol_at(out, image->exports, image->export_count, &snapshot->exports, index);
}

bool hl_snapshot_import(hl_symbol *out, const hl_snapshot *snapshot, size_t index)
{
    const struct image *image = &snapshot->guest->image;

    return symbol_at(out, image->imports, image->import_count, &snapshot->imports, index);
}

uint32_t hl_guest_abi(const hl_guest *guest)
{
    return guest->image.abi;
}

uint32_t hl_snapshot_abi(const hl_snapshot *snapshot)
{
    return hl_guest_abi(snapshot->guest);
}

bool hl_guest_fallback(const hl_guest *guest)
{
    return guest->image.fallback != HL_INDEX_NAMED;
}

bool hl_snapshot_fallback(const hl_snapshot *snapshot)
{
    return hl_guest_fallback(snapshot->guest);
}

hl_hypervisor hl_snapshot_hypervisor(const hl_snapshot *snapshot)
{
    return snapshot->kind.hv->id;
}

bool hl_guest_segment(hl_area *out, const hl_guest *guest, size_t index)
{
    const struct image_segment *segment;

    if (index >= guest->image.segment_count)
        return false;
    segment = &guest->image.segments[index];
    *out = (hl_area){"image", segment->address, segment->size, segment->access};
    return true;
}

/* What makes up the memory of a sandbox. */
struct sight {
    const hl_guest *guest;
    const struct layout *layout;
    const struct mapping *maps[MAPPINGS_MAX]; /* NULL: none in this place */
};

/* Keeps the area in *out if it is the lowest so far above `after`. */
static void lowest(hl_area *out, const hl_area *area, uint64_t after)
{
    if (area->size && area->address > after && (!out->size || area->address < out->address))
        *out = *area;
}

/* The area, image segment or mapping with the lowest address above `after`. */
static bool next_area(hl_area *out, const struct sight *sight, uint64_t after)
{
    const struct mapping *map;
    hl_area one;
    uint32_t i;

    *out = (hl_area){.size = 0};
    for (i = 0; i < AREA_COUNT; i++)
        lowest(out, &sight->layout->areas[i], after);
    for (i = 0; hl_guest_segment(&one, sight->guest, i); i++)
        lowest(out, &one, after);
    for (i = 0; i < MAPPINGS_MAX; i++) {
        map = sight->maps[i];
        if (!map)
            continue;
        one = (hl_area){map->name ? "file" : "buffer", map->address, map->size,
                        HL_READ | (map->writable ? HL_WRITE : 0)};
        lowest(out, &one, after);
    }
    return out->size != 0;
}

static bool area_at(hl_area *out, const struct sight *sight, size_t index)
{
    uint64_t after = 0;
    size_t i;

    for (i = 0; i <= index; i++) {
        if (!next_area(out, sight, after))
            return false;
        after = out->address;
    }
    return true;
}

bool hl_guest_area(hl_area *out, const hl_guest *guest, const hl_config *config, size_t index)
{
    struct layout layout;
    const struct sight sight = {guest, &layout, {NULL}};
    hl_config complete;
    struct sizes sizes;

    if (config_complete(&complete, config, NULL))
        return false;
    sizes = config_sizes(&complete);
    layout_plan(&layout, &guest->image, &sizes);
    return area_at(out, &sight, index);
}

bool hl_sandbox_area(hl_area *out, const hl_sandbox *box, size_t index)
{
    const struct vm_mapped *mapped = box->vm ? box->vm->mapped : NULL;
    struct sight sight = {box->guest, &box->shape->layout, {NULL}};
    uint32_t i;

    for (i = 0; mapped && i < MAPPINGS_MAX; i++)
        sight.maps[i] = mapped[i].is;
    return area_at(out, &sight, index);
}

bool hl_snapshot_area(hl_area *out, const hl_snapshot *snapshot, size_t index)
{
    const struct mappings *mappings = snapshot->content->mappings;
    struct sight sight = {snapshot->guest, &snapshot->kind.shape->layout, {NULL}};
    uint32_t i;

    for (i = 0; mappings && i < MAPPINGS_MAX; i++)
        sight.maps[i] = mappings->at[i].is;
    return area_at(out, &sight, index);
}
