/* SPDX-License-Identifier: Apache-2.0 */
/* What one tenant of a VM leaves behind is not there for the next one. */
#include <sys/ioctl.h>

#include "../guests/tenant/dump.h"
#include "../../src/host/arch/x86_64/system.h"
#include "inside.h"
#include "supervisor.h"

/* ---- Sandboxes that dump ----------------------------------------------------------- */

static hl_config tenant_config(bool avx, bool reuse)
{
    return (hl_config){.struct_size = sizeof(hl_config),
                       .heap_size = 1 << 20,
                       .message_size = 1 << 16,
                       .avx = avx,
                       .no_reuse = !reuse};
}

static bool has_avx(const struct hv_ops *hv)
{
    const hl_config config = tenant_config(true, false);
    hl_guest *guest = vm_guest("tenant");
    hl_sandbox *box;
    hl_error err;
    bool has = !sandbox_create_on(&box, hv, guest, NULL, &config, &err);

    if (has)
        hl_sandbox_destroy(box);
    else
        CHECK_INT(err.status, HL_E_UNSUPPORTED);
    hl_guest_release(guest);
    return has;
}

/* A snapshot that dumps when it resumes. */
static hl_snapshot *parked(struct inside_copy *copy, const struct hv_ops *hv, const hl_guest *guest,
                           bool avx)
{
    const hl_config config = tenant_config(avx, false);
    hl_sandbox *box = inside_create(hv, guest, NULL, &config);
    hl_snapshot *snapshot;

    vm_call(box, "Park", NONE);
    snapshot = inside_take(copy, box);
    hl_sandbox_destroy(box);
    return snapshot;
}

/* Everything that a tenant, and the host on its behalf, can see. */
struct sight {
    struct tenant_dump dump;
    struct supervisor before, after; /* it has run */
};

static void look(struct sight *out, hl_sandbox *box, bool first)
{
    hl_value ret;

    if (!first) {
        supervisor_read(&out->before, box->vm->machine);
        vm_call(box, "Resume", NONE);
    }
    ret = vm_call(box, "Dump", ARGS(hl_bool(first)));
    CHECK_INT(ret.len, sizeof out->dump);
    memcpy(&out->dump, ret.as.bytes, sizeof out->dump);
    supervisor_read(&out->after, box->vm->machine);
}

static void check_dump(const struct tenant_dump *found, const struct tenant_dump *wanted)
{
    const uint64_t *a = (const uint64_t *)found, *b = (const uint64_t *)wanted;
    size_t i;

    for (i = 0; i < sizeof *found / sizeof *a; i++)
        if (a[i] != b[i])
            FAIL("the word at %zu of struct tenant_dump is 0x%llx, wanted 0x%llx", i * sizeof *a,
                 (unsigned long long)a[i], (unsigned long long)b[i]);
}

static void check_sight(const struct sight *found, const struct sight *wanted, bool first)
{
    check_dump(&found->dump, &wanted->dump);
    if (!first)
        supervisor_check(&found->before, &wanted->before);
    supervisor_check(&found->after, &wanted->after);
}

/* What a VM that nobody had before shows. */
static void look_fresh(struct sight *out, const hl_snapshot *snapshot)
{
    const hl_config config = {.struct_size = sizeof config, .no_reuse = 1};
    hl_sandbox *box = inside_clone(snapshot, NULL, &config);

    look(out, box, false);
    hl_sandbox_destroy(box);
}

static void look_fresh_create(struct sight *out, const struct hv_ops *hv, const hl_guest *guest,
                              bool avx)
{
    const hl_config config = tenant_config(avx, false);
    hl_sandbox *box = inside_create(hv, guest, NULL, &config);

    look(out, box, true);
    hl_sandbox_destroy(box);
}

/* ---- Sandboxes that leave traces ------------------------------------------------------- */

static hl_status fill(hl_sandbox *box, enum tenant_way way)
{
    hl_error err;

    hl_sandbox_set_deadline(box, way == TENANT_SPIN ? 30000 : 0, NULL);
    hl_sandbox_call(NULL, box, "Fill", ARGS(hl_u32(way)), &err);
    hl_sandbox_set_deadline(box, 0, NULL);
    CHECK_INT(err.status == HL_OK, hl_sandbox_state(box) == HL_READY);
    if (way == TENANT_PARK)
        CHECK_STR(err.text, "ok");
    if (way == TENANT_FAULT)
        CHECK_HAS(err.text, "#UD");
    if (way == TENANT_SPIN)
        CHECK_INT(err.status, HL_E_DEADLINE);
    if (way == TENANT_IN || way == TENANT_INS || way == TENANT_INS_LONG)
        CHECK_HAS(err.text, "the guest broke the protocol: port 0x80, input");
    return err.status;
}

static const bool ways_avx[] = {false, true};

#define FOR_EACH_AVX(avx) \
    for (const bool *at_ = ways_avx; at_ < ways_avx + 1 + has_avx(hv); at_++) \
        for (bool avx = *at_, once_ = true; once_; once_ = false)

/* ---- The tests ------------------------------------------------------------------------- */

/* That the guest sees what it should at all. */
BOTH_TRACKERS(tenant_dump_is_true)
{
    hl_guest *guest = vm_guest("tenant");
    struct inside_copy copy;
    hl_snapshot *snapshot = parked(&copy, hv, guest, false);
    struct sight sight, first;
    const struct tenant_dump *dump = &sight.dump;

    look_fresh(&sight, snapshot);
    CHECK_INT(dump->rbx, TENANT_KEPT + 1);
    CHECK_INT(dump->rbp, TENANT_KEPT + 2);
    CHECK_INT(dump->r12, TENANT_KEPT + 3);
    CHECK_INT(dump->r13, TENANT_KEPT + 4);
    CHECK_INT(dump->r14, TENANT_KEPT + 5);
    CHECK_INT(dump->r15, TENANT_KEPT + 6);
    CHECK_INT(dump->gs_base, TENANT_KEPT_GS);
    CHECK(dump->fs_base); /* the thread's data */
    CHECK_INT(dump->mxcsr, 0x9fc0);
    CHECK_INT(dump->x87[0] | dump->x87[1] << 8, 0xf7f);
    CHECK_INT(dump->rax | dump->rcx | dump->rdx | dump->rsi | dump->rdi, 0);
    CHECK_INT(dump->r8 | dump->r9 | dump->r10 | dump->r11, 0);
    CHECK_INT(dump->cs, 0x33);
    CHECK_INT(dump->ds, 0x2b);
    CHECK_INT(dump->es, 0x2b);
    CHECK_INT(dump->fs, 0x2b);
    CHECK_INT(dump->gs, 0x2b);
    CHECK_INT(dump->ss, 0x2b);
    CHECK_INT(dump->rflags & ~0xd5ull, 0x202); /* but for CF PF AF ZF SF */
    look_fresh_create(&first, hv, guest, false);
    CHECK_INT(first.dump.rdi, HL_BOOT);
    CHECK_INT(first.dump.fs_base | first.dump.gs_base | first.dump.rax | first.dump.r15, 0);
    CHECK_INT(first.dump.mxcsr, 0x1f80);
    CHECK(first.dump.heap != sight.dump.heap || first.dump.stack != sight.dump.stack);
    hl_snapshot_release(snapshot);
    inside_copy_free(&copy);
    hl_guest_release(guest);
}

/* A clone, then another clone in its VM: all that user mode has. */
static void clone_after(const struct hv_ops *hv, bool avx, enum tenant_way way, bool broken)
{
    hl_guest *guest = vm_guest("tenant");
    struct inside_copy copy;
    hl_snapshot *snapshot = parked(&copy, hv, guest, avx);
    struct sight wanted, found;
    hl_sandbox *box;
    int i;

    look_fresh(&wanted, snapshot);
    hl_cache_trim(0);
    for (i = 0; i < 3; i++) {
        box = inside_clone(snapshot, NULL, NULL);
        inside_check(box->vm, &copy);
        look(&found, box, false);
        check_sight(&found, &wanted, false);
        fill(box, way);
        if (broken)
            CHECK(supervisor_fill(box->vm->machine) > 5);
        if (i == 1) { /* not through the cache */
            inside_restore(box, snapshot);
            inside_check(box->vm, &copy);
            look(&found, box, false);
            check_sight(&found, &wanted, false);
        }
        hl_sandbox_destroy(box);
    }
    hl_cache_trim(0);
    hl_snapshot_release(snapshot);
    inside_copy_free(&copy);
    hl_guest_release(guest);
}

BOTH_TRACKERS(tenant_clone_after_a_park)
{
    FOR_EACH_AVX(avx)
    {
        clone_after(hv, avx, TENANT_PARK, false);
    }
}

/* Through whatever door the other one left, and as if it had come through the wall. */
BOTH_TRACKERS(tenant_clone_after_an_abnormal_end)
{
    FOR_EACH_AVX(avx)
    {
        clone_after(hv, avx, TENANT_FAULT, true);
        clone_after(hv, avx, TENANT_SPIN, true);
    }
}

/* An access that the hypervisor has not finished must not be, once the next
 * tenant runs. */
BOTH_TRACKERS(tenant_clone_after_an_abandoned_access)
{
    enum tenant_way way;

    for (way = TENANT_IN; way < TENANT_SPIN; way++)
        clone_after(hv, false, way, false);
}

/* A new sandbox in the VM of another one of the same guest. */
static void create_after(const struct hv_ops *hv, bool avx, enum tenant_way way)
{
    const hl_config config = tenant_config(avx, true);
    hl_guest *guest = vm_guest("tenant");
    struct sight wanted, found;
    hl_cache_stats stats;
    hl_sandbox *box;
    int i;

    look_fresh_create(&wanted, hv, guest, avx);
    for (i = 0; i < 3; i++) {
        box = inside_create(hv, guest, NULL, &config);
        look(&found, box, true);
        check_sight(&found, &wanted, true);
        fill(box, way);
        CHECK(supervisor_fill(box->vm->machine) > 5);
        hl_sandbox_destroy(box);
    }
    hl_cache_get_stats(&stats);
    CHECK(stats.hits);
    hl_cache_trim(0);
    hl_guest_release(guest);
}

BOTH_TRACKERS(tenant_create_after_another)
{
    FOR_EACH_AVX(avx)
    {
        create_after(hv, avx, TENANT_PARK);
        create_after(hv, avx, TENANT_FAULT);
        create_after(hv, avx, TENANT_IN);
        create_after(hv, avx, TENANT_SPIN);
    }
}

/* Not even in what KVM and the host exchange registers through. */
static void check_exchange(const struct hv_vm *machine)
{
    const uint8_t *bytes = (const uint8_t *)&machine->run->s;
    size_t i;

    for (i = 0; i < sizeof machine->run->s; i++)
        CHECK_INT(bytes[i], 0);
}

/* A clone in the VM of another lineage, which ended well. */
BOTH_TRACKERS(tenant_clone_after_another_lineage)
{
    const hl_config config = tenant_config(false, true);
    hl_guest *guest = vm_guest("tenant");
    struct inside_copy copy;
    hl_snapshot *snapshot = parked(&copy, hv, guest, false);
    struct sight wanted, found;
    hl_sandbox *box;
    struct vm *vm;
    int i;

    look_fresh(&wanted, snapshot);
    hl_cache_trim(0);
    for (i = 0; i < 3; i++) {
        box = inside_create(hv, guest, NULL, &config);
        vm = box->vm;
        fill(box, TENANT_PARK);
        CHECK(supervisor_fill(vm->machine) > 5);
        hl_sandbox_destroy(box);
        box = inside_clone(snapshot, NULL, NULL);
        CHECK(box->vm == vm);
        inside_check(vm, &copy);
        check_exchange(vm->machine);
        look(&found, box, false);
        check_sight(&found, &wanted, false);
        hl_sandbox_destroy(box);
    }
    hl_snapshot_release(snapshot);
    inside_copy_free(&copy);
    hl_guest_release(guest);
}

/* ---- The supervisor's memory --------------------------------------------------------------- */

static void check_system_area(const struct vm *vm)
{
    const uint8_t *wanted = vm->kind.shape->bytes;
    uint64_t i;

    for (i = 0; i < SYSTEM_SIZE; i++)
        if (vm->memory.base[i] != wanted[i])
            FAIL("byte 0x%llx of the system area is %#x, wanted %#x", (unsigned long long)i,
                 vm->memory.base[i], wanted[i]);
}

/* The report of a fault names addresses and a register of whoever faulted. */
BOTH_TRACKERS(tenant_fault_report_is_gone)
{
    const hl_config config = tenant_config(false, true);
    hl_sandbox *box = inside_box(hv, "tenant", &config);
    struct inside_copy copy;
    hl_snapshot *snapshot = inside_take(&copy, box);
    struct system_report report;

    fill(box, TENANT_FAULT);
    memcpy(&report, box->vm->memory.base + SYSTEM_REPORT, sizeof report);
    CHECK_INT(report.rax, 0xa5a5000000000001);
    inside_restore(box, snapshot);
    check_system_area(box->vm);
    hl_snapshot_release(snapshot);
    hl_sandbox_destroy(box);
    inside_copy_free(&copy);
}

/* Where the wall was broken, the VM is not used again. */
BOTH_TRACKERS(tenant_with_a_changed_system_area_is_the_last)
{
    static const uint64_t places[] = {SYSTEM_GDT - HL_WINDOW + X86_SEL_USER_CS,
                                      SYSTEM_TSS - HL_WINDOW + 4,
                                      SYSTEM_IDT - HL_WINDOW + 14 * 16,
                                      SYSTEM_VECTORS - HL_WINDOW + 0x200,
                                      SYSTEM_CR3 + 8 * 0xc0,
                                      SYSTEM_CR3 + PAGE,
                                      HL_GATE - HL_WINDOW + 7,
                                      HL_GATE - HL_WINDOW + GATE_XSAVE_MXCSR,
                                      HL_BOOT - HL_WINDOW + 8};
    const hl_config config = tenant_config(false, true);
    hl_guest *guest = vm_guest("tenant");
    struct inside_copy copy;
    hl_snapshot *snapshot = parked(&copy, hv, guest, false);
    struct sight wanted, found;
    hl_sandbox *box;
    uint32_t i;

    look_fresh(&wanted, snapshot);
    for (i = 0; i < 2 * sizeof places / sizeof *places; i++) {
        box = inside_create(hv, guest, NULL, &config);
        fill(box, i % 2 ? TENANT_PARK : TENANT_FAULT);
        box->vm->memory.base[places[i / 2]] ^= 0x40;
        if (i % 3)
            hl_sandbox_destroy(box);
        if (i % 3)
            box = inside_clone(snapshot, NULL, NULL);
        else
            inside_restore(box, snapshot);
        check_system_area(box->vm);
        inside_check(box->vm, &copy);
        look(&found, box, false);
        check_sight(&found, &wanted, false);
        hl_sandbox_destroy(box);
    }
    hl_snapshot_release(snapshot);
    inside_copy_free(&copy);
    hl_guest_release(guest);
}

/* Neither is one whose processor shut down. */
BOTH_TRACKERS(tenant_with_a_triple_fault_is_the_last)
{
    const hl_config config = tenant_config(false, true);
    hl_sandbox *box = inside_box(hv, "tenant", &config);
    hl_cache_stats stats;
    struct kvm_sregs sregs;
    hl_error err;

    CHECK_INT(ioctl(box->vm->machine->vcpu, KVM_GET_SREGS, &sregs), 0);
    sregs.idt.limit = 0;
    CHECK_INT(ioctl(box->vm->machine->vcpu, KVM_SET_SREGS, &sregs), 0);
    CHECK_INT(hl_sandbox_call(NULL, box, "Fill", ARGS(hl_u32(TENANT_FAULT)), &err), HL_E_FAULT);
    CHECK_HAS(err.text, "triple fault");
    hl_sandbox_destroy(box);
    hl_cache_get_stats(&stats);
    CHECK_INT(stats.idle, 0);
    CHECK_INT(stats.discarded, 1);
}
