/* SPDX-License-Identifier: Apache-2.0 */
/* Templates of guest processes: which there are, and whose slots they have. */
#define _GNU_SOURCE
#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "../error.h"
#include "../os/forkpage.h"
#include "../os/lock.h"
#include "process.h"

/* What a forked child must not take over. */
struct guard {
    struct lock lock;
    bool ours;     /* the list is of this process */
    bool watching; /* there is a thread that watches it */
};
static _Atomic(void *) guard_page;
static struct process_template *templates;

static struct guard *enter(hl_error *err)
{
    struct guard *guard = forkpage_get(&guard_page);

    if (!guard) {
        error_errno(err, ENOMEM, "a list of templates");
        return NULL;
    }
    lock_take(&guard->lock);
    if (!guard->ours)
        templates = NULL;
    guard->ours = true;
    return guard;
}

/* ---- One template ------------------------------------------------------------------ */

static void discard(struct process_template *template)
{
    process_end(template);
    if (template->head) {
        if (template->head->host >= 0)
            close(template->head->host);
        munmap(template->head, template->control.size);
    }
    if (template->words)
        munmap(template->words, (size_t)TRACER_SLOTS * TRACER_PAGE);
    os_share_close(&template->control);
    os_share_close(&template->arena);
    free(template);
}

/* Neither can shrink under those who have it mapped. */
static void fix_size(const os_share *share)
{
    fcntl((int)share->handle, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW);
}

static hl_status make_memory(struct process_template *template, const struct tracer_head *wanted,
                             hl_error *err)
{
    uint8_t *control, *words;
    hl_status status = os_share_create(&template->control, &control,
                                       TRACER_CONTROL_SIZE(wanted->slot_count), err);

    if (status)
        return status;
    os_harden(control, template->control.size);
    template->head = (struct tracer_head *)(void *)control;
    *template->head = *wanted;
    template->head->host = -1;
    status = os_share_create(&template->arena, NULL, tracer_arena_size(wanted), err);
    if (status)
        return status;
    words = mmap(NULL, (size_t)TRACER_SLOTS * TRACER_PAGE, PROT_READ | PROT_WRITE, MAP_SHARED,
                 (int)template->arena.handle, 0);
    if (words == MAP_FAILED)
        return error_errno(err, errno, "mapping slots of guest processes");
    os_harden(words, (size_t)TRACER_SLOTS * TRACER_PAGE);
    template->words = (struct tracer_words *)(void *)words;
    fix_size(&template->control);
    fix_size(&template->arena);
    return HL_OK;
}

static hl_status make(struct process_template **out, const struct tracer_head *wanted,
                      hl_error *err)
{
    struct process_template *template = calloc(1, sizeof *template);
    hl_status status;

    *out = NULL;
    if (!template)
        return error_errno(err, ENOMEM, "a template of guest processes");
    template->control = template->arena = OS_SHARE_NONE;
    template->tracer = -1;
    status = make_memory(template, wanted, err);
    if (!status) {
        template->head->arena = (int)template->arena.handle;
        template->head->host = (int)syscall(SYS_pidfd_open, getpid(), 0);
        status = template->head->host < 0 ? error_errno(err, errno, "pidfd_open") : HL_OK;
    }
    if (!status)
        status = process_start(template, err);
    if (status)
        discard(template);
    else
        *out = template;
    return status;
}

/* ---- Tracers that are killed -------------------------------------------------------- */

enum { WATCH_MS = 50, WATCHED_MAX = 64 };

/* Again and again, so that none of those who wait can miss it. */
static void tell_all(struct process_template *template)
{
    struct tracer_words *words = template->words;
    uint32_t i;

    atomic_store(&template->gone, true);
    for (i = 0; i < template->head->slot_count; i++) {
        if (!(template->taken[i / 64] >> i % 64 & 1))
            continue;
        process_wake(&tracer_slot(template->head, i)->done);
        process_wake(&process_words(words, i)->answer);
    }
}

/* Looks at all tracers; their pidfds, as many as there is room for. */
static nfds_t look(struct pollfd fds[WATCHED_MAX])
{
    struct process_template *template;
    nfds_t n = 0;

    for (template = templates; template; template = template->next) {
        if (!process_alive(template))
            tell_all(template);
        else if (n < WATCHED_MAX)
            fds[n++] = (struct pollfd){template->tracer, POLLIN, 0};
    }
    return n;
}

/* Ends with the last template. A descriptor may be closed meanwhile: what poll
 * says is a reason to look, no more. */
static void watch(void)
{
    struct pollfd fds[WATCHED_MAX];
    struct guard *guard = enter(NULL);
    nfds_t n;

    while (guard && templates) {
        n = look(fds);
        lock_drop(&guard->lock);
        poll(fds, n, WATCH_MS);
        guard = enter(NULL);
    }
    if (guard) {
        guard->watching = false;
        lock_drop(&guard->lock);
    }
}

static hl_status start_watch(struct guard *guard, hl_error *err)
{
    hl_status status = guard->watching ? HL_OK : os_thread_start(watch, err);

    guard->watching = status == HL_OK;
    return status;
}

/* ---- All of them ---------------------------------------------------------------------- */

static bool same(const struct tracer_head *a, const struct tracer_head *b)
{
    return a->slot_count == b->slot_count && a->region_count == b->region_count &&
           a->share_count == b->share_count &&
           !memcmp(a->share_ids, b->share_ids, sizeof a->share_ids) && a->requests == b->requests &&
           a->requests_size == b->requests_size && a->replies == b->replies &&
           a->replies_size == b->replies_size &&
           !memcmp(a->regions, b->regions, a->region_count * sizeof *a->regions);
}

bool process_template_fits(const struct process_template *template,
                           const struct tracer_head *wanted)
{
    return same(template->head, wanted) && process_alive(template);
}

static uint32_t free_slot(const struct process_template *template)
{
    uint32_t i;

    for (i = 0; i < template->head->slot_count; i++)
        if (!(template->taken[i / 64] >> i % 64 & 1))
            return i;
    return TRACER_SLOTS;
}

static struct process_template *find(const struct tracer_head *wanted)
{
    struct process_template *template = templates;

    while (template && (!same(template->head, wanted) || !process_alive(template) ||
                        free_slot(template) == TRACER_SLOTS))
        template = template->next;
    return template;
}

hl_status process_template_take(struct process_template **out, uint32_t *slot,
                                const struct tracer_head *wanted, hl_error *err)
{
    struct guard *guard = enter(err);
    struct process_template *template;
    hl_status status = HL_OK;

    if (!guard)
        return HL_E_MEMORY;
    template = find(wanted);
    if (!template) {
        status = start_watch(guard, err);
        if (!status)
            status = make(&template, wanted, err);
        if (!status) {
            assert(template);
            template->next = templates;
            templates = template;
        }
    }
    if (!status) {
        *slot = free_slot(template);
        template->taken[*slot / 64] |= 1ull << *slot % 64;
        template->users++;
    }
    lock_drop(&guard->lock);
    *out = template;
    return status;
}

static void punch(const os_share *share, uint64_t at, uint64_t size)
{
    fallocate((int)share->handle, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, (off_t)at,
              (off_t)size);
}

void process_template_clear(const struct process_template *template, uint32_t slot)
{
    const struct tracer_head *head = template->head;
    const uint64_t own = TRACER_CONTROL_SIZE((uint64_t)slot);

    punch(&template->arena, (uint64_t)slot * TRACER_PAGE, TRACER_PAGE);
    punch(&template->arena, tracer_arena_requests(head, slot), head->requests_size);
    punch(&template->arena, tracer_arena_replies(head, slot), head->replies_size);
    punch(&template->control, own, sizeof(struct tracer_slot));
}

void process_template_leave(struct process_template *template, uint32_t slot)
{
    struct guard *guard = enter(NULL);
    struct process_template **link = &templates;

    if (!guard)
        return;
    process_template_clear(template, slot); /* before somebody else has it */
    template->taken[slot / 64] &= ~(1ull << slot % 64);
    if (--template->users) {
        lock_drop(&guard->lock);
        return;
    }
    while (*link && *link != template)
        link = &(*link)->next;
    if (*link)
        *link = template->next;
    lock_drop(&guard->lock);
    discard(template);
}
