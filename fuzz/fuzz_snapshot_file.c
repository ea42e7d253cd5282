/* SPDX-License-Identifier: Apache-2.0 */
/* Loads arbitrary bytes as a snapshot file. Nothing of it runs. */
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "../src/host/arch/x86_64/system.h"
#include "../tests/unit/snapfile_bytes.h"
#include "fuzz.h"

/* Views lie in guest memory, above what is the host's, and within their share. */
static void check_base(const struct base *base, uint64_t memory_size)
{
    uint64_t at = SYSTEM_SIZE;
    uint32_t i;

    FUZZ_CHECK(base->run_count && base->run_count <= BASE_RUNS_MAX);
    for (i = 0; i < base->run_count; i++) {
        FUZZ_CHECK(base->runs[i].gpa >= at && base->runs[i].size);
        at = base->runs[i].gpa + base->runs[i].size;
        FUZZ_CHECK(at <= memory_size);
        FUZZ_CHECK(base->runs[i].offset + base->runs[i].size <= base->share.size);
    }
}

static bool read_page(void *ctx, uint64_t number, const uint8_t *bytes)
{
    uint64_t *pages = ctx;

    FUZZ_CHECK(number >= SYSTEM_SIZE / HL_PAGE && bytes[0] <= 0xff);
    return ++*pages < 1000;
}

static void check_functions(const struct image_function *rows, uint32_t count)
{
    FUZZ_CHECK(count <= HL_FUNCTIONS_MAX);
    while (count--)
        FUZZ_CHECK(strlen(rows[count].name) <= HL_NAME_MAX);
}

static void check(const hl_snapshot *snapshot)
{
    const struct layout *layout = &snapshot->kind.shape->layout;
    const struct image *image = &snapshot->guest->image;
    uint64_t pages = 0;
    uint32_t i;

    check_base(snapshot->content->base, layout->memory_size);
    content_each(snapshot->content, 0, layout->memory_size / HL_PAGE, read_page, &pages);
    check_functions(image->exports, image->export_count);
    check_functions(image->imports, image->import_count);
    for (i = 0; i < snapshot->exports.count; i++)
        check_functions(&snapshot->exports.items[i]->function, 1);
    for (i = 0; i < snapshot->imports.count; i++)
        check_functions(&snapshot->imports.items[i]->function, 1);
    for (i = 0; i < image->segment_count; i++)
        FUZZ_CHECK(~image->segments[i].access & (HL_WRITE | HL_EXECUTE));
}

static void load(const uint8_t *data, size_t size)
{
    char path[SNAPFILE_PATH];
    const int fd = snapfile_in_memory(path, data, size);
    hl_snapshot *snapshot;
    hl_error err;

    FUZZ_CHECK(fd >= 0);
    if (hl_snapshot_load(&snapshot, path, &err)) {
        FUZZ_CHECK(!snapshot && *err.text);
    } else {
        check(snapshot);
        hl_snapshot_release(snapshot);
    }
    close(fd);
}

/* As it is, and with right checksums, so that what comes behind them is seen,
 * and with the features of this processor, whatever wrote the seed. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const size_t features = offsetof(struct snapfile_header, features);
    uint8_t *copy;

    load(data, size);
    copy = malloc(size + !size);
    FUZZ_CHECK(copy);
    memcpy(copy, data, size);
    if (size >= sizeof(struct snapfile_header))
        memset(copy + features, 0, sizeof(uint64_t));
    snapfile_mend(copy, size);
    load(copy, size);
    free(copy);
    return 0;
}
