/* SPDX-License-Identifier: Apache-2.0 */
/* Stopping a guest, whatever the application does with its signals. */
#include <pthread.h>
#include <signal.h>
#include <sys/resource.h>
#include <unistd.h>

#include "vm.h"

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
