/* SPDX-License-Identifier: Apache-2.0 */
/* Row of stopping a spinning guest from another thread, against a raw kick. */
#include "box.h"
#include "clock.h"
#include "floor_kick.h"
#include "rows.h"

struct cancel {
    struct box box;
    struct kicker kicker;
    bool armed;
};

static bool stop_guest(void *target)
{
    return hl_interrupt_stop(target);
}

/* Only now: armed before the call, the stop could come before there is a call to stop. */
static void arm(void *ctx)
{
    struct cancel *cancel = ctx;

    cancel->armed = true;
    kicker_arm(&cancel->kicker, stop_guest, hl_sandbox_interrupt(cancel->box.sandbox));
}

/* A stopped sandbox is POISONED, so each sample has its own; the first call warms it. */
static bool sample_cancel(void *ctx, double *us, hl_error *err)
{
    struct cancel *cancel = ctx;
    struct box *box = &cancel->box;
    double stopped_at = 0, returned_at;
    bool stopped;

    if (!box_create(box, err) || !box_call(box, "Nop", NULL, err))
        return false;
    cancel->armed = false;
    box_call(box, "Spin", NULL, err);
    returned_at = now_us();
    stopped = cancel->armed && kicker_wait(&cancel->kicker, &stopped_at);
    box_destroy(box);
    *us = returned_at - stopped_at;
    if (stopped != (err->status == HL_E_CANCELLED))
        return bench_fail(err, "hl_interrupt_stop was %s, but the call ended in %s",
                          stopped ? "true" : "false", hl_status_text(err->status));
    return stopped;
}

static bool run_cancel(const struct bench *bench, struct samples *op, struct samples *floor,
                       hl_error *err)
{
    struct cancel cancel;
    struct floor_kick kick;
    const struct sampler cancels = {sample_cancel, &cancel, op};
    const struct sampler kicks = {floor_sample_kick, &kick, floor};
    bool ok = false;

    if (!kicker_start(&cancel.kicker, err))
        return false;
    if (!box_open(&cancel.box, bench, err))
        goto stop;
    if (!floor_kick_open(&kick, &cancel.kicker, err))
        goto close;
    cancel.box.spinning = arm;
    cancel.box.spinning_ctx = &cancel;
    ok = bench_take(bench, 0, &cancels, &kicks, err);
    floor_kick_close(&kick);
close:
    box_close(&cancel.box);
stop:
    kicker_stop(&cancel.kicker);
    return ok;
}

const struct bench_row row_ref_interrupt = {
    "ref_interrupt",
    "us",
    "floor_kick",
    {TARGET_NONE, 0},
    run_cancel,
    0,
    "from a stop by another thread to the end of a spinning call",
};
const struct bench_row row_cancel = {
    "cancel",
    "us",
    "floor_kick",
    {TARGET_P99_RATIO, 1.5},
    run_cancel,
    0,
    "from a stop by another thread to the end of a spinning call",
};
