/* SPDX-License-Identifier: Apache-2.0 */
/* The deadline watcher. */
#include "deadline.h"

#include <assert.h>

#include "error.h"
#include "os/forkpage.h"
#include "os/lock.h"
#include "../shared/hot.h"

#define MICROSECOND 1000u
#define TICK_MIN (50u * MICROSECOND)      /* between two looks, at least */
#define IDLE_TIME (200000u * MICROSECOND) /* without a call, then it sleeps */
#define LIMIT_MAX_US (UINT64_MAX / 4 / MICROSECOND)

/* A forked child has none yet: its thread is not inherited, and the list is of
 * its parent's sandboxes. */
struct watcher {
    struct lock lock; /* of everything but the atomics */
    struct deadline *first;
    bool started;
    _Atomic uint32_t bell; /* changes to wake the watcher */
    atomic_bool asleep;    /* until the bell rings */
};

static struct watcher *watcher_get(void)
{
    static _Atomic(void *) page;

    return forkpage_get(&page);
}

static void ring(struct watcher *watcher)
{
    atomic_store(&watcher->asleep, false);
    atomic_fetch_add(&watcher->bell, 1);
    os_wake(&watcher->bell);
}

/* When this sandbox needs the next look, as of `now`; UINT64_MAX: not. Sets
 * *busy if it had a call since the last look. */
static uint64_t look(struct deadline *deadline, uint64_t now, bool *busy)
{
    const uint64_t word = atomic_load(&deadline->stop->word);
    const uint64_t end = atomic_load(&deadline->end_ns);
    const uint64_t limit = atomic_load(&deadline->limit_ns);

    if (word != deadline->last_word)
        *busy = true;
    deadline->last_word = word;
    if ((word & ((1u << PHASE_BITS) - 1)) != RUNNING || !end)
        return limit ? now + limit : UINT64_MAX; /* a call may begin right now */
    *busy = true;
    if (end > now)
        return end;
    interrupt_try(deadline->stop, word, EXPIRED);
    return limit ? now + limit : UINT64_MAX;
}

/* Looks at all; the time of the next look. */
static uint64_t look_at_all(struct watcher *watcher, uint64_t now, bool *busy)
{
    uint64_t next = UINT64_MAX, one;
    struct deadline *deadline;

    assert(watcher);
    lock_take(&watcher->lock);
    for (deadline = watcher->first; deadline; deadline = deadline->next) {
        one = look(deadline, now, busy);
        next = one < next ? one : next;
    }
    lock_drop(&watcher->lock);
    return next;
}

static void watch(void)
{
    struct watcher *watcher = watcher_get();
    uint64_t now, next, idle_since = os_clock_ns();
    uint32_t bell;
    bool busy;

    for (;;) {
        bell = atomic_load(&watcher->bell);
        now = os_clock_ns();
        busy = false;
        next = look_at_all(watcher, now, &busy);
        if (busy)
            idle_since = now;
        if (now - idle_since > IDLE_TIME) {
            /* A call that begins after this store rings; one that began before
             * is seen by the look that follows. */
            atomic_store(&watcher->asleep, true);
            look_at_all(watcher, now, &busy);
            if (!busy)
                os_wait(&watcher->bell, bell, UINT64_MAX);
            atomic_store(&watcher->asleep, false);
            idle_since = os_clock_ns();
            continue;
        }
        next = next < now + TICK_MIN ? TICK_MIN : next - now;
        os_wait(&watcher->bell, bell, next > IDLE_TIME ? IDLE_TIME : next);
    }
}

static void insert(struct watcher *watcher, struct deadline *deadline)
{
    deadline->next = watcher->first;
    deadline->link = &watcher->first;
    if (deadline->next)
        deadline->next->link = &deadline->next;
    watcher->first = deadline;
}

hl_status deadline_set(struct deadline *deadline, uint64_t us, hl_error *err)
{
    const uint64_t limit = (us > LIMIT_MAX_US ? LIMIT_MAX_US : us) * MICROSECOND;
    const uint64_t before = atomic_exchange(&deadline->limit_ns, limit);
    struct watcher *watcher = watcher_get();
    hl_status status = HL_OK;

    if (!limit)
        return HL_OK;
    if (!watcher) {
        atomic_store(&deadline->limit_ns, before);
        return error_set(err, HL_E_MEMORY, "no memory for the watcher of deadlines");
    }
    lock_take(&watcher->lock);
    if (!watcher->started) {
        status = os_thread_start(watch, err);
        watcher->started = !status;
    }
    if (!status && !deadline->listed) {
        insert(watcher, deadline);
        deadline->listed = true;
    }
    lock_drop(&watcher->lock);
    if (status)
        atomic_store(&deadline->limit_ns, before);
    else if (!before || limit < before)
        ring(watcher);
    return status;
}

void deadline_remove(struct deadline *deadline)
{
    struct watcher *watcher = watcher_get();

    if (!deadline->listed)
        return;
    lock_take(&watcher->lock);
    *deadline->link = deadline->next;
    if (deadline->next)
        deadline->next->link = deadline->link;
    lock_drop(&watcher->lock);
    deadline->listed = false;
}

HL__HOT uint64_t deadline_arm(struct deadline *deadline)
{
    const uint64_t limit = atomic_load_explicit(&deadline->limit_ns, memory_order_relaxed);
    const uint64_t end = limit ? os_clock_ns() + limit : 0;

    atomic_store_explicit(&deadline->end_ns, end, memory_order_relaxed);
    return end;
}

void deadline_started(void)
{
    struct watcher *watcher = watcher_get();

    if (atomic_load(&watcher->asleep))
        ring(watcher);
}

void deadline_check(struct deadline *deadline)
{
    const uint64_t word = atomic_load(&deadline->stop->word);
    const uint64_t end = atomic_load_explicit(&deadline->end_ns, memory_order_relaxed);

    if (end && os_clock_ns() >= end)
        interrupt_try(deadline->stop, word, EXPIRED);
}
