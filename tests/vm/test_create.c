/* SPDX-License-Identifier: Apache-2.0 */
/* Opening images and making sandboxes: what is given, what is refused. */
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "held.h"
#include "vm.h"

/* A file with these bytes, opened; the error text of that. */
static hl_error open_bytes(hl_status wanted, const void *bytes, size_t size)
{
    char path[] = "/tmp/hyperlight-test-XXXXXX";
    int fd = mkstemp(path);
    hl_guest *guest = NULL;
    hl_error err, memory;

    CHECK(fd >= 0 && write(fd, bytes, size) == (ssize_t)size);
    close(fd);
    CHECK_INT(hl_guest_open(&guest, path, &err), wanted);
    CHECK(!guest);
    CHECK_HAS(err.text, path);
    unlink(path);
    CHECK_INT(hl_guest_open_memory(&guest, bytes, size, &memory), wanted);
    CHECK_HAS(err.text, memory.text);
    return memory;
}

static uint8_t *read_guest(const char *name, size_t *size)
{
    FILE *file = fopen(test_guest(name), "rb");
    uint8_t *bytes = malloc(1 << 20);

    CHECK(file);
    *size = fread(bytes, 1, 1 << 20, file);
    fclose(file);
    return bytes;
}

TEST(create_refuses_what_is_no_guest)
{
    size_t size;
    uint8_t *image = read_guest("simple", &size), elf32[64];
    hl_guest *guest;
    hl_error err;

    CHECK_HAS(open_bytes(HL_E_IMAGE, "", 0).text, "empty");
    CHECK_HAS(open_bytes(HL_E_IMAGE, "#!/bin/sh\nexit\n", 15).text, "script");
    CHECK_HAS(open_bytes(HL_E_IMAGE, "hello, this is no image", 23).text, "ELF");
    memcpy(elf32, image, sizeof elf32);
    elf32[4] = 1;
    CHECK_HAS(open_bytes(HL_E_IMAGE, elf32, sizeof elf32).text, "32-bit");
    CHECK_HAS(open_bytes(HL_E_IMAGE, image, 100).text, "truncated file");
    CHECK_INT(hl_guest_open(&guest, "/nonexistent/guest", &err), HL_E_SYSTEM);
    CHECK_STR(err.text, "/nonexistent/guest: No such file or directory");
    CHECK_INT(hl_guest_open(&guest, "/dev", &err), HL_E_IMAGE);
    CHECK_STR(err.text, "/dev: not a regular file");
    CHECK_INT(hl_guest_open(&guest, "/dev/zero", &err), HL_E_IMAGE);
    CHECK_INT(hl_guest_open(&guest, test_guest("../tests/vm/test_create"), &err), HL_E_IMAGE);
    CHECK_HAS(err.text, ":");
    free(image);
}

TEST(create_refuses_another_abi)
{
    size_t size, at;
    uint8_t *image = read_guest("simple", &size);
    const uint32_t version = 9;
    hl_error err;

    for (at = 0; at + 24 < size && memcmp(image + at, "Hyperlight", 11); at++)
        ;
    CHECK(at + 24 < size);
    memcpy(image + at + 12, &version, 4);
    memcpy(image + at + 16, &version, 4);
    err = open_bytes(HL_E_ABI, image, size);
    CHECK_HAS(err.text, "9");
    CHECK_HAS(err.text, "1");
    memcpy(image + at, "hyperlight", 10);
    CHECK_HAS(open_bytes(HL_E_IMAGE, image, size).text, "no Hyperlight note");
    free(image);
}

TEST_SLOW(create_refuses_every_prefix)
{
    size_t size, cut;
    uint8_t *image = read_guest("hello", &size);
    hl_guest *guest;
    hl_status status;
    hl_error err;

    for (cut = 0; cut < size; cut += cut < 4096 || test_full() ? 1 : 61) {
        status = hl_guest_open_memory(&guest, image, cut, &err);
        CHECK(status == HL_E_IMAGE || status == HL_OK);
        CHECK((status == HL_OK) == (guest != NULL));
        hl_guest_release(guest);
    }
    free(image);
}

TEST(create_reports_a_fault_before_the_first_call)
{
    hl_guest *guest = vm_guest("dummy");
    hl_sandbox *box;
    hl_symbol symbol;
    hl_error err;

    CHECK(!hl_guest_export(&symbol, guest, 0));
    CHECK_INT(hl_sandbox_create(&box, guest, NULL, NULL, &err), HL_E_FAULT);
    CHECK(!box);
    CHECK_INT(err.vector, 13);
    CHECK_HAS(err.text, "general protection (#GP)");
    hl_guest_release(guest);
}

static void refused(const hl_config *config, const char *text)
{
    static hl_guest *guest;
    hl_sandbox *box;
    hl_error err;

    guest = guest ? guest : vm_guest("simple");
    CHECK_INT(hl_sandbox_create(&box, guest, NULL, config, &err), HL_E_INVALID);
    CHECK(!box);
    CHECK_HAS(err.text, text);
}

TEST(create_checks_the_configuration)
{
    hl_config config = {0};

    refused(&config, "hl_config.struct_size is 0; write: config.struct_size = sizeof config;");
    config.struct_size = sizeof config;
    config.heap_size = 1;
    refused(&config, "hl_config.heap_size is 1, wanted 65536 to 68719476736");
    config.heap_size = 0;
    config.call_depth = 65;
    refused(&config, "hl_config.call_depth is 65, wanted 1 to 64");
    config.call_depth = 0;
    config.hypervisor = 77;
    refused(&config, "hl_config.hypervisor is 77");
    config.hypervisor = 0;
    config.log_level = 6;
    refused(&config, "hl_config.log_level is 6, wanted 0 to 5");
    config.log_level = 0;
    config.init_size = 5;
    refused(&config, "hl_config.init_data is NULL, init_size 5");
}

TEST(create_with_the_least_and_with_much)
{
    hl_config least = {.struct_size = sizeof least,
                       .heap_size = 65536,
                       .stack_size = 16384,
                       .message_size = 65536,
                       .call_depth = 1};
    hl_config much = {.struct_size = sizeof much,
                      .heap_size = 8ull << 30,
                      .stack_size = 64 << 20,
                      .message_size = 1ull << 30,
                      .call_depth = 64};
    hl_sandbox *box = vm_box("simple", NULL, &least);

    CHECK_INT(vm_call(box, "MallocFree", ARGS(hl_u64(32768))).as.u64, 32768);
    CHECK_INT(vm_call(box, "MallocFree", ARGS(hl_u64(65536))).as.u64, 0);
    hl_sandbox_destroy(box);
    box = vm_box("simple", NULL, &much);
    CHECK_INT(vm_call(box, "MallocFree", ARGS(hl_u64(100 << 20))).as.u64, 100 << 20);
    hl_sandbox_destroy(box);
}

TEST(create_hands_over_init_data)
{
    char data[] = "data of the host";
    hl_config config = {.struct_size = sizeof config, .init_data = data, .init_size = sizeof data};
    hl_sandbox *box = vm_box("simple", NULL, &config);
    hl_value ret;

    data[0] = 'X';
    ret = vm_call(box, "InitData", NONE);
    CHECK_INT(ret.len, sizeof data);
    CHECK_STR(ret.as.bytes, "data of the host");
    hl_sandbox_destroy(box);
    box = vm_box("simple", NULL, NULL);
    CHECK_INT(vm_call(box, "InitData", NONE).len, 0);
    hl_sandbox_destroy(box);
}

TEST(create_gives_each_its_identity)
{
    enum { BOXES = 8 };
    uint64_t generation[BOXES];
    uint8_t numbers[BOXES][32];
    hl_sandbox *box;
    int i, k;

    for (i = 0; i < BOXES; i++) {
        box = vm_box("simple", NULL, NULL);
        generation[i] = vm_call(box, "Generation", NONE).as.u64;
        CHECK_INT(vm_call(box, "Generation", NONE).as.u64, (int64_t)generation[i]);
        memcpy(numbers[i], vm_call(box, "Random", ARGS(hl_u32(32))).as.bytes, 32);
        CHECK(memcmp(vm_call(box, "Random", ARGS(hl_u32(32))).as.bytes, numbers[i], 32));
        hl_sandbox_destroy(box);
        for (k = 0; k < i; k++)
            CHECK(generation[k] != generation[i] && memcmp(numbers[k], numbers[i], 32));
    }
}

TEST(create_shows_what_is_inside)
{
    const bool process = vm_hypervisor() == HL_HYPERVISOR_PROCESS;
    hl_sandbox *box = vm_box("simple", NULL, NULL);
    hl_guest *guest = vm_guest("simple");
    hl_symbol symbol;
    hl_area area;
    uint64_t end = 0;
    bool added = false, echo = false, print = false, heap = false, stack = false;
    size_t i;

    for (i = 0; hl_sandbox_export(&symbol, box, i); i++) {
        CHECK(*symbol.name);
        added |= !strcmp(symbol.name, "Added") && !strcmp(symbol.signature, "i32(i32)");
    }
    for (i = 0; hl_guest_export(&symbol, guest, i); i++) {
        CHECK(strcmp(symbol.name, "Added"));
        echo |= !strcmp(symbol.name, "EchoBytes") && !strcmp(symbol.signature, "bytes(bytes)");
    }
    for (i = 0; hl_guest_import(&symbol, guest, i); i++)
        print |= !strcmp(symbol.name, "HostPrint") && !strcmp(symbol.signature, "i32(str)");
    CHECK(added && echo && print);
    for (i = 0; hl_sandbox_area(&area, box, i); i++) {
        CHECK(area.address >= end && area.size && area.size % 4096 == 0);
        end = area.address + area.size;
        heap |= !strcmp(area.name, "heap") && area.size == 16 << 20;
        stack |= !strcmp(area.name, "stack") && area.size == 256 << 10;
    }
    CHECK(heap && stack);
    for (i = 0; hl_guest_segment(&area, guest, i); i++)
        CHECK_STR(area.name, "image");
    CHECK(i >= 3);
    CHECK_INT(hl_sandbox_hypervisor(box), process ? HL_HYPERVISOR_PROCESS : HL_HYPERVISOR_KVM);
    CHECK_STR(hl_hypervisor_name(hl_sandbox_hypervisor(box)), process ? "process" : "kvm");
    CHECK_STR(hl_version(), "0.1.0");
    hl_sandbox_destroy(box);
    hl_guest_release(guest);
}

TEST(create_find_resolves_once)
{
    hl_sandbox *box = vm_box("simple", NULL, NULL);
    hl_function *first, *again, *none;
    hl_value ret, args[] = {hl_i32(5)};
    hl_error err;

    CHECK_INT(hl_sandbox_find(&first, box, "EchoI32", &err), HL_OK);
    CHECK_INT(hl_sandbox_find(&again, box, "EchoI32", &err), HL_OK);
    CHECK(first == again);
    CHECK_INT(hl_function_call(&ret, first, args, 1, &err), HL_OK);
    CHECK_INT(ret.as.i32, 5);
    CHECK_INT(hl_sandbox_find(&none, box, "NoSuchFunction", &err), HL_E_UNKNOWN);
    CHECK(!none);
    CHECK_STR(err.text, "the guest exports no function NoSuchFunction");
    CHECK_INT(hl_sandbox_find(&none, box, "Added", &err), HL_OK);
    CHECK_INT(hl_function_call(&ret, none, args, 1, &err), HL_OK);
    CHECK_INT(ret.as.i32, 1005);
    hl_sandbox_destroy(box);
}

TEST(create_unknown_function_of_a_guest_without_fallback)
{
    hl_sandbox *box = vm_box("hello", NULL, NULL);

    vm_expect(HL_E_UNKNOWN, "the guest exports no function Nope", box, "Nope", NONE, NULL);
    CHECK_INT(hl_sandbox_state(box), HL_READY);
    hl_sandbox_destroy(box);
}

TEST_SLOW(create_leaves_nothing_behind)
{
    const int rounds = test_full() ? 20000 : 300;
    hl_guest *guest = vm_guest("simple");
    struct held before;
    hl_sandbox *box;
    hl_error err;
    int i, k;

    for (k = 0; k < 2; k++) {
        for (i = 0; i < (k ? rounds : 3); i++) {
            if (hl_sandbox_create(&box, guest, NULL, NULL, &err))
                FAIL("%s", err.text);
            if (i % 3 == 0)
                hl_sandbox_call(NULL, box, i % 2 ? "Undefined" : "Abort", NULL, 0, NULL);
            hl_sandbox_destroy(box);
        }
        hl_cache_trim(0);
        if (!k)
            before = held_now();
    }
    held_check(&before);
    hl_guest_release(guest);
}

static bool same_area(const hl_area *a, const hl_area *b)
{
    return !strcmp(a->name, b->name) && a->address == b->address && a->size == b->size &&
           a->access == b->access;
}

/* The memory of an image that nothing has run of, and of a snapshot, which has a
 * mapped file as well. */
TEST(create_has_the_memory_that_its_guest_foretold)
{
    hl_config config = {.struct_size = sizeof config, .heap_size = 100000, .stack_size = 1 << 20};
    hl_guest *guest = vm_guest("simple");
    hl_area foretold, found, frozen;
    hl_symbol symbol, other;
    const hl_mapping file = {.struct_size = sizeof file, .path = test_guest("simple")};
    hl_snapshot *snapshot;
    hl_sandbox *box;
    uint64_t address;
    bool mapped = false;
    size_t i;

    CHECK(!hl_sandbox_create(&box, guest, NULL, &config, NULL));
    for (i = 0; hl_sandbox_area(&found, box, i); i++)
        CHECK(hl_guest_area(&foretold, guest, &config, i) && same_area(&foretold, &found));
    CHECK(i >= 9 && !hl_guest_area(&foretold, guest, &config, i));
    CHECK_INT(hl_sandbox_map(&address, box, &file, NULL), HL_OK);
    CHECK(!hl_snapshot_take(&snapshot, box, NULL));
    for (i = 0; hl_sandbox_area(&found, box, i); i++) {
        CHECK(hl_snapshot_area(&frozen, snapshot, i) && same_area(&frozen, &found));
        mapped |= !strcmp(frozen.name, "file") && frozen.address == address;
    }
    CHECK(mapped);
    CHECK(!hl_snapshot_area(&frozen, snapshot, i) &&
          !hl_snapshot_area(&frozen, snapshot, SIZE_MAX));
    for (i = 0; hl_sandbox_export(&symbol, box, i); i++) {
        CHECK(hl_snapshot_export(&other, snapshot, i));
        CHECK_STR(other.name, symbol.name);
        CHECK_STR(other.signature, symbol.signature);
    }
    CHECK(!hl_snapshot_export(&other, snapshot, i));
    CHECK(hl_snapshot_import(&other, snapshot, 0) && !hl_snapshot_import(&symbol, snapshot, 1));
    CHECK_STR(other.name, "HostPrint");
    CHECK(hl_guest_abi(guest) == 1 && hl_snapshot_abi(snapshot) == 1);
    CHECK(hl_snapshot_fallback(snapshot));
    config.heap_size = 1;
    CHECK(!hl_guest_area(&foretold, guest, &config, 0) && hl_guest_area(&foretold, guest, NULL, 0));
    hl_snapshot_release(snapshot);
    hl_sandbox_destroy(box);
    hl_guest_release(guest);
}

/* What a snapshot is of; HELLO exports one function, and has nothing for others. */
TEST(create_tells_fallback_and_hypervisor)
{
    hl_guest *guest = vm_guest("hello"), *other = vm_guest("simple");
    hl_sandbox *box;
    hl_snapshot *snapshot;

    CHECK(!hl_guest_fallback(guest) && hl_guest_fallback(other));
    CHECK(!hl_sandbox_create(&box, guest, NULL, NULL, NULL));
    CHECK(!hl_snapshot_take(&snapshot, box, NULL));
    hl_sandbox_destroy(box);
    CHECK(!hl_snapshot_fallback(snapshot));
    CHECK_STR(hl_hypervisor_name(hl_snapshot_hypervisor(snapshot)),
              vm_hypervisor() == HL_HYPERVISOR_PROCESS ? "process" : "kvm");
    hl_snapshot_release(snapshot);
    hl_guest_release(guest);
    hl_guest_release(other);
}

/* ---- How the host maps it ------------------------------------------------------------- */

/* Before Linux 6.7 a sealed memfd cannot be mapped shared, not even to be read. */
TEST(create_maps_nothing_sealed_as_shared)
{
    hl_sandbox *box = vm_box("simple", NULL, NULL);
    FILE *file = fopen("/proc/self/maps", "r");
    char line[512];

    CHECK(file);
    while (fgets(line, sizeof line, file))
        if (strstr(line, " r--s ") && strstr(line, "memfd:"))
            FAIL("%s", line);
    fclose(file);
    hl_sandbox_destroy(box);
}

/* A page that is touched must be all that it costs: memory that is in no dump is
 * guest memory, and where large pages would come by themselves, not there. */
TEST(create_has_no_large_pages_by_themselves)
{
    hl_sandbox *box = vm_box("memory", NULL, NULL);
    FILE *file = fopen("/proc/self/smaps", "r");
    char line[512];
    int found = 0;

    if (access("/sys/kernel/mm/transparent_hugepage", F_OK))
        test_skip("no large pages in this kernel");
    CHECK(file);
    while (fgets(line, sizeof line, file)) {
        if (strncmp(line, "VmFlags:", 8) || !strstr(line, " dc") || !strstr(line, " dd"))
            continue;
        if (!strstr(line, " nh"))
            FAIL("%s", line);
        found++;
    }
    fclose(file);
    if (vm_hypervisor() != HL_HYPERVISOR_PROCESS) /* the child has it */
        CHECK(found >= 2);
    hl_sandbox_destroy(box);
}
