/* SPDX-License-Identifier: Apache-2.0 */
/* Files in guests that are taken, restored, cloned, saved. */
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

#include "map.h"

/* ---- Snapshots ------------------------- */

TEST(map_snapshot_holds_the_file)
{
    hl_sandbox *box = map_box(NULL), *other;
    hl_snapshot *plain = map_take(box), *mapped;
    struct map_file file;
    uint64_t at;

    map_file_make(&file, 3 * MIB);
    at = map_in(box, map_file(&file, true));
    map_poke(box, at, 1);
    map_poke(box, at + MIB, 2);
    mapped = map_take(box);
    map_poke(box, at + MIB, 3);
    map_poke(box, at + 2 * MIB, 4);
    map_out(box, at);
    unlink(file.path); /* the snapshot has it still */
    map_peek_faults(box, at);
    map_restore(box, mapped);
    *(uint64_t *)(void *)file.bytes = 1;
    *(uint64_t *)(void *)(file.bytes + MIB) = 2;
    CHECK_INT(map_sum(box, at, 3 * MIB), map_sum_of(file.bytes, 3 * MIB));
    map_restore(box, plain);
    map_peek_faults(box, at);
    other = map_clone(mapped);
    CHECK_INT(map_sum(other, at, 3 * MIB), map_sum_of(file.bytes, 3 * MIB));
    map_poke(other, at, 5);
    map_restore(box, mapped);
    CHECK_INT(map_peek(box, at), 1);
    CHECK_INT(map_peek(other, at), 5);
    hl_snapshot_release(plain);
    hl_snapshot_release(mapped);
    hl_sandbox_destroy(other);
    hl_sandbox_destroy(box);
    free(file.bytes);
}

TEST(map_is_saved_and_loaded)
{
    char path[] = "/tmp/hl-map-saved-XXXXXX";
    hl_sandbox *box = map_box(NULL), *loaded;
    hl_snapshot *snapshot, *again;
    struct map_file one, two;
    uint64_t first, second, gone;
    hl_error err;

    close(mkstemp(path));
    map_file_make(&one, 3 * MIB + 5);
    map_file_make(&two, 2 * PAGE);
    memset(two.bytes, 0, PAGE); /* a hole in the file */
    first = open(two.path, O_WRONLY);
    CHECK_INT(pwrite((int)first, two.bytes, PAGE, 0), PAGE);
    close((int)first);
    gone = map_in(box, map_file(&two, false));
    first = map_in(box, map_file(&one, true));
    map_out(box, gone);
    second = map_in(box, map_file(&two, false)); /* below, in a place of its own */
    map_poke(box, first + 4096, 99);
    map_poke(box, first + 8192, 98);
    snapshot = map_take(box);
    CHECK_INT(hl_snapshot_save(snapshot, path, &err), HL_OK);
    hl_snapshot_release(snapshot);
    hl_sandbox_destroy(box);
    *(uint64_t *)(void *)(one.bytes + 4096) = 99;
    *(uint64_t *)(void *)(one.bytes + 8192) = 98;
    unlink(one.path);
    unlink(two.path);
    if (hl_snapshot_load(&snapshot, path, &err))
        FAIL("load: %d, %s", err.status, err.text);
    loaded = map_clone(snapshot);
    CHECK_INT(map_sum(loaded, first, 3 * MIB + PAGE), map_sum_of(one.bytes, 3 * MIB + PAGE));
    CHECK_INT(map_sum(loaded, second, 2 * PAGE), map_sum_of(two.bytes, 2 * PAGE));
    CHECK_INT(map_area(loaded, second).access, HL_READ);
    map_poke(loaded, first, 1);
    again = map_take(loaded);
    CHECK_INT(hl_snapshot_save(again, path, &err), HL_OK); /* of a loaded one */
    hl_snapshot_release(again);
    map_restore(loaded, snapshot);
    CHECK_INT(map_sum(loaded, first, 3 * MIB + PAGE), map_sum_of(one.bytes, 3 * MIB + PAGE));
    hl_snapshot_release(snapshot);
    hl_sandbox_destroy(loaded);
    CHECK_INT(hl_snapshot_load(&snapshot, path, &err), HL_OK);
    loaded = map_clone(snapshot);
    *(uint64_t *)(void *)one.bytes = 1;
    CHECK_INT(map_sum(loaded, first, 3 * MIB + PAGE), map_sum_of(one.bytes, 3 * MIB + PAGE));
    vm_expect(HL_E_FAULT, "not allowed there", loaded, "Poke", ARGS(hl_u64(second), hl_u64(1)),
              NULL);
    hl_snapshot_release(snapshot);
    hl_sandbox_destroy(loaded);
    unlink(path);
    free(one.bytes);
    free(two.bytes);
}

/* ---- Mappings that come and go ------------------------- */

/* What is mapped is no reason to give a VM up that faulted. */
TEST(map_heals_in_the_same_machine)
{
    hl_sandbox *box = map_box(NULL);
    hl_cache_stats stats;
    hl_snapshot *mapped;
    struct map_file file;
    uint64_t at;

    map_file_make(&file, PAGE);
    at = map_in(box, map_file(&file, true));
    mapped = map_take(box);
    map_poke(box, at, 1);
    map_peek_faults(box, at + PAGE);
    map_restore(box, mapped);
    CHECK_INT(map_sum(box, at, PAGE), map_sum_of(file.bytes, PAGE));
    hl_cache_get_stats(&stats);
    CHECK_INT(stats.misses, 1);
    hl_snapshot_release(mapped);
    hl_sandbox_destroy(box);
    map_file_drop(&file);
}

/* Another file at the same address, with other permissions: what the processor
 * remembers of the one before must be gone. */
TEST(map_changes_reach_the_processor)
{
    hl_sandbox *box = map_box(NULL);
    hl_snapshot *clean = map_take(box);
    uint64_t at, first = 0;
    struct map_file file;
    int i;

    for (i = 0; i < 24; i++) {
        map_file_make(&file, (i % 3 * 2 * MIB) + PAGE * (1 + (uint64_t)i % 5));
        at = map_in(box, map_file(&file, i & 1));
        first = first ? first : at;
        CHECK_INT(at, first);
        CHECK_INT(map_sum(box, at, file.size), map_sum_of(file.bytes, file.size));
        if (i & 1)
            map_poke(box, at + file.size - 8, 1);
        else
            vm_expect(HL_E_FAULT, "not allowed there", box, "Poke", ARGS(hl_u64(at), hl_u64(1)),
                      NULL);
        if (i & 2)
            map_restore(box, clean);
        else
            map_out(box, at);
        if (!(i & 1))
            map_restore(box, clean);
        map_peek_faults(box, at);
        map_restore(box, clean);
        map_file_drop(&file);
    }
    hl_snapshot_release(clean);
    hl_sandbox_destroy(box);
}

enum { FILES = 4, SNAPSHOTS = 6, PLACES = 3 };

struct seen { /* what the guest should see */
    uint64_t at[PLACES];
    const struct map_file *file[PLACES]; /* NULL: nothing */
    bool writable[PLACES];
    uint8_t *bytes[PLACES];
};

static void seen_copy(struct seen *to, const struct seen *from)
{
    int i;

    *to = *from;
    for (i = 0; i < PLACES; i++) {
        if (!from->file[i])
            continue;
        to->bytes[i] = malloc(from->file[i]->size);
        memcpy(to->bytes[i], from->bytes[i], from->file[i]->size);
    }
}

static void seen_free(struct seen *seen)
{
    int i;

    for (i = 0; i < PLACES; i++)
        if (seen->file[i])
            free(seen->bytes[i]);
    memset(seen, 0, sizeof *seen);
}

static void seen_check(hl_sandbox *box, const struct seen *seen)
{
    int i;

    for (i = 0; i < PLACES; i++)
        if (seen->file[i])
            CHECK_INT(map_sum(box, seen->at[i], seen->file[i]->size),
                      map_sum_of(seen->bytes[i], seen->file[i]->size));
}

static void toggle(hl_sandbox *box, struct seen *seen, const struct map_file *file)
{
    const int i = (int)(map_random() % PLACES);

    if (seen->file[i]) {
        map_out(box, seen->at[i]);
        free(seen->bytes[i]);
        seen->file[i] = NULL;
        return;
    }
    seen->file[i] = file;
    seen->writable[i] = map_random() % 4;
    seen->at[i] = map_in(box, map_file(file, seen->writable[i]));
    seen->bytes[i] = malloc(file->size);
    memcpy(seen->bytes[i], file->bytes, file->size);
}

static void scribble(hl_sandbox *box, struct seen *seen)
{
    const int i = (int)(map_random() % PLACES);
    uint64_t value, at;
    int n;

    for (n = 0; seen->file[i] && seen->writable[i] && n < 5; n++) {
        value = map_random();
        at = map_random() % seen->file[i]->size & ~7ull;
        map_poke(box, seen->at[i] + at, value);
        memcpy(seen->bytes[i] + at, &value, sizeof value);
    }
}

/* Random steps on one sandbox, compared with a model after each. */
TEST_SLOW(map_model)
{
    static const uint64_t sizes[FILES] = {PAGE, 9 * PAGE, 2 * MIB, 4 * MIB + 3 * PAGE};
    const int steps = test_full() ? 5000 : 300;
    hl_sandbox *box = map_box(NULL);
    hl_snapshot *snapshots[SNAPSHOTS] = {map_take(box)};
    struct seen saved[SNAPSHOTS] = {0}, now = {0};
    struct map_file files[FILES];
    int i, k;

    for (i = 0; i < FILES; i++)
        map_file_make(&files[i], sizes[i]);
    for (i = 0; i < steps; i++) {
        k = (int)(map_random() % SNAPSHOTS);
        switch (map_random() % 8) {
        case 0:
        case 1:
            toggle(box, &now, &files[map_random() % FILES]);
            break;
        case 2:
            hl_snapshot_release(snapshots[k]);
            seen_free(&saved[k]);
            snapshots[k] = map_take(box);
            seen_copy(&saved[k], &now);
            break;
        case 3:
        case 4:
            if (!snapshots[k])
                break;
            if (map_random() % 4 == 0) { /* by way of another VM */
                hl_sandbox_destroy(box);
                box = map_clone(snapshots[k]);
            } else {
                if (map_random() % 4 == 0)
                    map_peek_faults(box, 16);
                map_restore(box, snapshots[k]);
            }
            seen_free(&now);
            seen_copy(&now, &saved[k]);
            break;
        default:
            scribble(box, &now);
        }
        seen_check(box, &now);
    }
    for (i = 0; i < SNAPSHOTS; i++) {
        hl_snapshot_release(snapshots[i]);
        seen_free(&saved[i]);
    }
    seen_free(&now);
    hl_sandbox_destroy(box);
    for (i = 0; i < FILES; i++)
        map_file_drop(&files[i]);
}
