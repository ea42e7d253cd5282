/* SPDX-License-Identifier: Apache-2.0 */
/* The word of a stop handle: who may end which call. */
#include <stdlib.h>

#include "../../src/host/interrupt.h"
#include "../fake/fake.h"
#include "../test.h"

/* A handle in use; no VM is published, as before create has made one. */
static hl_interrupt *claimed(void)
{
    hl_interrupt *stop;

    CHECK_INT(hl_interrupt_create(&stop, NULL), HL_OK);
    CHECK(interrupt_claim(stop, &hv_fake));
    return stop;
}

static void drop(hl_interrupt *stop)
{
    interrupt_disclaim(stop);
    hl_interrupt_release(stop);
}

TEST(idle_handle_stops_nothing)
{
    hl_interrupt *stop = claimed();

    CHECK(!interrupt_try(stop, atomic_load(&stop->word), CANCELLED));
    CHECK_INT(interrupt_reason(stop), HL_OK);
    interrupt_begin(stop);
    CHECK_INT(interrupt_reason(stop), HL_OK);
    CHECK_INT(interrupt_end(stop), HL_OK);
    CHECK(!interrupt_try(stop, atomic_load(&stop->word), EXPIRED));
    drop(stop);
}

TEST(reason_is_told_until_the_call_ends)
{
    static const struct {
        enum phase phase;
        hl_status status;
    } rows[] = {{CANCELLED, HL_E_CANCELLED}, {EXPIRED, HL_E_DEADLINE}};
    hl_interrupt *stop = claimed();
    int i;

    for (i = 0; i < 2; i++) {
        interrupt_begin(stop);
        CHECK(interrupt_try(stop, atomic_load(&stop->word), rows[i].phase));
        CHECK_INT(interrupt_reason(stop), rows[i].status);
        CHECK(!interrupt_try(stop, atomic_load(&stop->word), rows[1 - i].phase));
        CHECK_INT(interrupt_reason(stop), rows[i].status);
        CHECK_INT(interrupt_end(stop), rows[i].status);
        CHECK_INT(interrupt_reason(stop), HL_OK);
    }
    interrupt_begin(stop);
    CHECK_INT(interrupt_end(stop), HL_OK);
    drop(stop);
}

/* Whoever looked at an earlier call, running as well, cannot end this one. */
TEST(stale_look_hits_no_later_call)
{
    hl_interrupt *stop = claimed();
    uint64_t first, second;

    interrupt_begin(stop);
    first = atomic_load(&stop->word);
    CHECK_INT(interrupt_end(stop), HL_OK);
    CHECK(!interrupt_try(stop, first, CANCELLED));
    interrupt_begin(stop);
    second = atomic_load(&stop->word);
    CHECK(first != second);
    CHECK(!interrupt_try(stop, first, CANCELLED));
    CHECK_INT(interrupt_reason(stop), HL_OK);
    CHECK(interrupt_try(stop, second, CANCELLED));
    CHECK_INT(interrupt_end(stop), HL_E_CANCELLED);
    interrupt_begin(stop);
    CHECK(!interrupt_try(stop, second, EXPIRED));
    CHECK_INT(interrupt_end(stop), HL_OK);
    drop(stop);
}

/* Nor can the handle's next sandbox be hit by a look at the last one. */
TEST(stale_look_hits_no_later_sandbox)
{
    hl_interrupt *stop = claimed();
    uint64_t seen;

    interrupt_begin(stop);
    seen = atomic_load(&stop->word);
    CHECK_INT(interrupt_end(stop), HL_OK);
    interrupt_disclaim(stop);
    CHECK(interrupt_claim(stop, &hv_fake));
    interrupt_begin(stop);
    CHECK(!interrupt_try(stop, seen, CANCELLED));
    CHECK_INT(interrupt_end(stop), HL_OK);
    drop(stop);
}

TEST(claimed_once)
{
    hl_interrupt *stop = claimed();

    CHECK(!interrupt_claim(stop, &hv_fake));
    interrupt_disclaim(stop);
    CHECK(interrupt_claim(stop, &hv_fake));
    drop(stop);
}
