/* SPDX-License-Identifier: Apache-2.0 */
/* Stopping a guest, whatever the application does with its signals. */
#include <errno.h>
#include <linux/kvm.h>
#include <pthread.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

#include "vm.h"

/* Chosen, so that the tests know which one it is. */
enum { OURS = SIGUSR2 };

static hl_sandbox *box_with(uint64_t deadline_us)
{
    const hl_config config = {
        .struct_size = sizeof config, .interrupt_signal = OURS, .deadline_us = deadline_us};

    return vm_box("simple", NULL, &config);
}

static void block(int how, int number)
{
    sigset_t set;

    sigemptyset(&set);
    if (number)
        sigaddset(&set, number);
    else
        sigfillset(&set);
    CHECK_INT(pthread_sigmask(how, &set, NULL), 0);
}

static uint64_t now_ms(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

static void *stop_later(void *stop)
{
    usleep(20000);
    CHECK(hl_interrupt_stop(stop));
    return NULL;
}

/* A call that never ends by itself is stopped. */
static void expect_stop(hl_sandbox *box)
{
    pthread_t thread;

    CHECK_INT(pthread_create(&thread, NULL, stop_later, hl_sandbox_interrupt(box)), 0);
    vm_expect(HL_E_CANCELLED, "the call was cancelled", box, "Spin", NONE, NULL);
    pthread_join(thread, NULL);
    hl_sandbox_destroy(box);
}

/* ---- Ours -------------------------------------------------------------------------- */

/* The library's default too: no other signal is chosen. */
TEST(signals_need_no_room_in_the_queue)
{
    const struct rlimit none = {0, 0};

    CHECK_INT(setrlimit(RLIMIT_SIGPENDING, &none), 0);
    expect_stop(vm_box("simple", NULL, NULL));
}

TEST(signals_that_are_queued_are_refused)
{
    hl_config config = {.struct_size = sizeof config, .interrupt_signal = SIGRTMIN + 1};
    hl_guest *guest = vm_guest("simple");
    hl_sandbox *box;
    hl_error err;

    vm_needs_kvm();
    CHECK_INT(hl_sandbox_create(&box, guest, NULL, &config, &err), HL_E_INVALID);
    CHECK_HAS(err.text, "a real-time signal, which can be lost where many are pending; wanted 1 "
                        "to 31");
    config.interrupt_signal = 1000;
    CHECK_INT(hl_sandbox_create(&box, guest, NULL, &config, &err), HL_E_INVALID);
    CHECK_STR(err.text, "interrupt_signal is 1000: Invalid argument");
    config.interrupt_signal = 0;
    CHECK_INT(hl_sandbox_create(&box, guest, NULL, &config, &err), HL_OK);
    hl_sandbox_destroy(box);
    hl_guest_release(guest);
}

TEST(signals_blocked_after_the_first_call_still_stop)
{
    hl_sandbox *box = box_with(0);

    CHECK_INT(vm_call(box, "Count", NONE).as.i32, 1);
    block(SIG_BLOCK, 0);
    expect_stop(box);
}

TEST(signals_unblocked_after_the_first_call_still_stop)
{
    hl_sandbox *box;

    block(SIG_BLOCK, OURS);
    box = box_with(0);
    CHECK_INT(vm_call(box, "Count", NONE).as.i32, 1);
    block(SIG_UNBLOCK, OURS);
    expect_stop(box);
}

TEST(signals_ignored_after_the_claim_still_stop)
{
    hl_sandbox *box = box_with(0);

    signal(OURS, SIG_IGN);
    expect_stop(box);
    box = box_with(0);
    signal(OURS, SIG_DFL);
    expect_stop(box);
}

/* Somebody else sent it, to the thread and to the process, and it is blocked:
 * it would end every run. */
TEST(signals_pending_from_outside_disturb_nothing)
{
    hl_sandbox *box = box_with(3000000);
    int i;

    block(SIG_BLOCK, OURS);
    for (i = 1; i <= 10; i++) {
        CHECK_INT(pthread_kill(pthread_self(), OURS), 0);
        CHECK_INT(kill(getpid(), OURS), 0);
        CHECK_INT(vm_call(box, "Count", NONE).as.i32, i);
    }
    expect_stop(box);
}

/* ---- The application's --------------------------------------------------------------- */

static volatile uint64_t arrived_ms;
static void on_alarm(int number)
{
    (void)number;
    arrived_ms = now_ms();
}

/* A timer's signal comes while the guest spins, not when the call is over. */
static void expect_arrival(hl_sandbox *box)
{
    const struct itimerval soon = {{0, 0}, {0, 20000}};
    uint64_t start = now_ms();

    arrived_ms = 0;
    signal(SIGALRM, on_alarm);
    setitimer(ITIMER_REAL, &soon, NULL);
    vm_expect(HL_E_DEADLINE, NULL, box, "Spin", NONE, NULL);
    CHECK(now_ms() - start >= 900);
    CHECK(arrived_ms >= start && arrived_ms - start < 500);
    hl_sandbox_destroy(box);
}

TEST(signals_unblocked_later_arrive_while_a_guest_runs)
{
    hl_sandbox *box;

    block(SIG_BLOCK, SIGALRM);
    box = box_with(1000000);
    CHECK_INT(vm_call(box, "Count", NONE).as.i32, 1);
    block(SIG_UNBLOCK, SIGALRM);
    expect_arrival(box);
}

/* As above, after one that was pending had the thread's mask taken over. */
TEST(signals_unblocked_after_one_was_pending_arrive)
{
    hl_sandbox *box = box_with(1000000);

    block(SIG_BLOCK, SIGALRM);
    block(SIG_BLOCK, SIGUSR1);
    CHECK_INT(raise(SIGUSR1), 0);
    CHECK_INT(vm_call(box, "Count", NONE).as.i32, 1);
    block(SIG_UNBLOCK, SIGALRM);
    expect_arrival(box);
}

/* Blocked and pending, in turn for the thread, for the process and unblocked
 * again: calls go on, and the signals stay what they were. */
TEST(signals_that_are_blocked_and_pending_disturb_nothing)
{
    hl_sandbox *box = box_with(3000000);
    sigset_t pending;
    int i;

    signal(SIGUSR1, on_alarm);
    for (i = 1; i <= 20; i += 2) {
        block(SIG_BLOCK, SIGUSR1);
        CHECK_INT(i % 4 == 1 ? raise(SIGUSR1) : kill(getpid(), SIGUSR1), 0);
        CHECK_INT(vm_call(box, "Count", NONE).as.i32, i);
        CHECK_INT(sigpending(&pending), 0);
        CHECK_INT(sigismember(&pending, SIGUSR1), 1);
        arrived_ms = 0;
        block(SIG_UNBLOCK, SIGUSR1);
        CHECK(arrived_ms);
        CHECK_INT(vm_call(box, "Count", NONE).as.i32, i + 1);
    }
    block(SIG_BLOCK, SIGUSR1);
    CHECK_INT(raise(SIGUSR1), 0);
    expect_stop(box);
}

/* A fatal signal that the thread blocks does not end the process in a run. */
TEST(signals_that_are_blocked_kill_nobody)
{
    const struct itimerval soon = {{0, 0}, {0, 20000}};
    hl_sandbox *box = box_with(200000);
    sigset_t pending;

    block(SIG_BLOCK, SIGALRM); /* its default is to terminate */
    setitimer(ITIMER_REAL, &soon, NULL);
    vm_expect(HL_E_DEADLINE, NULL, box, "Spin", NONE, NULL);
    CHECK_INT(sigpending(&pending), 0);
    CHECK_INT(sigismember(&pending, SIGALRM), 1);
    hl_sandbox_destroy(box);
}

/* ---- Where the kernel refuses ----------------------------------------------------------- */

TEST(signals_masks_that_cannot_be_set_are_reported)
{
    hl_guest *guest = vm_guest("simple");
    hl_sandbox *box = box_with(3000000);
    hl_error err;

    vm_needs_kvm();
    CHECK_INT(vm_call(box, "Count", NONE).as.i32, 1);
    vm_refuse(SYS_ioctl, 1, (uint32_t)KVM_SET_SIGNAL_MASK, EPERM);
    CHECK_INT(vm_call(box, "Count", NONE).as.i32, 2); /* needs none */
    block(SIG_BLOCK, SIGUSR1);
    CHECK_INT(raise(SIGUSR1), 0);
    vm_expect(HL_E_SYSTEM, "KVM_SET_SIGNAL_MASK: Operation not permitted", box, "Count", NONE,
              NULL);
    CHECK_INT(hl_sandbox_state(box), HL_POISONED);
    hl_sandbox_destroy(box);
    CHECK_INT(hl_sandbox_create(&box, guest, NULL, NULL, &err), HL_E_SYSTEM);
    CHECK_STR(err.text, "KVM_SET_SIGNAL_MASK: Operation not permitted");
    hl_guest_release(guest);
}
