/* SPDX-License-Identifier: Apache-2.0 */
/* VMs that go through the cache: what they hold then, and who may have them. */
#include <errno.h>
#include <linux/kvm.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>

#include "../../src/host/pages.h"
#include "inside.h"

static hl_cache_stats stats(void)
{
    hl_cache_stats out;

    hl_cache_get_stats(&out);
    return out;
}

static void write_pages(hl_sandbox *box, uint64_t seed, uint32_t heap)
{
    vm_call(box, "Write", ARGS(hl_u64(seed), hl_u32(heap), hl_u32(20), hl_u32(5)));
}

/* ---- Another snapshot ------------------------------------------------------------- */

/* Two snapshots of one lineage, whose pages overlap in part. */
BOTH_TRACKERS(cache_switches_between_snapshots)
{
    static const uint32_t sizes[] = {0, 10, 300, 1500};
    hl_sandbox *box = inside_box(hv, "memory", NULL);
    struct vm *vm = box->vm;
    struct inside_copy copies[4];
    hl_snapshot *snapshots[4];
    uint32_t i, k;

    for (i = 0; i < 4; i++) {
        write_pages(box, 5 + i, sizes[i]);
        snapshots[i] = inside_take(&copies[i], box);
    }
    hl_sandbox_destroy(box);
    for (i = 0; i < 4; i++)
        for (k = 0; k < 4; k++) {
            box = inside_clone(snapshots[i], NULL, NULL);
            CHECK(box->vm == vm);
            inside_check(vm, &copies[i]);
            write_pages(box, 99 + k, sizes[k]);
            hl_sandbox_destroy(box);
            box = inside_clone(snapshots[k], NULL, NULL);
            CHECK(box->vm == vm);
            inside_check(vm, &copies[k]);
            hl_sandbox_destroy(box);
        }
    CHECK_INT(stats().hits, 32);
    for (i = 0; i < 4; i++) {
        hl_snapshot_release(snapshots[i]);
        inside_copy_free(&copies[i]);
    }
}

/* Two sandboxes of one guest, each with a snapshot, and one VM for both. */
BOTH_TRACKERS(cache_switches_between_lineages)
{
    hl_guest *guest = vm_guest("memory");
    hl_sandbox *box;
    struct inside_copy copies[2];
    hl_snapshot *snapshots[2];
    struct vm *vm = NULL;
    int i;

    for (i = 0; i < 2; i++) {
        box = inside_create(hv, guest, NULL, NULL);
        write_pages(box, 11 + i, 100);
        snapshots[i] = inside_take(&copies[i], box);
        CHECK(!vm || box->vm == vm);
        vm = box->vm;
        hl_sandbox_destroy(box);
    }
    CHECK(snapshots[0]->lineage != snapshots[1]->lineage);
    for (i = 0; i < 20; i++) {
        box = inside_clone(snapshots[i % 2], NULL, NULL);
        CHECK(box->vm == vm);
        inside_check(vm, &copies[i % 2]);
        write_pages(box, 50 + i, 40u * i);
        hl_sandbox_destroy(box);
    }
    for (i = 0; i < 2; i++) {
        hl_snapshot_release(snapshots[i]);
        inside_copy_free(&copies[i]);
    }
    hl_guest_release(guest);
}

/* A VM filled ahead of need has never run and is somebody's memory already. */
BOTH_TRACKERS(cache_filled_vms_hold_the_snapshot)
{
    hl_config none = {.struct_size = sizeof none, .no_reuse = 1};
    hl_sandbox *box = inside_box(hv, "memory", &none), *boxes[3];
    struct inside_copy copy;
    hl_snapshot *snapshot;
    hl_error err;
    int i;

    write_pages(box, 5, 700);
    snapshot = inside_take(&copy, box);
    CHECK_INT(hl_cache_fill(snapshot, NULL, NULL, 3, &err), HL_OK);
    CHECK_INT(stats().idle, 3);
    for (i = 0; i < 3; i++) {
        boxes[i] = inside_clone(snapshot, NULL, NULL);
        inside_check(boxes[i]->vm, &copy);
    }
    CHECK_INT(stats().hits, 3);
    for (i = 0; i < 3; i++)
        hl_sandbox_destroy(boxes[i]);
    hl_sandbox_destroy(box);
    hl_snapshot_release(snapshot);
    inside_copy_free(&copy);
}

/* What could not be put in place is nobody's. */
TEST(cache_keeps_no_vm_that_could_not_be_filled)
{
    hl_config none = {.struct_size = sizeof none, .no_reuse = 1};
    hl_sandbox *box = inside_box(&hv_kvm_log, "memory", &none);
    struct inside_copy copy;
    hl_snapshot *snapshot = inside_take(&copy, box);
    struct vm *vm = box->vm;
    hl_error err;

    vm_refuse(SYS_ioctl, 1, (uint32_t)KVM_GET_DIRTY_LOG, EIO);
    CHECK_INT(hl_cache_fill(snapshot, NULL, NULL, 2, &err), HL_E_SYSTEM);
    CHECK_HAS(err.text, "KVM_GET_DIRTY_LOG: Input/output error");
    CHECK_INT(stats().idle, 0);
    CHECK_INT(stats().discarded, 1);
    CHECK_INT(vm_restore(vm, snapshot->content, &snapshot->park, snapshot->lineage, &err),
              HL_E_SYSTEM);
    CHECK(vm->lost);
    CHECK_INT(vm_restore(vm, snapshot->content, &snapshot->park, snapshot->lineage, &err),
              HL_E_SYSTEM);
    CHECK_HAS(err.text, "the virtual machine is lost");
    hl_sandbox_destroy(box);
    hl_snapshot_release(snapshot);
    inside_copy_free(&copy);
}

/* Sandboxes of different guests and sizes by turns, more kinds than the cache
 * has room for. */
BOTH_TRACKERS(cache_alternates_guests_and_sizes)
{
    static const char *const names[] = {"memory", "simple", "hostile"};
    static const uint64_t heaps[] = {256 << 10, 2 << 20, 16 << 20};
    enum { KINDS = 9, ROUNDS = 60 };
    hl_snapshot *snapshots[KINDS];
    struct inside_copy copies[KINDS];
    hl_sandbox *box;
    int i, kind;

    hl_cache_limit(4);
    for (kind = 0; kind < KINDS; kind++) {
        const hl_config config = {
            .struct_size = sizeof config, .message_size = 1 << 20, .heap_size = heaps[kind % 3]};

        box = inside_box(hv, names[kind / 3], &config);
        snapshots[kind] = inside_take(&copies[kind], box);
        hl_sandbox_destroy(box);
    }
    for (i = 0; i < ROUNDS; i++) {
        kind = (i * 7 + i / KINDS) % KINDS;
        box = inside_clone(snapshots[i % 3 ? kind : 0], NULL, NULL);
        inside_check(box->vm, &copies[i % 3 ? kind : 0]);
        if (kind < 3 || i % 3 == 0)
            vm_call(box, "Write", ARGS(hl_u64(i + 1), hl_u32(i * 20), hl_u32(20), hl_u32(5)));
        else
            hl_sandbox_call(NULL, box, kind < 6 ? "ExhaustHeap" : "WreckStack", ARGS(hl_u32(4096)),
                            NULL);
        hl_sandbox_destroy(box);
    }
    CHECK(stats().hits >= ROUNDS / 3 - 1 && stats().discarded > KINDS);
    for (kind = 0; kind < KINDS; kind++) {
        hl_snapshot_release(snapshots[kind]);
        inside_copy_free(&copies[kind]);
    }
}

/* ---- Who may have it ---------------------------------------------------------------- */

BOTH_TRACKERS(cache_keeps_trust_domains_apart)
{
    hl_config configs[] = {
        {.struct_size = sizeof(hl_config)},
        {.struct_size = sizeof(hl_config)},
        {.struct_size = sizeof(hl_config)},
        {.struct_size = sizeof(hl_config), .trust_domain = 7},
        {.struct_size = sizeof(hl_config), .trust_domain = 8},
    };
    enum { DOMAINS = sizeof configs / sizeof *configs };
    hl_guest *guest = vm_guest("memory");
    hl_host *hosts[DOMAINS] = {vm_host(NULL, 0), vm_host(NULL, 0), NULL, NULL, NULL};
    struct vm *vms[DOMAINS];
    hl_sandbox *box;
    int i, k;

    for (i = 0; i < DOMAINS; i++) {
        box = inside_create(hv, guest, hosts[i], &configs[i]);
        vms[i] = box->vm;
        for (k = 0; k < i; k++)
            CHECK(vms[k] != vms[i]);
        CHECK_INT(stats().hits, 0);
        hl_sandbox_destroy(box);
        CHECK_INT(stats().idle, i + 1);
    }
    for (i = 0; i < DOMAINS; i++) {
        box = inside_create(hv, guest, hosts[i], &configs[i]);
        CHECK(box->vm == vms[i]);
        CHECK_INT(stats().hits, i + 1);
        hl_sandbox_destroy(box);
    }
    /* A label is not the number that a host happens to have. */
    configs[4].trust_domain = hosts[0]->id;
    box = inside_create(hv, guest, NULL, &configs[4]);
    for (k = 0; k < DOMAINS; k++)
        CHECK(box->vm != vms[k]);
    hl_sandbox_destroy(box);
    hl_host_release(hosts[0]);
    hl_host_release(hosts[1]);
    hl_guest_release(guest);
}

/* Sizes, image, AVX and tracker are what a VM was made with. */
BOTH_TRACKERS(cache_keeps_kinds_apart)
{
    const hl_config small = {.struct_size = sizeof small, .heap_size = 1 << 20};
    const struct hv_ops *other = hv == &hv_kvm ? &hv_kvm_log : &hv_kvm;
    const hl_config avx = {.struct_size = sizeof avx, .avx = 1};
    hl_guest *guest = vm_guest("memory"), *twin = vm_guest("memory");
    hl_sandbox *box;
    uint32_t kinds = 4;
    hl_error err;

    hl_sandbox_destroy(inside_create(hv, guest, NULL, NULL));
    hl_sandbox_destroy(inside_create(hv, guest, NULL, &small));
    hl_sandbox_destroy(inside_create(other, guest, NULL, NULL));
    hl_sandbox_destroy(inside_create(hv, twin, NULL, NULL));
    if (!sandbox_create_on(&box, hv, guest, NULL, &avx, &err)) {
        hl_sandbox_destroy(box);
        kinds++;
    } else {
        CHECK_INT(err.status, HL_E_UNSUPPORTED);
    }
    CHECK_INT(stats().hits, 0);
    CHECK_INT(stats().idle, kinds);
    hl_guest_release(guest);
    hl_guest_release(twin);
}

BOTH_TRACKERS(cache_never_has_vms_that_are_not_to_be_reused)
{
    hl_config none = {.struct_size = sizeof none, .no_reuse = 1};
    hl_guest *guest = vm_guest("memory");
    hl_sandbox *box = inside_create(hv, guest, NULL, NULL);
    struct vm *vm = box->vm;

    hl_sandbox_destroy(box);
    box = inside_create(hv, guest, NULL, &none);
    CHECK(box->vm != vm);
    CHECK_INT(stats().idle, 1);
    hl_sandbox_destroy(box);
    CHECK_INT(stats().idle, 1);
    CHECK_INT(stats().hits, 0);
    hl_guest_release(guest);
}

/* ---- Another base ------------------------------------------------------------------------ */

/* A content over a base of its own, so many pages; a few of its pages, and one
 * of the stack, are in a tree above it. */
static struct content *make_content(const struct vm *vm, uint64_t gpa, uint32_t pages, uint8_t fill)
{
    struct content_page changed[3];
    const uint8_t *readable;
    struct content *plain, *out;
    uint8_t *bytes;
    os_share share; /* outlives the test */
    uint32_t i;

    CHECK_INT(os_share_create(&share, &bytes, (uint64_t)pages * PAGE, NULL), HL_OK);
    for (i = 0; i < pages; i++)
        memset(bytes + i * PAGE, (int)(fill + i % 13), PAGE);
    CHECK_INT(os_share_seal(&share, bytes, NULL), HL_OK);
    CHECK_INT(os_share_map(&readable, &share, NULL), HL_OK);
    CHECK_INT(content_create(&plain, &share, readable, gpa, vm->memory.layout->memory_size, NULL),
              HL_OK);
    for (i = 0; i < 3; i++) {
        bytes = pages_new();
        CHECK(bytes);
        memset(bytes, fill ^ 0x55, PAGE);
        changed[i] = (struct content_page){gpa / PAGE + i * 7, bytes};
    }
    changed[2].number = layout_gpa(vm->memory.layout->areas[AREA_STACK].address) / PAGE + 3;
    CHECK_INT(content_derive(&out, plain, changed, 3, NULL), HL_OK);
    content_release(plain);
    return out;
}

/* What memory has to be, from the parts of the content. */
static void copy_of(struct inside_copy *out, const struct content *content, uint64_t pages)
{
    static const uint8_t zeros[PAGE];
    const uint8_t *bytes;
    uint64_t number;

    *out = (struct inside_copy){0, calloc(2048, sizeof *out->pages)};
    CHECK(out->pages);
    for (number = 0; number < pages; number++) {
        bytes = content_at(content, number);
        if (!memcmp(bytes, zeros, PAGE))
            continue;
        CHECK(out->count < 2048);
        out->pages[out->count].number = number;
        memcpy(out->pages[out->count++].bytes, bytes, PAGE);
    }
}

/* Between bases of which some are copied over each other and some are mapped
 * anew; the guest's own one is what it runs on in the end. */
BOTH_TRACKERS(cache_switches_between_bases)
{
    static const struct {
        bool heap; /* else where the image is */
        uint32_t pages;
    } bases[] = {{false, 20}, {false, 60}, {true, 700}, {true, 90}, {true, 900}, {false, 30}};
    enum { BASES = sizeof bases / sizeof *bases };
    hl_sandbox *box = inside_box(hv, "memory", NULL);
    struct vm *vm = box->vm;
    const struct layout *layout = vm->memory.layout;
    struct content *contents[BASES];
    struct inside_copy copies[BASES], own;
    hl_snapshot *snapshot;
    int i;

    write_pages(box, 7, 100);
    snapshot = inside_take(&own, box);
    for (i = 0; i < BASES; i++) {
        contents[i] = make_content(
            vm, bases[i].heap ? layout_gpa(layout->areas[AREA_HEAP].address) : layout->image_gpa,
            bases[i].pages, (uint8_t)(1 + 40 * i));
        copy_of(&copies[i], contents[i], layout->memory_size / PAGE);
        CHECK_INT(copies[i].count, bases[i].pages + 1);
    }
    for (i = 0; i < 3 * BASES; i++) {
        CHECK_INT(vm_restore(vm, contents[i % BASES], &snapshot->park, snapshot->lineage, NULL), 0);
        inside_check(vm, &copies[i % BASES]);
        if (i % 4)
            continue;
        inside_restore(box, snapshot);
        inside_check(vm, &own);
        write_pages(box, 8 + i, 30u * i);
    }
    inside_restore(box, snapshot);
    inside_check(vm, &own);
    write_pages(box, 7, 10);
    for (i = 0; i < BASES; i++) {
        content_release(contents[i]);
        inside_copy_free(&copies[i]);
    }
    hl_snapshot_release(snapshot);
    hl_sandbox_destroy(box);
    inside_copy_free(&own);
}

/* What a new sandbox finds at its first instruction, in a VM that had another
 * one with init data: its own comes later. */
BOTH_TRACKERS(cache_begins_with_the_image_alone)
{
    static uint8_t data[3 * PAGE + 7];
    hl_config config = {.struct_size = sizeof config, .init_data = data, .init_size = sizeof data};
    hl_sandbox *box;
    struct inside_copy copy;
    const struct shape *shape;
    struct vm_park park;
    int i;

    memset(data, 'x', sizeof data);
    box = inside_box(hv, "simple", &config);
    shape = box->shape;
    park = (struct vm_park){shape->start_rsp, HL_BOOT};
    copy_of(&copy, shape->start, shape->layout.memory_size / PAGE);
    for (i = 0; i < 3; i++) {
        CHECK(!memcmp(memory_at(&box->vm->memory, AREA_INIT, 0, 1), "x", 1) == !i);
        CHECK_INT(vm_restore(box->vm, shape->start, &park, 1000 + i, NULL), HL_OK);
        inside_check(box->vm, &copy);
    }
    hl_sandbox_destroy(box);
    inside_copy_free(&copy);
}
