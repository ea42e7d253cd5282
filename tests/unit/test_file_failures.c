/* SPDX-License-Identifier: Apache-2.0 */
/* Snapshot files and mapped files when memory or descriptors run out: each
 * allocation, each descriptor fails once, and nothing is lost or left. */
#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <unistd.h>

#include "alloc.h"
#include "snapfile_fixture.h"

static int descriptors(void)
{
    DIR *dir = opendir("/proc/self/fd");
    int n = 0;

    CHECK(dir);
    while (readdir(dir))
        n++;
    closedir(dir);
    return n;
}

static const char *mapped_file(void)
{
    static char path[512];
    static uint8_t pages[3 * HL_PAGE];
    int fd;

    snprintf(path, sizeof path, "%s", snapfile_path("mapped"));
    fd = open(path, O_CREAT | O_WRONLY, 0600);
    memset(pages, 1, sizeof pages);
    CHECK_INT(write(fd, pages, sizeof pages), sizeof pages);
    close(fd);
    return path;
}

static hl_status map_file(hl_sandbox *box, hl_error *err)
{
    const hl_mapping mapping = {
        .struct_size = sizeof mapping, .path = snapfile_path("mapped"), .writable = 1};
    uint64_t at = 0;

    return hl_sandbox_map(&at, box, &mapping, err);
}

/* A sandbox with a mapped file, its snapshot, and that in the file "saved". */
static hl_snapshot *saved(hl_sandbox **box)
{
    hl_snapshot *snapshot;
    hl_error err;

    *box = snapfile_box();
    mapped_file();
    CHECK_INT(map_file(*box, &err), HL_OK);
    CHECK_INT(hl_snapshot_take(&snapshot, *box, &err), HL_OK);
    CHECK_INT(hl_snapshot_save(snapshot, snapfile_path("saved"), &err), HL_OK);
    return snapshot;
}

/* ---- What is done, and what must be as before if it fails ---------------------------------- */

struct deed {
    hl_sandbox *box;
    hl_snapshot *snapshot, *made;
};

static hl_status load(struct deed *deed, hl_error *err)
{
    const hl_status status = snapshot_load_on(&deed->made, &hv_fake, snapfile_path("saved"), err);

    CHECK(!status == (deed->made != NULL));
    return status;
}

static hl_status save(struct deed *deed, hl_error *err)
{
    const hl_status status = hl_snapshot_save(deed->snapshot, snapfile_path("again"), err);

    CHECK(!status == !access(snapfile_path("again"), F_OK));
    return status;
}

static hl_status map(struct deed *deed, hl_error *err)
{
    const hl_status status = map_file(deed->box, err);

    CHECK_INT(hl_sandbox_state(deed->box), HL_READY);
    return status;
}

static hl_status take(struct deed *deed, hl_error *err)
{
    const hl_status status = hl_snapshot_take(&deed->made, deed->box, err);

    CHECK_INT(hl_sandbox_state(deed->box), HL_READY);
    CHECK(!status == (deed->made != NULL));
    return status;
}

typedef hl_status (*deed_fn)(struct deed *deed, hl_error *err);
static const deed_fn deeds[] = {load, save, map, take};

static void begin(struct deed *deed)
{
    *deed = (struct deed){NULL, NULL, NULL};
    deed->snapshot = saved(&deed->box);
}

static void end(struct deed *deed)
{
    hl_snapshot_release(deed->made);
    hl_snapshot_release(deed->snapshot);
    hl_sandbox_destroy(deed->box);
    hl_cache_trim(0);
    unlink(snapfile_path("again"));
}

/* ---- What there is too little of ------------------------------------------------------------ */

static uint32_t without_memory(struct deed *deed, deed_fn fn)
{
    const int before = descriptors();
    hl_status status = HL_E_MEMORY;
    hl_error err;
    uint32_t n;

    for (n = 0; status; n++) {
        alloc_fails_after(n);
        status = fn(deed, &err);
        if (!alloc_works())
            return n;
        if (!status)
            continue; /* it could do without */
        CHECK_INT(status, HL_E_MEMORY);
        CHECK_INT(err.status, HL_E_MEMORY);
        CHECK(*err.text);
        CHECK_INT(descriptors(), before);
    }
    return n;
}

TEST(files_without_memory)
{
    struct deed deed;
    size_t i;

    for (i = 0; i < sizeof deeds / sizeof *deeds; i++) {
        begin(&deed);
        CHECK(without_memory(&deed, deeds[i]) >= 3);
        end(&deed);
    }
}

static uint32_t without_descriptors(struct deed *deed, deed_fn fn)
{
    const int before = descriptors();
    hl_status status = HL_E_SYSTEM;
    struct rlimit whole, few;
    uint32_t n, failed = 0;
    hl_error err;

    CHECK_INT(getrlimit(RLIMIT_NOFILE, &whole), 0);
    for (n = 0; status; n++) {
        few = (struct rlimit){n, whole.rlim_max};
        CHECK_INT(setrlimit(RLIMIT_NOFILE, &few), 0);
        status = fn(deed, &err);
        CHECK_INT(setrlimit(RLIMIT_NOFILE, &whole), 0);
        if (!status)
            break;
        failed++;
        CHECK_INT(status, HL_E_SYSTEM);
        CHECK_HAS(err.text, "Too many open files");
        CHECK_INT(descriptors(), before);
    }
    return failed;
}

TEST(files_without_descriptors)
{
    struct deed deed;
    size_t i;

    for (i = 0; i < 3; i++) { /* a take needs none */
        begin(&deed);
        CHECK(without_descriptors(&deed, deeds[i]) >= 3);
        end(&deed);
    }
}
