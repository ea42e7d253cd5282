/* SPDX-License-Identifier: Apache-2.0 */
/* Ends calls that take too long, by the clock and by hand: deadline GUEST */
#include <hyperlight/easy.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

/* Somebody who does not want to wait: a user, a connection that was closed. */
struct somebody {
    const hl_interrupt *stop;
    atomic_bool over; /* the call came back, or never began */
};

static void *lose_patience(void *user)
{
    struct somebody *who = (struct somebody *)user;
    const struct timespec pause = {0, 10000000};

    /* false: no call was in progress yet. A later one is never hit by mistake. */
    while (!atomic_load(&who->over) && !hl_interrupt_stop(who->stop))
        nanosleep(&pause, NULL);
    return NULL;
}

static void report(const char *what, const hl_sandbox *box, const hl_error *err)
{
    printf("%s: %s%s\n", what, err->status ? err->text : "done",
           hl_sandbox_state(box) == HL_POISONED ? "; restore it" : "");
}

static hl_status by_clock(hl_sandbox *box, const hl_snapshot *clean, hl_error *err)
{
    hl_status status;

    hl_invoke(NULL, box, err, "Spin");
    report("Spin, 50 ms", box, err);
    status = hl_sandbox_restore(box, clean, err);
    if (!status)
        status = hl_sandbox_set_deadline(box, 5000, err); /* from the next call on */
    if (status)
        return status;
    hl_invoke(NULL, box, err, "Spin");
    report("Spin, 5 ms", box, err);
    status = hl_sandbox_restore(box, clean, err);
    return status ? status : hl_sandbox_set_deadline(box, 0, err);
}

static hl_status by_hand(hl_sandbox *box, const hl_snapshot *clean, hl_error *err)
{
    struct somebody who = {.stop = hl_sandbox_interrupt(box)};
    pthread_t thread;
    const int error = pthread_create(&thread, NULL, lose_patience, &who);

    if (error) {
        snprintf(err->text, sizeof err->text, "pthread_create: %s", strerror(error));
        return err->status = HL_E_SYSTEM;
    }
    hl_invoke(NULL, box, err, "Spin");
    atomic_store(&who.over, true);
    pthread_join(thread, NULL);
    report("Spin, until somebody stops it", box, err);
    return hl_sandbox_restore(box, clean, err);
}

int main(int argc, char **argv)
{
    const hl_config config = {
        .struct_size = sizeof config, .deadline_us = 50000, .allow_process = 1};
    hl_guest *guest = NULL;
    hl_sandbox *box = NULL;
    hl_snapshot *clean = NULL;
    hl_error err;

    if (!hl_guest_open(&guest, argc > 1 ? argv[1] : "deadline_guest", &err) &&
        !hl_sandbox_create(&box, guest, NULL, &config, &err) &&
        !hl_snapshot_take(&clean, box, &err) && !by_clock(box, clean, &err) &&
        !by_hand(box, clean, &err)) {
        hl_invoke(NULL, box, &err, "Short");
        report("Short", box, &err);
    }
    if (err.status)
        fprintf(stderr, "deadline: %s\n", err.text);
    hl_snapshot_release(clean);
    hl_sandbox_destroy(box);
    hl_guest_release(guest);
    return err.status != HL_OK;
}
