/* SPDX-License-Identifier: Apache-2.0 */
/* A VM that goes from one content to another, bases of every size included. */
#include <stdlib.h>

#include "../../src/host/arch/x86_64/system.h"
#include "pages_guest.h"
#include "pool.h"

enum { BASES = 4, FIRST = SYSTEM_SIZE / HL_PAGE };

static struct pages pages;
static hl_sandbox *box; /* shows a shape, and where its heap is */
static os_share shares[BASES];
static const uint8_t *bytes[BASES];
static const struct content *contents[2 * BASES];

/* Contents of bases of their own, anywhere in the heap, overlapping each other:
 * one is copied, the larger ones are mapped. Each has a derived one, too. */
static void make_contents(void)
{
    static const uint64_t sizes[BASES] = {1, 100, 600, 1500}, starts[BASES] = {50, 0, 40, 700};
    const uint64_t memory_size = box->shape->layout.memory_size;
    struct content_page changed[2];
    struct content *content;
    uint8_t *memory, *page;
    uint64_t k;
    uint32_t i;

    for (i = 0; i < BASES; i++) {
        CHECK_INT(os_share_create(&shares[i], &memory, sizes[i] * HL_PAGE, NULL), HL_OK);
        for (k = 0; k < sizes[i]; k++)
            memset(memory + k * HL_PAGE, (int)(1 + i * 50 + k % 50), HL_PAGE);
        CHECK_INT(os_share_seal(&shares[i], memory, NULL), HL_OK);
        CHECK_INT(os_share_map(&bytes[i], &shares[i], NULL), HL_OK);
        CHECK_INT(content_create(&content, &shares[i], bytes[i],
                                 pages_heap(box, starts[i]) * HL_PAGE, memory_size, NULL),
                  HL_OK);
        contents[2 * i] = content;
        page = pages_new();
        CHECK(page);
        memset(page, 0xe0 + (int)i, HL_PAGE);
        changed[0] = (struct content_page){pages_heap(box, starts[i]), pages_zero};
        changed[1] = (struct content_page){pages_heap(box, starts[i] + 20 + i), page};
        CHECK_INT(content_derive(&content, contents[2 * i], changed, 2, NULL), HL_OK);
        contents[2 * i + 1] = content;
    }
}

static void free_contents(void)
{
    uint32_t i;

    for (i = 0; i < 2 * BASES; i++)
        content_release(contents[i]);
    for (i = 0; i < BASES; i++) {
        os_unmap(bytes[i], shares[i].size);
        os_share_close(&shares[i]);
    }
}

static void check(struct vm *vm, const struct content *content)
{
    const uint64_t count = vm->memory.layout->memory_size / HL_PAGE;
    uint64_t number;

    CHECK(vm->content == content);
    vm_lay(vm); /* as its next entry would */
    for (number = FIRST; number < count; number++)
        if (memcmp(vm->memory.base + number * HL_PAGE, content_at(content, number), HL_PAGE))
            FAIL("page %llu of %llu is not that of the content", (unsigned long long)number,
                 (unsigned long long)count);
}

/* Writes as the host does, which no hypervisor sees. */
static void scribble(struct vm *vm, uint32_t count)
{
    const uint64_t heap = vm->memory.layout->areas[AREA_HEAP].size / HL_PAGE;
    uint64_t at;

    while (count--) {
        at = (uint64_t)random() % heap * HL_PAGE + (uint64_t)random() % HL_PAGE;
        *memory_at(&vm->memory, AREA_HEAP, at, 1) = (uint8_t)random();
        vm_wrote(vm, AREA_HEAP, at, 1);
    }
}

static void go_round(const struct hv_ops *hv, uint32_t rounds)
{
    const struct vm_park park = {box->shape->start_rsp, 0};
    struct vm_kind kind = box->kind;
    const struct content *to;
    struct vm *vm;
    hl_error err;
    uint32_t i;

    kind.hv = hv;
    CHECK_INT(vm_create(&vm, &kind, pages.guest, contents[3], &err), HL_OK);
    check(vm, contents[3]);
    for (i = 0; i < rounds; i++) {
        to = contents[random() % (2 * BASES)];
        scribble(vm, (uint32_t)random() % (i % 8 ? 20 : 3000));
        if (vm_restore(vm, to, &park, 1, &err))
            FAIL("restore: %s", err.text);
        check(vm, to);
        if (i % 16 == 3)
            vm_trim(vm);
        check(vm, to);
    }
    vm_destroy(vm);
}

static void play(const struct hv_ops *hv)
{
    srandom(5);
    pages_open(&pages, &hv_fake, 0);
    box = pages_box(&pages);
    make_contents();
    go_round(hv, test_full() ? 5000 : 300);
    free_contents();
    hl_sandbox_destroy(box);
    pages_close(&pages);
}

TEST(contents_of_other_bases)
{
    play(&hv_fake);
}

TEST(contents_of_other_bases_without_remapping)
{
    play(&hv_fake_pinned);
}

/* ---- Writes of the host ----------------------------------------------------------- */

/* A write that crosses pages touches all of them, the first and last byte too. */
TEST(host_writes_dirty_every_page_they_touch)
{
    uint64_t heap, number;
    struct vm *vm;

    pages_open(&pages, &hv_fake, 0);
    box = pages_box(&pages);
    vm = box->vm;
    heap = pages_heap(box, 0);
    dirty_clear(&vm->dirty);
    vm_wrote(vm, AREA_HEAP, HL_PAGE - 1, 1);
    CHECK_INT(vm->dirty.count, 1);
    vm_wrote(vm, AREA_HEAP, HL_PAGE, HL_PAGE);
    CHECK_INT(vm->dirty.count, 2);
    vm_wrote(vm, AREA_HEAP, 3 * HL_PAGE - 1, HL_PAGE + 2);
    CHECK_INT(vm->dirty.count, 5);
    vm_wrote(vm, AREA_HEAP, 9 * HL_PAGE, 0);
    CHECK_INT(vm->dirty.count, 5);
    for (number = 0; number < 5; number++)
        CHECK(!dirty_add(&vm->dirty, heap + number));
    hl_sandbox_destroy(box);
    pages_close(&pages);
}

/* The processor writes to the system area on its own: that is no page of a guest. */
TEST(the_system_area_is_never_dirty)
{
    hl_snapshot *snapshot;

    pages_open(&pages, &hv_fake, 0);
    box = pages_box(&pages);
    fake_wrote(fake_of(box), 0);
    fake_wrote(fake_of(box), FIRST - 1);
    fake_wrote(fake_of(box), pages_heap(box, 0));
    snapshot = pages_take(box);
    CHECK(dirty_add(&box->vm->dirty, 0));
    CHECK(dirty_add(&box->vm->dirty, FIRST - 1));
    CHECK(!dirty_add(&box->vm->dirty, pages_heap(box, 0)));
    hl_snapshot_release(snapshot);
    hl_sandbox_destroy(box);
    pages_close(&pages);
}

/* Messages, large ones too, are gone after a restore. */
TEST(messages_do_not_outlive_a_restore)
{
    static const struct fake_function exports[] = {{"f", "void(bytes)", NULL}};
    static const struct fake_program program = {.exports = exports, .export_count = 1};
    const hl_config config = {.struct_size = sizeof config, .message_size = 4 << 20};
    static const uint32_t sizes[] = {1, 5000, 1 << 20, 3 << 20};
    const struct hv_ops *const backends[] = {&hv_fake, &hv_fake_pinned};
    hl_guest *guest = fake_image(&program);
    hl_snapshot *snapshot;
    uint8_t *text = malloc(3 << 20);
    const struct fake_guest *fake;
    hl_value bytes_of;
    uint64_t i;
    uint32_t k;

    memset(text, 0x77, 3 << 20);
    fake_use(&program);
    for (k = 0; k < 8; k++) {
        CHECK_INT(sandbox_create_on(&box, backends[k / 4], guest, NULL, &config, NULL), HL_OK);
        CHECK_INT(hl_snapshot_take(&snapshot, box, NULL), HL_OK);
        bytes_of = hl_bytes(text, sizes[k % 4]);
        CHECK_INT(hl_sandbox_call(NULL, box, "f", &bytes_of, 1, NULL), HL_OK);
        fake = fake_of(box);
        CHECK_INT(fake->requests[80 + sizes[k % 4] - 1], 0x77);
        CHECK_INT(hl_sandbox_restore(box, snapshot, NULL), HL_OK);
        for (i = 0; i < fake->boot.requests_size; i++)
            if (fake->requests[i] | fake->replies[i])
                FAIL("byte %llu of a message is left", (unsigned long long)i);
        hl_snapshot_release(snapshot);
        hl_sandbox_destroy(box);
    }
    free(text);
    hl_guest_release(guest);
}
