/* SPDX-License-Identifier: Apache-2.0 */
/* Which process this is, from a process to those that it forks. */
#include "../../src/host/process_id.h"

#include <pthread.h>
#include <sys/wait.h>
#include <unistd.h>

#include "../test.h"

static void expect_well(pid_t child)
{
    int status;

    CHECK(child > 0);
    CHECK_INT(waitpid(child, &status, 0), child);
    CHECK_INT(status, 0);
}

TEST(process_differs_from_its_parents_and_children)
{
    const uint32_t first = process_id();
    uint32_t second;
    pid_t child = fork();

    CHECK(first);
    if (!child) {
        second = process_id();
        CHECK(second && second != first);
        child = fork();
        if (!child) {
            CHECK(process_id() && process_id() != first && process_id() != second);
            _exit(0);
        }
        expect_well(child);
        CHECK_INT(process_id(), second);
        _exit(0);
    }
    expect_well(child);
    CHECK_INT(process_id(), first);
}

static void *ask(void *out)
{
    *(uint32_t *)out = process_id();
    return NULL;
}

TEST(process_is_one_for_all_threads)
{
    uint32_t ids[8];
    pthread_t threads[8];
    int i;

    for (i = 0; i < 8; i++)
        CHECK_INT(pthread_create(&threads[i], NULL, ask, &ids[i]), 0);
    for (i = 0; i < 8; i++) {
        pthread_join(threads[i], NULL);
        CHECK_INT(ids[i], process_id());
    }
}
