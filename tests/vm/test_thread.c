/* SPDX-License-Identifier: Apache-2.0 */
/* Many sandboxes on several threads, and one sandbox on many. */
#include <pthread.h>
#include <stdatomic.h>
#include <unistd.h>

#include "vm.h"

enum { THREADS = 4, BOXES = 16 };

static hl_guest *guest;
static hl_host *host;

/* The first eight bytes of text say which sandbox calls. */
static hl_status answer(hl_call *call, const hl_value args[], hl_value *ret)
{
    const int32_t *mine = hl_sandbox_user(hl_call_sandbox(call));

    CHECK_INT(args[0].len, 8);
    CHECK_INT(args[0].as.str[0] - 'a', *mine % 26);
    *ret = hl_i32(*mine);
    return HL_OK;
}

static void *worker(void *arg)
{
    const int first = *(int *)arg * BOXES;
    const int rounds = test_full() ? 10000 : 1000;
    hl_config config = {.struct_size = sizeof config, .deadline_us = 60000000};
    hl_sandbox *boxes[BOXES];
    int32_t ids[BOXES];
    char text[] = "axxxxxxx";
    hl_error err;
    int i, k;

    for (i = 0; i < BOXES; i++) {
        ids[i] = first + i;
        config.user = &ids[i];
        if (hl_sandbox_create(&boxes[i], guest, host, &config, &err))
            FAIL("create: %s", err.text);
    }
    for (k = 1; k <= rounds; k++)
        for (i = 0; i < BOXES; i++) {
            text[0] = (char)('a' + ids[i] % 26);
            CHECK_INT(vm_call(boxes[i], "Print", ARGS(hl_str(text))).as.i32, ids[i]);
        }
    for (i = 0; i < BOXES; i++) {
        CHECK_INT(vm_call(boxes[i], "Count", NONE).as.i32, 1);
        hl_sandbox_destroy(boxes[i]);
    }
    return NULL;
}

TEST_SLOW(thread_64_sandboxes_on_4_threads)
{
    const hl_host_function table[] = {{"HostPrint", "i32(str)", answer, NULL}};
    pthread_t threads[THREADS];
    int numbers[THREADS], i;

    guest = vm_guest("simple");
    host = vm_host(table, 1);
    for (i = 0; i < THREADS; i++) {
        numbers[i] = i;
        CHECK_INT(pthread_create(&threads[i], NULL, worker, &numbers[i]), 0);
    }
    for (i = 0; i < THREADS; i++)
        pthread_join(threads[i], NULL);
    hl_host_release(host);
    hl_guest_release(guest);
}

struct passed {
    hl_sandbox *box;
    int expect;
};

static void *call_once(void *arg)
{
    struct passed *passed = arg;

    CHECK_INT(vm_call(passed->box, "Count", NONE).as.i32, passed->expect);
    return NULL;
}

TEST(thread_a_sandbox_moves_between_threads)
{
    struct passed passed = {vm_box("simple", NULL, NULL), 0};
    pthread_t thread;

    for (passed.expect = 1; passed.expect <= 50; passed.expect++) {
        CHECK_INT(pthread_create(&thread, NULL, call_once, &passed), 0);
        pthread_join(thread, NULL);
    }
    hl_sandbox_destroy(passed.box);
}

static void *stop_second(void *arg)
{
    usleep(20000);
    CHECK(hl_interrupt_stop(arg));
    return NULL;
}

TEST(thread_only_the_target_stops)
{
    hl_sandbox *first = vm_box("simple", NULL, NULL), *second = vm_box("simple", NULL, NULL);
    pthread_t thread;

    CHECK_INT(vm_call(first, "Count", NONE).as.i32, 1);
    CHECK_INT(pthread_create(&thread, NULL, stop_second, hl_sandbox_interrupt(second)), 0);
    vm_expect(HL_E_CANCELLED, NULL, second, "Spin", NONE, NULL);
    pthread_join(thread, NULL);
    CHECK_INT(vm_call(first, "Count", NONE).as.i32, 2);
    hl_sandbox_destroy(first);
    hl_sandbox_destroy(second);
}

static atomic_int entered;
static hl_status hold(hl_call *call, const hl_value args[], hl_value *ret)
{
    (void)call;
    (void)args;
    atomic_store(&entered, 1);
    while (atomic_load(&entered) != 2)
        usleep(100);
    *ret = hl_i32(0);
    return HL_OK;
}

static void *call_print(void *box)
{
    vm_call(box, "Print", ARGS(hl_str("held")));
    return NULL;
}

TEST(thread_a_running_sandbox_refuses_others)
{
    const hl_host_function table[] = {{"HostPrint", "i32(str)", hold, NULL}};
    hl_host *own = vm_host(table, 1);
    hl_sandbox *box = vm_box("simple", own, NULL);
    pthread_t thread;

    CHECK_INT(pthread_create(&thread, NULL, call_print, box), 0);
    while (!atomic_load(&entered))
        usleep(100);
    vm_expect(HL_E_STATE, "Count: the sandbox is RUNNING on another thread", box, "Count", NONE,
              NULL);
    atomic_store(&entered, 2);
    pthread_join(thread, NULL);
    CHECK_INT(vm_call(box, "Count", NONE).as.i32, 1);
    hl_sandbox_destroy(box);
    hl_host_release(own);
}
