/* SPDX-License-Identifier: Apache-2.0 */
/* Deadlines: calls that run too long end, all others are left alone. */
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include "../test.h"
#include "spinner.h"

#define MS 1000000ull  /* nanoseconds */
enum { SLACK = 2000 }; /* ms by which a busy machine may be late */
#define LATE "the call ran past its deadline"

/* user: a pause in microseconds. */
static hl_status pause_for(hl_call *call, const hl_value args[], hl_value *ret)
{
    (void)args;
    (void)ret;
    usleep(*(unsigned *)hl_call_user(call));
    return HL_OK;
}

/* The call ends by its deadline, not before it and not much after. */
static void expect_late(hl_sandbox *box, const char *name, uint32_t ms)
{
    const uint64_t start = os_clock_ns();
    uint64_t took;
    hl_error err;

    CHECK_INT(spinner_call(box, name, &err), HL_E_DEADLINE);
    took = (os_clock_ns() - start) / MS;
    CHECK_STR(err.text, LATE);
    if (took < ms || took > ms + SLACK)
        FAIL("took %llu ms, wanted %u", (unsigned long long)took, ms);
    CHECK_INT(hl_sandbox_state(box), HL_POISONED);
    CHECK_INT(spinner_call(box, name, &err), HL_E_STATE);
    CHECK_HAS(err.text, "the sandbox is POISONED: " LATE);
    CHECK_INT(fake_of(box)->stopped, 0);
}

TEST(spinning_guest_ends_by_its_deadline)
{
    hl_sandbox *box = spinner_box(pause_for, NULL, 20000);

    expect_late(box, "spin", 20);
    hl_sandbox_destroy(box);
}

TEST(spinning_init_ends_by_its_deadline)
{
    const struct fake_program spinning = {.init = spinner_spin};
    const hl_config config = {.struct_size = sizeof config, .deadline_us = 20000};
    const uint64_t start = os_clock_ns();
    hl_sandbox *box;
    uint64_t took;
    hl_error err;

    CHECK_INT(fake_create(&box, &spinning, NULL, &config, &err), HL_E_DEADLINE);
    took = (os_clock_ns() - start) / MS;
    CHECK_STR(err.text, LATE);
    CHECK(took >= 20 && took < 20 + SLACK);
    CHECK(!box);
    CHECK_INT(fake_alive(), 0);
}

TEST(deadline_of_a_microsecond)
{
    hl_sandbox *box = spinner_box(pause_for, NULL, 0);

    hl_sandbox_set_deadline(box, 1, NULL);
    expect_late(box, "spin", 0);
    hl_sandbox_destroy(box);
}

TEST(deadline_can_be_set_before_each_call)
{
    hl_sandbox *box = spinner_box(pause_for, NULL, 0);
    hl_error err;

    CHECK_INT(spinner_call(box, "noop", &err), HL_OK);
    hl_sandbox_set_deadline(box, UINT64_MAX, NULL);
    CHECK_INT(spinner_call(box, "noop", &err), HL_OK);
    hl_sandbox_set_deadline(box, 10 * 1000 * 1000, NULL);
    CHECK_INT(spinner_call(box, "noop", &err), HL_OK);
    hl_sandbox_set_deadline(box, 30000, NULL);
    expect_late(box, "spin", 30);
    hl_sandbox_destroy(box);
}

TEST(deadline_can_be_taken_away)
{
    unsigned pause_us = 60000;
    hl_sandbox *box = spinner_box(pause_for, &pause_us, 10000);
    hl_error err;

    hl_sandbox_set_deadline(box, 0, NULL);
    CHECK_INT(spinner_call(box, "ask", &err), HL_OK);
    hl_sandbox_destroy(box);
}

/* ---- Host functions ---------------------------------------------------------------- */

/* The host function is not interrupted; the guest does not resume after it. */
TEST(host_function_outlives_the_deadline)
{
    unsigned pause_us = 50000;
    hl_sandbox *box = spinner_box(pause_for, &pause_us, 10000);
    uint64_t runs = fake_of(box)->runs;

    expect_late(box, "ask", 50);
    CHECK_INT(fake_of(box)->runs, runs + 1);
    hl_sandbox_destroy(box);
}

static hl_status wait_until_late(hl_call *call_, const hl_value args[], hl_value *ret)
{
    hl_error err;

    (void)args;
    (void)ret;
    CHECK(!hl_call_stopped(call_));
    while (!hl_call_stopped(call_))
        ;
    CHECK_INT(spinner_call(hl_call_sandbox(call_), "noop", &err), HL_E_DEADLINE);
    CHECK_STR(err.text, LATE);
    return HL_OK;
}

TEST(host_function_can_see_that_it_is_late)
{
    hl_sandbox *box = spinner_box(wait_until_late, NULL, 100000);

    expect_late(box, "ask", 100);
    hl_sandbox_destroy(box);
}

static hl_status spin_nested(hl_call *call_, const hl_value args[], hl_value *ret)
{
    hl_error err;

    (void)args;
    (void)ret;
    CHECK_INT(spinner_call(hl_call_sandbox(call_), "spin", &err), HL_E_DEADLINE);
    return HL_OK;
}

/* A nested call has no deadline of its own: the outermost one's covers it. */
TEST(deadline_covers_nested_calls)
{
    hl_sandbox *box = spinner_box(spin_nested, NULL, 30000);

    expect_late(box, "ask", 30);
    hl_sandbox_destroy(box);
}

/* ---- The watcher ------------------------------------------------------------------- */

/* It sleeps after a while without work, and a call wakes it. */
TEST(watcher_sleeps_and_wakes)
{
    hl_sandbox *box = spinner_box(pause_for, NULL, 30000);
    hl_error err;
    int i;

    for (i = 0; i < 3; i++) {
        CHECK_INT(spinner_call(box, "noop", &err), HL_OK);
        usleep(350000);
    }
    usleep(400000);
    expect_late(box, "spin", 30);
    hl_sandbox_destroy(box);
}

TEST(watcher_wakes_for_a_new_sandbox)
{
    hl_sandbox *box = spinner_box(pause_for, NULL, 5 * 1000 * 1000), *second;

    usleep(600000);
    second = spinner_box(pause_for, NULL, 30000);
    expect_late(second, "spin", 30);
    hl_sandbox_destroy(second);
    hl_sandbox_destroy(box);
}

/* Calls that end in time are never hit, however their ends fall. */
TEST(deadline_hits_no_later_call)
{
    unsigned pause_us = 500;
    hl_sandbox *box = spinner_box(pause_for, &pause_us, 2000 * 1000);
    const uint64_t end = os_clock_ns() + 2500 * MS;
    hl_error err;

    while (os_clock_ns() < end) {
        CHECK_INT(spinner_call(box, "noop", &err), HL_OK);
        CHECK_INT(spinner_call(box, "ask", &err), HL_OK);
    }
    CHECK_INT(fake_of(box)->stops, 0);
    hl_sandbox_destroy(box);
}

static void *spin_until_late(void *box)
{
    expect_late(box, "spin", 50);
    return NULL;
}

TEST(only_the_late_sandbox_ends)
{
    hl_sandbox *late = spinner_box(pause_for, NULL, 50000);
    hl_sandbox *patient = spinner_box(pause_for, NULL, 60 * 1000 * 1000);
    hl_sandbox *free_ = spinner_box(pause_for, NULL, 0);
    pthread_t thread;
    hl_error err;
    int i;

    CHECK_INT(pthread_create(&thread, NULL, spin_until_late, late), 0);
    for (i = 0; i < 100; i++) {
        CHECK_INT(spinner_call(patient, "noop", &err), HL_OK);
        CHECK_INT(spinner_call(free_, "noop", &err), HL_OK);
        usleep(1000);
    }
    CHECK_INT(pthread_join(thread, NULL), 0);
    CHECK_INT(spinner_call(patient, "noop", &err), HL_OK);
    CHECK_INT(fake_of(patient)->stops, 0);
    CHECK_INT(fake_of(free_)->stops, 0);
    hl_sandbox_destroy(late);
    hl_sandbox_destroy(patient);
    hl_sandbox_destroy(free_);
}

/* The watcher's list bears every order of leaving it. */
TEST(sandboxes_with_deadlines_come_and_go)
{
    enum { COUNT = 8 };
    hl_sandbox *boxes[COUNT] = {NULL};
    uint32_t i, at = 0;
    hl_error err;

    for (i = 0; i < 400; i++) {
        at = (at * 5 + 3 + i / 7) % COUNT;
        hl_sandbox_destroy(boxes[at]);
        boxes[at] = spinner_box(pause_for, NULL, i % 3 ? 1000 * 1000 : 0);
        hl_sandbox_set_deadline(boxes[at], 2 * 1000 * 1000, NULL);
        CHECK_INT(spinner_call(boxes[at], "noop", &err), HL_OK);
    }
    hl_sandbox_set_deadline(boxes[at], 10000, NULL);
    expect_late(boxes[at], "spin", 10);
    for (i = 0; i < COUNT; i++)
        hl_sandbox_destroy(boxes[i]);
    CHECK_INT(fake_alive(), 0);
}

/* What never had a deadline does not touch the watcher's lock, which another
 * thread may hold while a child is forked off, where nobody gives it back. */
TEST(sandbox_without_a_deadline_ends_in_a_forked_child)
{
    enum { COUNT = 200000 }; /* so many that the watcher is in its list most of the time */
    static struct deadline many[COUNT], none;
    hl_interrupt *stop;
    int i, status;
    pid_t child;

    CHECK_INT(hl_interrupt_create(&stop, NULL), HL_OK);
    for (i = 0; i < COUNT; i++) {
        many[i].stop = stop;
        many[i].limit_ns = i < COUNT - 1; /* only the last one is new, and wakes it */
        CHECK_INT(deadline_set(&many[i], 1, NULL), HL_OK);
    }
    for (i = 0; i < 20; i++) {
        interrupt_begin(stop); /* keeps it awake */
        CHECK_INT(interrupt_end(stop), HL_OK);
        child = fork();
        if (!child) {
            alarm(3);
            deadline_remove(&none);
            _exit(0);
        }
        CHECK(child > 0);
        CHECK_INT(waitpid(child, &status, 0), child);
        CHECK_INT(status, 0);
    }
}

/* ---- Together with a stop ---------------------------------------------------------- */

static hl_status stop_then_be_late(hl_call *call_, const hl_value args[], hl_value *ret)
{
    (void)args;
    (void)ret;
    CHECK(hl_interrupt_stop(hl_sandbox_interrupt(hl_call_sandbox(call_))));
    usleep(40000);
    return HL_OK;
}

static hl_status be_late_then_stop(hl_call *call_, const hl_value args[], hl_value *ret)
{
    (void)args;
    (void)ret;
    while (!hl_call_stopped(call_))
        ;
    CHECK(!hl_interrupt_stop(hl_sandbox_interrupt(hl_call_sandbox(call_))));
    return HL_OK;
}

TEST(the_first_reason_counts)
{
    hl_sandbox *box = spinner_box(stop_then_be_late, NULL, 20000);
    hl_error err;

    CHECK_INT(spinner_call(box, "ask", &err), HL_E_CANCELLED);
    CHECK_STR(err.text, "the call was cancelled");
    hl_sandbox_destroy(box);
    box = spinner_box(be_late_then_stop, NULL, 20000);
    CHECK_INT(spinner_call(box, "ask", &err), HL_E_DEADLINE);
    CHECK_STR(err.text, LATE);
    hl_sandbox_destroy(box);
}

/* ---- Just in time ------------------------------------------------------------------------ */

/* Returns the moment its call is late, before the watcher can have seen that
 * each time. */
static hl_status return_when_late(hl_call *call_, const hl_value args[], hl_value *ret)
{
    const hl_sandbox *box = hl_call_sandbox(call_);

    (void)args;
    (void)ret;
    while (os_clock_ns() < atomic_load(&box->deadline.end_ns))
        ;
    return HL_OK;
}

TEST(guest_never_resumes_after_its_deadline)
{
    hl_sandbox *box;
    uint64_t runs;
    hl_error err;
    int i;

    for (i = 0; i < 100; i++) {
        box = spinner_box(return_when_late, NULL, 0);
        CHECK_INT(hl_sandbox_set_deadline(box, 2000, &err), HL_OK);
        runs = fake_of(box)->runs;
        CHECK_INT(spinner_call(box, "ask", &err), HL_E_DEADLINE);
        CHECK(fake_of(box)->runs <= runs + 1);
        hl_sandbox_destroy(box);
    }
}
