/* SPDX-License-Identifier: Apache-2.0 */
/* What a guest's process is made of: its memory in pieces, each of one kind. */
#include <string.h>

#include "../arch/x86_64/system.h"
#include "../error.h"
#include "process.h"

/* More of them would need more address space than there is for the arena. */
#define ARENA_MAX (4ull << 40)

static bool add(struct tracer_head *out, const struct tracer_region *piece)
{
    if (out->region_count == TRACER_REGIONS)
        return false;
    out->regions[out->region_count++] = *piece;
    return true;
}

static int32_t share_number(struct tracer_head *out, const os_share *share)
{
    uint32_t i;

    for (i = 0; i < out->share_count; i++)
        if (out->share_ids[i] == share->id)
            return (int32_t)i;
    if (i == TRACER_SHARES)
        return TRACER_SHARES;
    out->share_ids[i] = share->id;
    out->shares[out->share_count++] = (int32_t)share->handle;
    return (int32_t)i;
}

/* The view that has this address, or else the next one behind it. */
static const struct hv_view *view_from(const struct hv_setup *setup, uint64_t gpa)
{
    const struct hv_view *found = NULL;
    uint32_t i;

    for (i = 0; i < setup->view_count; i++)
        if (setup->views[i].gpa + setup->views[i].size > gpa &&
            (!found || setup->views[i].gpa < found->gpa))
            found = &setup->views[i];
    return found;
}

/* Cuts a region where views begin and end. */
static bool add_region(struct tracer_head *out, const struct hv_setup *setup,
                       const struct hv_region *region)
{
    const uint64_t end = region->gpa + region->size;
    const struct hv_view *view;
    struct tracer_region piece;
    uint64_t at = region->gpa, stop;

    for (; at < end; at = stop) {
        view = region->access ? view_from(setup, at) : NULL;
        piece = (struct tracer_region){
            .address = region->address + (at - region->gpa), .share = -1, .access = region->access};
        if (view && view->gpa <= at) {
            stop = view->gpa + view->size;
            piece.share = share_number(out, view->share);
            piece.offset = view->offset + (at - view->gpa);
            if (piece.share == TRACER_SHARES)
                return false;
        } else {
            stop = view ? view->gpa : end;
        }
        stop = stop < end ? stop : end;
        piece.size = stop - at;
        if (!add(out, &piece))
            return false;
    }
    return true;
}

static void plan_gate(struct tracer_head *out)
{
    out->gate = HL_GATE;
    out->gate_wake = HL_GATE + (uint64_t)(gate_process_wake - gate_process_begin);
    out->gate_wait = HL_GATE + (uint64_t)(gate_process_wait - gate_process_begin);
    system_gate_process(out->gate_page);
}

static void plan_slots(struct tracer_head *out)
{
    const uint64_t size = out->requests_size + out->replies_size + 2 * TRACER_PAGE;
    const uint64_t fit = ARENA_MAX / size;

    out->slot_count = fit < TRACER_SLOTS ? (uint32_t)fit : TRACER_SLOTS;
}

hl_status process_plan(struct tracer_head *out, const struct hv_setup *setup, hl_error *err)
{
    const struct hv_region *region = setup->regions;
    bool fits = true;
    uint32_t i;

    memset(out, 0, sizeof *out);
    out->requests_size = out->replies_size = TRACER_PAGE;
    for (i = 0; fits && i < setup->region_count; i++, region++) {
        switch (region->kind) {
        case HV_REGION_REQUESTS:
            out->requests = region->address;
            out->requests_size = region->size;
            break;
        case HV_REGION_REPLIES:
            out->replies = region->address;
            out->replies_size = region->size;
            break;
        case HV_REGION_GATE:
            break;
        case HV_REGION_MEMORY:
            fits = add_region(out, setup, region);
        }
    }
    if (!fits)
        return error_set(err, HL_E_UNSUPPORTED,
                         "guest memory of more than %d pieces or %d files for one process",
                         TRACER_REGIONS, TRACER_SHARES);
    plan_gate(out);
    plan_slots(out);
    return HL_OK;
}
