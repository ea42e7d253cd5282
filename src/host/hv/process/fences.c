/* SPDX-License-Identifier: Apache-2.0 */
/* What stands behind the filter where the machine has it: namespaces, Landlock. */
#include <linux/poll.h>
#include <linux/prctl.h>
#include <linux/sched.h>

#include "tracer_inside.h"

enum { SIGNAL_CHILD = 17, SIGNAL_KILL = 9 };

/* ---- Namespaces, of the tracer: what it makes is born in them ------------------------ */

/* The first process of a namespace must stay: all others end with it. It ends
 * with the tracer, which may be gone before it runs. */
static _Noreturn void be_first(long tracer)
{
    const uint64_t none[2] = {0, 0};
    struct pollfd end = {0, POLLIN, 0};

    SYS(prctl, PR_SET_NAME, "hl-first");
    SYS(prlimit64, 0, 4 /* RLIMIT_CORE */, none);
    SYS(dup2, tracer, 0);
    SYS(close_range, 1, ~0u, 0);
    while (SYS(poll, &end, 1, -1) <= 0)
        ;
    sys_leave(0);
}

static long first;

static bool own_user;

void fence_user(void)
{
    own_user = !SYS(unshare, CLONE_NEWUSER);
    SYS(prctl, PR_SET_DUMPABLE, 1); /* else not even its tracer may look at a child */
}

long fence_namespaces(void)
{
    const long self = own_user ? SYS(pidfd_open, SYS(getpid, 0), 0) : -1;

    if (self < 0)
        return 0;
    if (!SYS(unshare, CLONE_NEWPID | CLONE_NEWNET | CLONE_NEWIPC | CLONE_NEWUTS)) {
        first = SYS(clone, SIGNAL_CHILD, 0, 0, 0, 0);
        if (!first)
            be_first(self);
        HEAD->fences |= TRACER_NAMESPACES;
    }
    SYS(close, self);
    return first;
}

void fence_end(void)
{
    if (first > 0)
        SYS(kill, first, SIGNAL_KILL);
}

/* ---- Landlock, of the template -------------------------------------------------------- */

/* All that this kernel can forbid, and no exception from it. */
void fence_landlock(void)
{
    static const uint64_t files[] = {0x1fff, 0x3fff, 0x7fff, 0x7fff, 0xffff};
    struct {
        uint64_t files, network, scope;
    } rules = {0, 0, 0};
    const long version = SYS(landlock_create_ruleset, 0, 0, 1);
    long fd;

    if (version < 1)
        return;
    rules.files = files[version < 5 ? version - 1 : 4];
    rules.network = version >= 4 ? 3 : 0;
    rules.scope = version >= 6 ? 3 : 0;
    fd = SYS(landlock_create_ruleset, &rules, version >= 6 ? 24 : version >= 4 ? 16 : 8, 0);
    if (fd >= 0 && !SYS(landlock_restrict_self, fd, 0))
        HEAD->fences |= TRACER_LANDLOCK;
}
