/* SPDX-License-Identifier: Apache-2.0 */
/* Many sandboxes on several threads: threads GUEST */
#include <hyperlight/easy.h>
#include <pthread.h>
#include <stdio.h>

static const hl_config config = {.struct_size = sizeof config, .allow_process = 1};

enum { THREADS = 4, SANDBOXES = 8, RANGE = 1000 };

/* The snapshot is shared: const, so any number of threads may use it. A sandbox
 * belongs to the thread that made it, or to whom it is handed over. */
struct worker {
    const hl_snapshot *start;
    uint32_t number;
    uint64_t best;
    uint32_t steps;
    hl_error err;
};

/* One range of numbers in a sandbox of its own. */
static hl_status work(struct worker *w, uint64_t from)
{
    hl_value best, steps;
    hl_sandbox *box;

    if (hl_sandbox_create_from(&box, w->start, NULL, &config, &w->err))
        return w->err.status;
    if (!hl_invoke(&best, box, &w->err, "Longest", from, (unsigned)RANGE) &&
        !hl_invoke(&steps, box, &w->err, "Steps", best) && steps.as.u32 > w->steps) {
        w->best = best.as.u64;
        w->steps = steps.as.u32;
    }
    hl_sandbox_destroy(box); /* its VM serves the next one */
    return w->err.status;
}

static void *run(void *user)
{
    struct worker *w = (struct worker *)user;
    uint32_t i;

    for (i = 0; i < SANDBOXES; i++)
        if (work(w, 1 + (uint64_t)RANGE * (w->number * SANDBOXES + i)))
            break;
    return NULL;
}

/* Starts all, waits for all; the first error, if there is one. */
static hl_status run_all(struct worker workers[], const hl_snapshot *start, hl_error *err)
{
    pthread_t threads[THREADS];
    uint32_t i, started = 0;

    for (i = 0; i < THREADS; i++, started++) {
        workers[i] = (struct worker){.start = start, .number = i};
        if (pthread_create(&threads[i], NULL, run, &workers[i]))
            break;
    }
    for (i = 0; i < started; i++) {
        pthread_join(threads[i], NULL);
        if (workers[i].err.status && !err->status)
            *err = workers[i].err;
    }
    return started == THREADS ? err->status : HL_E_SYSTEM;
}

int main(int argc, char **argv)
{
    struct worker workers[THREADS];
    hl_guest *guest = NULL;
    hl_sandbox *box = NULL;
    hl_snapshot *start = NULL;
    const struct worker *best = workers;
    hl_status status;
    hl_error err;
    uint32_t i;

    if (hl_guest_open(&guest, argc > 1 ? argv[1] : "threads_guest", &err) ||
        hl_sandbox_create(&box, guest, NULL, &config, &err) ||
        hl_snapshot_take(&start, box, &err) || run_all(workers, start, &err)) {
        fprintf(stderr, "threads: %s\n", err.status ? err.text : "a thread could not be started");
        status = HL_E_SYSTEM;
    } else {
        for (i = 1; i < THREADS; i++)
            if (workers[i].steps > best->steps)
                best = &workers[i];
        printf("%d sandboxes on %d threads: %llu takes %u steps, the most below %d\n",
               THREADS * SANDBOXES, THREADS, (unsigned long long)best->best, best->steps,
               THREADS * SANDBOXES * RANGE);
        status = HL_OK;
    }
    hl_snapshot_release(start);
    hl_sandbox_destroy(box);
    hl_guest_release(guest);
    return status != HL_OK;
}
