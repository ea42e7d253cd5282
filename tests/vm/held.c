/* SPDX-License-Identifier: Apache-2.0 */
/* Counts files, mappings, threads and memory of this process, and minds a bystander. */
#include "held.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "vm.h"

/* Allocators split and join mappings, and keep some memory; a sanitizer's keeps
 * much, and what the library itself does is then seen without one. */
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
enum { MAPPINGS_SLACK = 1 << 20, KIB_SLACK = 1 << 30 };
#else
enum { MAPPINGS_SLACK = 8, KIB_SLACK = 8 << 10 };
#endif

int held_entries(const char *folder)
{
    DIR *dir = opendir(folder);
    int n = 0;

    if (!dir)
        FAIL("%s cannot be read", folder);
    while (readdir(dir))
        n++;
    closedir(dir);
    return n - 2; /* . and .. */
}

static long resident_kib(void)
{
    FILE *file = fopen("/proc/self/status", "r");
    char line[256];
    long kib = -1;

    CHECK(file);
    while (kib < 0 && fgets(line, sizeof line, file))
        sscanf(line, "VmRSS: %ld", &kib);
    fclose(file);
    CHECK(kib >= 0);
    return kib;
}

int held_mappings(const char *part)
{
    FILE *file = fopen("/proc/self/maps", "r");
    char line[512];
    int n = 0;

    CHECK(file);
    while (fgets(line, sizeof line, file))
        n += strstr(line, part) != NULL;
    fclose(file);
    return n;
}

struct held held_now(void)
{
    return (struct held){held_entries("/proc/self/fd"), held_mappings(""),
                         held_entries("/proc/self/task"), resident_kib()};
}

void held_check(const struct held *before)
{
    struct held now;

    hl_cache_trim(0);
    now = held_now();
    CHECK_INT(now.files, before->files);
    /* Where guests are processes, a thread watches those of all sandboxes. */
    CHECK(now.threads <= before->threads + (vm_hypervisor() == HL_HYPERVISOR_PROCESS));
    if (now.mappings > before->mappings + MAPPINGS_SLACK)
        FAIL("%d mappings, %d at the beginning", now.mappings, before->mappings);
    if (now.kib > before->kib + KIB_SLACK)
        FAIL("%ld KiB are resident, %ld at the beginning", now.kib, before->kib);
}

static void *stand_by(void *arg)
{
    struct bystander *bystander = arg;
    uint32_t n = 0;

    while (!atomic_load(&bystander->over) || !n) {
        CHECK_INT(vm_call(bystander->box, "EchoU32", ARGS(hl_u32(n))).as.u32, n);
        CHECK_INT(vm_call(bystander->box, "Count", NONE).as.i32, ++n);
        usleep(1000);
    }
    return NULL;
}

void bystander_start(struct bystander *bystander)
{
    bystander->box = vm_box("simple", NULL, NULL);
    atomic_init(&bystander->over, false);
    CHECK_INT(pthread_create(&bystander->thread, NULL, stand_by, bystander), 0);
}

void bystander_end(struct bystander *bystander)
{
    atomic_store(&bystander->over, true);
    CHECK_INT(pthread_join(bystander->thread, NULL), 0);
    hl_sandbox_destroy(bystander->box);
}
