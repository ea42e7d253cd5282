/* SPDX-License-Identifier: Apache-2.0 */
/* Stopping guests: from other threads, by deadline, in init, in a storm. */
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

#include "vm.h"

struct canceller {
    hl_interrupt *stop;
    unsigned delay_us;
    bool stopped;
};

static void *cancel_later(void *arg)
{
    struct canceller *c = arg;

    usleep(c->delay_us);
    c->stopped = hl_interrupt_stop(c->stop);
    return NULL;
}

static pthread_t start(struct canceller *c)
{
    pthread_t thread;

    if (pthread_create(&thread, NULL, cancel_later, c))
        FAIL("no thread");
    return thread;
}

TEST(cancel_a_spinning_call)
{
    hl_sandbox *box = vm_box("simple", NULL, NULL);
    struct canceller c = {hl_sandbox_interrupt(box), 20000, false};
    pthread_t thread = start(&c);

    vm_expect(HL_E_CANCELLED, "the call was cancelled", box, "Spin", NONE, NULL);
    pthread_join(thread, NULL);
    CHECK(c.stopped);
    CHECK_INT(hl_sandbox_state(box), HL_POISONED);
    CHECK(!hl_interrupt_stop(c.stop));
    hl_sandbox_destroy(box);
}

TEST(cancel_nothing_has_no_effect)
{
    hl_sandbox *box = vm_box("simple", NULL, NULL);

    CHECK(!hl_interrupt_stop(hl_sandbox_interrupt(box)));
    CHECK_INT(vm_call(box, "Count", NONE).as.i32, 1);
    CHECK(!hl_interrupt_stop(hl_sandbox_interrupt(box)));
    CHECK_INT(vm_call(box, "Count", NONE).as.i32, 2);
    hl_sandbox_destroy(box);
}

TEST(cancel_a_hostile_init)
{
    hl_guest *guest = vm_guest("spin");
    struct canceller c = {NULL, 50000, false};
    hl_config config = {.struct_size = sizeof config};
    hl_sandbox *box;
    hl_error err;
    pthread_t thread;

    CHECK_INT(hl_interrupt_create(&c.stop, &err), HL_OK);
    config.interrupt = c.stop;
    thread = start(&c);
    CHECK_INT(hl_sandbox_create(&box, guest, NULL, &config, &err), HL_E_CANCELLED);
    pthread_join(thread, NULL);
    CHECK(c.stopped && !box);
    CHECK(!hl_interrupt_stop(c.stop));
    config.deadline_us = 30000;
    CHECK_INT(hl_sandbox_create(&box, guest, NULL, &config, &err), HL_E_DEADLINE);
    CHECK_HAS(err.text, "deadline");
    hl_interrupt_release(c.stop);
    hl_guest_release(guest);
}

TEST(cancel_handle_serves_one_sandbox_and_outlives_it)
{
    hl_guest *guest = vm_guest("simple");
    hl_config config = {.struct_size = sizeof config};
    hl_interrupt *stop;
    hl_sandbox *box, *second;
    hl_error err;

    CHECK_INT(hl_interrupt_create(&stop, &err), HL_OK);
    config.interrupt = stop;
    CHECK_INT(hl_sandbox_create(&box, guest, NULL, &config, &err), HL_OK);
    CHECK_INT(hl_sandbox_create(&second, guest, NULL, &config, &err), HL_E_INVALID);
    CHECK_HAS(err.text, "hl_config.interrupt serves another sandbox already");
    hl_sandbox_destroy(box);
    CHECK(!hl_interrupt_stop(stop));
    CHECK_INT(hl_sandbox_create(&second, guest, NULL, &config, &err), HL_OK);
    hl_sandbox_destroy(second);
    hl_interrupt_release(stop);
    hl_guest_release(guest);
}

TEST(cancel_works_where_the_signal_is_blocked)
{
    hl_sandbox *box = vm_box("simple", NULL, NULL);
    struct canceller c = {hl_sandbox_interrupt(box), 20000, false};
    sigset_t all;
    pthread_t thread = start(&c);

    sigfillset(&all);
    sigdelset(&all, SIGALRM);
    pthread_sigmask(SIG_SETMASK, &all, NULL);
    vm_expect(HL_E_CANCELLED, NULL, box, "Spin", NONE, NULL);
    pthread_join(thread, NULL);
    CHECK(c.stopped);
    hl_sandbox_destroy(box);
    box = vm_box("simple", NULL, NULL); /* the signal must not be pending still */
    CHECK_INT(vm_call(box, "Count", NONE).as.i32, 1);
    hl_sandbox_destroy(box);
}

static void on_signal(int number)
{
    (void)number;
}

TEST(cancel_signal_of_the_application_is_refused)
{
    hl_guest *guest = vm_guest("simple");
    hl_config config = {.struct_size = sizeof config, .interrupt_signal = SIGUSR1};
    hl_sandbox *box;
    hl_error err;

    vm_needs_kvm();
    signal(SIGUSR1, on_signal);
    CHECK_INT(hl_sandbox_create(&box, guest, NULL, &config, &err), HL_E_INVALID);
    CHECK_HAS(err.text, "is handled or ignored by the application");
    config.interrupt_signal = SIGUSR2;
    CHECK_INT(hl_sandbox_create(&box, guest, NULL, &config, &err), HL_OK);
    hl_sandbox_destroy(box);
    config.interrupt_signal = SIGRTMIN + 1;
    CHECK_INT(hl_sandbox_create(&box, guest, NULL, &config, &err), HL_E_INVALID);
    CHECK_HAS(err.text, "this process uses");
    hl_guest_release(guest);
}

/* 100 kHz asked of the timer; what the kernel gives is enough. */
TEST(cancel_unrelated_signals_disturb_nothing)
{
    hl_sandbox *box = vm_box("simple", NULL, NULL);
    const struct itimerval often = {{0, 10}, {0, 10}}, never = {{0, 0}, {0, 0}};
    struct sigaction action = {.sa_handler = on_signal};
    int i;

    sigaction(SIGPROF, &action, NULL);
    setitimer(ITIMER_PROF, &often, NULL);
    for (i = 1; i <= 3000; i++)
        CHECK_INT(vm_call(box, "Count", NONE).as.i32, i);
    vm_call(box, "SpinFor", ARGS(hl_u64(1000000)));
    setitimer(ITIMER_PROF, &never, NULL);
    hl_sandbox_destroy(box);
}

static hl_status wait_for_stop(hl_call *call, const hl_value args[], hl_value *ret)
{
    (void)args;
    (void)ret;
    while (!hl_call_stopped(call))
        CHECK_INT(usleep(1000), 0); /* a stop cuts no system call short */
    return HL_OK;
}

static int32_t host_calls;
static hl_status count_call(hl_call *call, const hl_value args[], hl_value *ret)
{
    host_calls++;
    if (host_calls == 1)
        wait_for_stop(call, args, ret);
    *ret = hl_i32(0);
    return HL_OK;
}

TEST(cancel_while_a_host_function_blocks)
{
    const hl_host_function table[] = {{"HostPrint", "i32(str)", count_call, NULL}};
    hl_host *host = vm_host(table, 1);
    hl_sandbox *box = vm_box("simple", host, NULL);
    struct canceller c = {hl_sandbox_interrupt(box), 20000, false};
    pthread_t thread = start(&c);

    vm_expect(HL_E_CANCELLED, NULL, box, "Print", ARGS(hl_str("x")), NULL);
    pthread_join(thread, NULL);
    CHECK(c.stopped);
    CHECK_INT(host_calls, 1);
    hl_sandbox_destroy(box);
    host_calls = 0;
    box = vm_box("simple", host, NULL);
    hl_sandbox_set_deadline(box, 20000, NULL);
    vm_expect(HL_E_DEADLINE, NULL, box, "Print", ARGS(hl_str("x")), NULL);
    CHECK_INT(host_calls, 1);
    hl_sandbox_destroy(box);
    hl_host_release(host);
}

TEST(cancel_deadline_is_per_call)
{
    hl_config config = {.struct_size = sizeof config, .deadline_us = 300000};
    hl_sandbox *box = vm_box("simple", NULL, &config);
    int i;

    for (i = 1; i <= 50; i++) {
        CHECK_INT(vm_call(box, "Count", NONE).as.i32, i);
        usleep(10000);
    }
    usleep(400000); /* the watcher goes to sleep */
    CHECK_INT(vm_call(box, "Count", NONE).as.i32, 51);
    vm_expect(HL_E_DEADLINE, NULL, box, "Spin", NONE, NULL);
    hl_sandbox_destroy(box);
    box = vm_box("simple", NULL, &config);
    usleep(600000);
    vm_expect(HL_E_DEADLINE, NULL, box, "Spin", NONE, NULL);
    hl_sandbox_destroy(box);
}

/* ---- The storm: cancels at random moments ---------------------------------------- */

static struct {
    hl_interrupt *stop;
    atomic_int round; /* the call that may be cancelled; -1: none, over */
    atomic_int stops; /* that returned true */
} storm;

static void *storm_thread(void *arg)
{
    uint32_t seed = 12345;
    int round, seen = 0;
    volatile uint32_t i;

    (void)arg;
    for (;;) {
        round = atomic_load(&storm.round);
        if (round < 0)
            return NULL;
        if (round == seen)
            continue;
        seen = round;
        seed = seed * 1664525u + 1013904223u;
        for (i = 0; i < (seed >> 20) * 8; i++)
            ;
        if (hl_interrupt_stop(storm.stop))
            atomic_fetch_add(&storm.stops, 1);
    }
}

/* Every stop that says true ends one call as cancelled, and nothing else ends
 * one: as many of these as of those. */
static void storm_begin(pthread_t *thread)
{
    CHECK_INT(hl_interrupt_create(&storm.stop, NULL), HL_OK);
    CHECK_INT(pthread_create(thread, NULL, storm_thread, NULL), 0);
}

/* A call that may be cancelled: was it? */
static bool storm_call(hl_sandbox *box, int round)
{
    const hl_value spins[] = {hl_u64((uint64_t)(round % 7) * 100)};
    hl_status status;

    atomic_store(&storm.round, round);
    status = hl_sandbox_call(NULL, box, "SpinFor", spins, 1, NULL);
    if (status)
        CHECK_INT(status, HL_E_CANCELLED);
    return status != HL_OK;
}

static void storm_end(pthread_t thread, int cancelled)
{
    atomic_store(&storm.round, -1);
    pthread_join(thread, NULL);
    CHECK(cancelled > 0);
    CHECK_INT(atomic_load(&storm.stops), cancelled);
    hl_interrupt_release(storm.stop);
}

TEST_SLOW(cancel_storm)
{
    const int rounds = test_full() ? 100000 : 10000;
    hl_guest *guest = vm_guest("simple");
    hl_config config = {.struct_size = sizeof config};
    hl_sandbox *box = NULL;
    int round, cancelled = 0;
    hl_error err;
    pthread_t thread;

    storm_begin(&thread);
    config.interrupt = storm.stop;
    for (round = 1; round <= rounds; round++) {
        /* A late stop may hit the create that follows. */
        while (!box && hl_sandbox_create(&box, guest, NULL, &config, &err) == HL_E_CANCELLED)
            cancelled++;
        if (!box)
            FAIL("create: %s", err.text);
        if (!storm_call(box, round))
            continue;
        cancelled++;
        hl_sandbox_destroy(box);
        box = NULL;
    }
    storm_end(thread, cancelled);
    if (box)
        CHECK_INT(vm_call(box, "Count", NONE).as.i32, 1);
    hl_sandbox_destroy(box);
    hl_guest_release(guest);
}

/* A restore is no call: what a late stop finds there, it does not hit. */
TEST_LIMIT(cancel_storm_of_restores, 3600)
{
    const int wanted = test_full() ? 100000 : 5000;
    hl_config config = {.struct_size = sizeof config};
    hl_sandbox *box;
    hl_snapshot *start;
    pthread_t thread;
    int round, cancelled = 0;
    hl_error err;

    storm_begin(&thread);
    config.interrupt = storm.stop;
    box = vm_box("simple", NULL, &config);
    CHECK_INT(hl_snapshot_take(&start, box, &err), HL_OK);
    for (round = 1; cancelled < wanted; round++) {
        cancelled += storm_call(box, round);
        if (hl_sandbox_restore(box, start, &err))
            FAIL("restore: %s", err.text);
    }
    storm_end(thread, cancelled);
    CHECK_INT(vm_call(box, "Count", NONE).as.i32, 1);
    hl_snapshot_release(start);
    hl_sandbox_destroy(box);
}
