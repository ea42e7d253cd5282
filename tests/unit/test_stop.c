/* SPDX-License-Identifier: Apache-2.0 */
/* Stopping calls from other threads. */
#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>

#include "../test.h"
#include "spinner.h"

static hl_status nothing(hl_call *call, const hl_value args[], hl_value *ret)
{
    (void)call;
    (void)args;
    (void)ret;
    return HL_OK;
}

/* ---- Before, during, after --------------------------------------------------------- */

TEST(stop_before_a_call_has_no_effect)
{
    hl_sandbox *box = spinner_box(nothing, NULL, 0);
    hl_error err;

    CHECK(!hl_interrupt_stop(NULL));
    CHECK(!hl_interrupt_stop(hl_sandbox_interrupt(box)));
    CHECK(!hl_interrupt_stop(hl_sandbox_interrupt(box)));
    CHECK_INT(fake_of(box)->stops, 0);
    CHECK_INT(spinner_call(box, "noop", &err), HL_OK);
    CHECK(!hl_interrupt_stop(hl_sandbox_interrupt(box)));
    CHECK_INT(spinner_call(box, "noop", &err), HL_OK);
    hl_sandbox_destroy(box);
}

/* Stops as soon as there is something to stop; returns how often it tried. */
static void *stop_soon(void *stop)
{
    uintptr_t tries = 1;

    while (!hl_interrupt_stop(stop))
        tries++;
    return (void *)tries;
}

static void expect_cancelled(hl_sandbox *box, const char *name)
{
    pthread_t thread;
    hl_error err;

    CHECK_INT(pthread_create(&thread, NULL, stop_soon, hl_sandbox_interrupt(box)), 0);
    CHECK_INT(spinner_call(box, name, &err), HL_E_CANCELLED);
    CHECK_STR(err.text, "the call was cancelled");
    CHECK_INT(pthread_join(thread, NULL), 0);
    CHECK(!hl_interrupt_stop(hl_sandbox_interrupt(box)));
    CHECK_INT(hl_sandbox_state(box), HL_POISONED);
    CHECK_INT(spinner_call(box, name, &err), HL_E_STATE);
    CHECK_HAS(err.text, "the sandbox is POISONED: the call was cancelled");
    CHECK_INT(fake_of(box)->stopped, 0); /* settled */
}

TEST(stop_a_spinning_guest)
{
    hl_sandbox *box = spinner_box(nothing, NULL, 0);

    expect_cancelled(box, "spin");
    CHECK_INT(fake_of(box)->stops, 1);
    hl_sandbox_destroy(box);
}

/* The caller gets its error even if nobody looks at it. */
TEST(stop_without_an_error_to_fill)
{
    hl_sandbox *box = spinner_box(nothing, NULL, 0);
    pthread_t thread;

    CHECK_INT(pthread_create(&thread, NULL, stop_soon, hl_sandbox_interrupt(box)), 0);
    CHECK_INT(spinner_call(box, "spin", NULL), HL_E_CANCELLED);
    CHECK_INT(pthread_join(thread, NULL), 0);
    hl_sandbox_destroy(box);
}

/* ---- From a host function ---------------------------------------------------------- */

static hl_status stop_myself(hl_call *call_, const hl_value args[], hl_value *ret)
{
    hl_sandbox *box = hl_call_sandbox(call_);
    hl_error err;

    (void)args;
    (void)ret;
    CHECK(!hl_call_stopped(call_));
    CHECK(hl_interrupt_stop(hl_sandbox_interrupt(box)));
    CHECK(!hl_interrupt_stop(hl_sandbox_interrupt(box))); /* once is enough */
    CHECK(hl_call_stopped(call_));
    if (hl_call_user(call_)) {
        CHECK_INT(spinner_call(box, "noop", &err), HL_E_CANCELLED);
        CHECK_STR(err.text, "the call was cancelled");
    }
    return HL_OK;
}

TEST(guest_does_not_resume_after_a_stop)
{
    hl_sandbox *box = spinner_box(stop_myself, NULL, 0);
    uint64_t runs = fake_of(box)->runs;
    hl_error err;

    CHECK_INT(spinner_call(box, "ask", &err), HL_E_CANCELLED);
    CHECK_STR(err.text, "the call was cancelled");
    CHECK_INT(fake_of(box)->runs, runs + 1);
    hl_sandbox_destroy(box);
    box = spinner_box(stop_myself, "and nest", 0);
    runs = fake_of(box)->runs;
    CHECK_INT(spinner_call(box, "ask", &err), HL_E_CANCELLED);
    CHECK_INT(fake_of(box)->runs, runs + 1);
    hl_sandbox_destroy(box);
}

static hl_status wait_until_stopped(hl_call *call_, const hl_value args[], hl_value *ret)
{
    (void)args;
    (void)ret;
    while (!hl_call_stopped(call_))
        ;
    return HL_OK;
}

TEST(stop_while_a_host_function_blocks)
{
    hl_sandbox *box = spinner_box(wait_until_stopped, NULL, 0);
    uint64_t runs = fake_of(box)->runs;

    expect_cancelled(box, "ask");
    CHECK(fake_of(box)->runs <= runs + 1); /* the stop may even be the first to come */
    hl_sandbox_destroy(box);
}

/* ---- During create ----------------------------------------------------------------- */

TEST(stop_a_spinning_init)
{
    const struct fake_program spinning = {.init = spinner_spin};
    hl_config config = {.struct_size = sizeof config};
    hl_interrupt *stop;
    pthread_t thread;
    hl_sandbox *box;
    hl_error err;

    CHECK_INT(hl_interrupt_create(&stop, &err), HL_OK);
    CHECK(!hl_interrupt_stop(stop));
    config.interrupt = stop;
    CHECK_INT(pthread_create(&thread, NULL, stop_soon, stop), 0);
    CHECK_INT(fake_create(&box, &spinning, NULL, &config, &err), HL_E_CANCELLED);
    CHECK_STR(err.text, "the call was cancelled");
    CHECK_INT(pthread_join(thread, NULL), 0);
    CHECK(!box);
    CHECK_INT(fake_alive(), 0);
    CHECK(!hl_interrupt_stop(stop));
    hl_interrupt_release(stop);
}

static hl_status crash(struct fake_guest *guest, struct hv_exit *exit, hl_error *err)
{
    (void)guest;
    (void)err;
    *exit = (struct hv_exit){.kind = HV_EXIT_SHUTDOWN};
    return HL_OK;
}

static hl_status crash_then_stop(hl_call *call_, const hl_value args[], hl_value *ret)
{
    hl_sandbox *box = hl_call_sandbox(call_);
    hl_error err;

    (void)args;
    (void)ret;
    CHECK_INT(spinner_call(box, "crash", &err), HL_E_FAULT);
    CHECK(hl_interrupt_stop(hl_sandbox_interrupt(box)));
    return HL_OK;
}

/* A true is always followed by E_CANCELLED; what the sandbox died of is
 * another question. */
TEST(stop_after_a_nested_fault)
{
    static const struct fake_function functions[] = {{"ask", "void()", spinner_ask},
                                                     {"crash", "void()", crash}};
    const struct fake_program crashing = {.exports = functions,
                                          .export_count = 2,
                                          .imports = spinner_program.imports,
                                          .import_count = 1};
    hl_host *host = spinner_host(crash_then_stop, NULL);
    hl_sandbox *box;
    hl_error err;

    CHECK_INT(fake_create(&box, &crashing, host, NULL, &err), HL_OK);
    CHECK_INT(spinner_call(box, "ask", &err), HL_E_CANCELLED);
    CHECK_STR(err.text, "the call was cancelled");
    CHECK_INT(spinner_call(box, "ask", &err), HL_E_STATE);
    CHECK_HAS(err.text, "the sandbox is POISONED: triple fault");
    hl_sandbox_destroy(box);
    hl_host_release(host);
}

/* ---- The handle's life ------------------------------------------------------------- */

TEST(handle_outlives_its_sandbox)
{
    hl_sandbox *box = spinner_box(nothing, NULL, 0);
    hl_interrupt *stop = hl_sandbox_interrupt(box);
    hl_error err;

    hl_interrupt_retain(stop);
    CHECK_INT(spinner_call(box, "noop", &err), HL_OK);
    hl_sandbox_destroy(box);
    CHECK(!hl_interrupt_stop(stop));
    hl_interrupt_release(stop);
    hl_interrupt_release(NULL);
    hl_interrupt_retain(NULL);
}

TEST(handle_serves_one_sandbox_at_a_time)
{
    hl_config config = {.struct_size = sizeof config};
    hl_host *host = spinner_host(nothing, NULL);
    hl_sandbox *box, *second;
    hl_interrupt *stop;
    hl_error err;

    CHECK_INT(hl_interrupt_create(&stop, &err), HL_OK);
    CHECK_STR(err.text, "ok");
    config.interrupt = stop;
    CHECK_INT(fake_create(&box, &spinner_program, host, &config, &err), HL_OK);
    CHECK(hl_sandbox_interrupt(box) == stop);
    CHECK_INT(fake_create(&second, &spinner_program, host, &config, &err), HL_E_INVALID);
    CHECK_STR(err.text, "hl_config.interrupt serves another sandbox already");
    CHECK(!second);
    CHECK_INT(fake_alive(), 1);
    CHECK_INT(spinner_call(box, "noop", &err), HL_OK); /* the first is not disturbed */
    expect_cancelled(box, "spin");
    hl_sandbox_destroy(box);
    CHECK_INT(fake_create(&second, &spinner_program, host, &config, &err), HL_OK);
    hl_interrupt_release(stop); /* the sandbox holds it */
    expect_cancelled(second, "spin");
    hl_sandbox_destroy(second);
    hl_host_release(host);
}

/* ---- Only the target --------------------------------------------------------------- */

static hl_status run_other(hl_call *call_, const hl_value args[], hl_value *ret)
{
    hl_sandbox *other = hl_call_user(call_);
    hl_error err;

    (void)args;
    (void)ret;
    CHECK(hl_interrupt_stop(hl_sandbox_interrupt(hl_call_sandbox(call_))));
    CHECK(!hl_interrupt_stop(hl_sandbox_interrupt(other)));
    CHECK_INT(spinner_call(other, "noop", &err), HL_OK);
    return HL_OK;
}

TEST(two_sandboxes_on_one_thread)
{
    hl_sandbox *other = spinner_box(nothing, NULL, 0), *box = spinner_box(run_other, other, 0);
    hl_error err;

    CHECK_INT(spinner_call(box, "ask", &err), HL_E_CANCELLED);
    CHECK_INT(hl_sandbox_state(box), HL_POISONED);
    CHECK_INT(hl_sandbox_state(other), HL_READY);
    CHECK_INT(spinner_call(other, "noop", &err), HL_OK);
    CHECK_INT(fake_of(other)->stops, 0);
    hl_sandbox_destroy(box);
    hl_sandbox_destroy(other);
}

/* ---- Racing the return ------------------------------------------------------------- */

enum { DAWDLE = 4096 }; /* turns, at most: some microseconds */

static struct race {
    hl_interrupt *stop;
    atomic_bool over;
    atomic_uint begun, seen; /* entries of the guest; those that the stopper noticed */
    uint64_t hits;           /* stops that returned true */
} race;

/* A small pseudo-random number, so that the moments differ. */
static uint32_t chance(uint32_t *seed)
{
    *seed = *seed * 1664525u + 1013904223u;
    return *seed >> 16;
}

static void dawdle(uint32_t turns)
{
    while (turns--)
        atomic_load(&race.over);
}

/* Spins while both have a processor, then lets the other have this one. */
static void be_patient(uint32_t *turns)
{
    if (++*turns % 4096 == 0)
        sched_yield();
}

/* Once for each entry of the guest: waits a little, then stops what it meets. */
static void *stop_at_random(void *unused)
{
    uint32_t seed = 7, turns = 0;
    unsigned now;

    while (!atomic_load(&race.over)) {
        now = atomic_load(&race.begun);
        if (atomic_load(&race.seen) == now) {
            be_patient(&turns);
            continue;
        }
        atomic_store(&race.seen, now);
        if (chance(&seed) % 4 == 0)
            sched_yield(); /* one processor must race, too */
        dawdle(chance(&seed) % DAWDLE);
        race.hits += hl_interrupt_stop(race.stop);
    }
    return unused;
}

/* Both start from here: the guest with a little to do before it returns. One
 * init in eight races as well. */
static hl_status dawdle_a_little(struct fake_guest *guest, struct hv_exit *exit, hl_error *err)
{
    static const struct {
        struct hl_frame head;
        struct hl_slot slot;
    } one = {{.kind = HL_KIND_RETURN, .depth = 1, .count = 1, .size = sizeof one},
             {.type = HL_I32, .word = 1}};
    static uint32_t seed = 1, turns;
    unsigned now;

    if (!atomic_load(&race.over) && (guest->runs > 1 || chance(&seed) % 8 == 0)) {
        now = atomic_fetch_add(&race.begun, 1) + 1;
        while (atomic_load(&race.seen) != now)
            be_patient(&turns);
        dawdle(chance(&seed) % (DAWDLE / 4));
    }
    if (guest->runs == 1)
        return fake_noop(guest, exit, err);
    memcpy(guest->replies, &one, sizeof one);
    return HL_OK;
}

/* Makes a sandbox, counting creates that were cancelled. */
static hl_sandbox *make(const hl_guest *guest, const hl_config *config, uint64_t *cancelled)
{
    hl_sandbox *box = NULL;
    hl_status status;
    hl_error err;

    for (;;) {
        status = sandbox_create_on(&box, &hv_fake, guest, NULL, config, &err);
        if (!status)
            return box;
        CHECK_INT(status, HL_E_CANCELLED);
        ++*cancelled;
    }
}

/* Each true ends exactly one call as cancelled, that one: the numbers agree in
 * the end, and so does each call with its sandbox's state. */
TEST_SLOW(stop_races_the_return)
{
    static const struct fake_function one = {"one", "i32()", NULL};
    static const struct fake_program fast = {
        .exports = &one, .export_count = 1, .whole = dawdle_a_little};
    const uint32_t rounds = test_full() ? 1000000 : 100000;
    hl_config config = {.struct_size = sizeof config, .message_size = 64 * 1024};
    hl_guest *guest = fake_image(&fast);
    uint64_t cancelled = 0, well = 0;
    hl_value ret;
    pthread_t thread;
    hl_sandbox *box;
    hl_status status;
    hl_error err;
    uint32_t i;

    CHECK_INT(hl_interrupt_create(&race.stop, NULL), HL_OK);
    config.interrupt = race.stop;
    fake_use(&fast);
    CHECK_INT(pthread_create(&thread, NULL, stop_at_random, NULL), 0);
    box = make(guest, &config, &cancelled);
    for (i = 0; i < rounds; i++) {
        status = hl_sandbox_call(&ret, box, "one", NULL, 0, &err);
        CHECK_INT(hl_sandbox_state(box), status ? HL_POISONED : HL_READY);
        CHECK_INT(ret.type, status ? HL_VOID : HL_I32);
        if (!status) {
            well++;
            continue;
        }
        CHECK_INT(status, HL_E_CANCELLED);
        CHECK_STR(err.text, "the call was cancelled");
        cancelled++;
        hl_sandbox_destroy(box);
        box = make(guest, &config, &cancelled);
    }
    atomic_store(&race.over, true);
    CHECK_INT(pthread_join(thread, NULL), 0);
    CHECK_INT(race.hits, cancelled);
    if (cancelled < rounds / 100 || well < rounds / 100)
        FAIL("%llu cancelled, %llu well: no race", (unsigned long long)cancelled,
             (unsigned long long)well);
    CHECK_INT(spinner_call(box, "one", &err), HL_OK);
    hl_sandbox_destroy(box);
    hl_interrupt_release(race.stop);
    hl_guest_release(guest);
    CHECK_INT(fake_alive(), 0);
}
