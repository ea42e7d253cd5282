/* SPDX-License-Identifier: Apache-2.0 */
/* Opens guests and makes sandboxes for VM tests. */
#include "vm.h"

#include <errno.h>
#include <linux/filter.h>
#include <linux/kvm.h>
#include <linux/seccomp.h>
#include <stddef.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/syscall.h>

static bool wanted(const char *hypervisor)
{
    const char *name = getenv("HL_TEST_HYPERVISOR");

    return name && !strcmp(name, hypervisor);
}

hl_hypervisor vm_hypervisor(void)
{
    return wanted("process") ? HL_HYPERVISOR_PROCESS : HL_HYPERVISOR_ANY;
}

bool vm_without_ring(void)
{
    return wanted("log");
}

/* KVM, asked for the ring, is one that has none. */
static void refuse_ring(void)
{
    static bool done;

    if (!done && vm_without_ring())
        vm_refuse(SYS_ioctl, 2, KVM_CAP_DIRTY_LOG_RING, EINVAL);
    done = true;
}

void vm_needs_kvm(void)
{
    if (vm_hypervisor() == HL_HYPERVISOR_PROCESS)
        test_skip("of KVM itself");
}

/* Every create of a test comes through here (-Wl,--wrap): tests without a choice
 * of their own have the one above. */
static const hl_config *on_hypervisor(hl_config *own, const hl_config *given)
{
    const hl_config preset = {.struct_size = sizeof preset, .hypervisor = vm_hypervisor()};

    if (given && (given->struct_size != sizeof *given || given->hypervisor))
        return given;
    *own = given ? *given : preset;
    own->hypervisor = preset.hypervisor;
    return own;
}

hl_status __real_hl_sandbox_create(hl_sandbox **, const hl_guest *, const hl_host *,
                                   const hl_config *, hl_error *);
hl_status __wrap_hl_sandbox_create(hl_sandbox **, const hl_guest *, const hl_host *,
                                   const hl_config *, hl_error *);
hl_status __real_hl_sandbox_create_from(hl_sandbox **, const hl_snapshot *, const hl_host *,
                                        const hl_config *, hl_error *);
hl_status __wrap_hl_sandbox_create_from(hl_sandbox **, const hl_snapshot *, const hl_host *,
                                        const hl_config *, hl_error *);

hl_status __wrap_hl_sandbox_create(hl_sandbox **out, const hl_guest *guest, const hl_host *host,
                                   const hl_config *config, hl_error *err)
{
    hl_config own;

    return __real_hl_sandbox_create(out, guest, host, on_hypervisor(&own, config), err);
}

hl_status __wrap_hl_sandbox_create_from(hl_sandbox **out, const hl_snapshot *snapshot,
                                        const hl_host *host, const hl_config *config, hl_error *err)
{
    hl_config own;

    return __real_hl_sandbox_create_from(out, snapshot, host, on_hypervisor(&own, config), err);
}

hl_guest *vm_guest(const char *name)
{
    hl_guest *guest;
    hl_error err;

    refuse_ring();
    if (hl_hypervisor_probe(vm_hypervisor(), &err))
        test_skip("%s", err.text);
    if (hl_guest_open(&guest, test_guest(name), &err))
        FAIL("%s", err.text);
    return guest;
}

hl_host *vm_host(const hl_host_function fns[], size_t count)
{
    hl_host *host;
    hl_error err;

    if (hl_host_create(&host, fns, count, &err))
        FAIL("%s", err.text);
    return host;
}

hl_sandbox *vm_box(const char *name, const hl_host *host, const hl_config *config)
{
    hl_guest *guest = vm_guest(name);
    hl_sandbox *box;
    hl_error err;

    if (hl_sandbox_create(&box, guest, host, config, &err))
        FAIL("%s: %s", name, err.text);
    hl_guest_release(guest);
    return box;
}

void vm_expect(hl_status status, const char *text, hl_sandbox *box, const char *function,
               const hl_value args[], uint32_t count, hl_error *err)
{
    hl_error local;
    hl_value ret;
    hl_status found;

    err = err ? err : &local;
    found = hl_sandbox_call(&ret, box, function, args, count, err);
    if (found != status || err->status != status)
        FAIL("%s: %d (%s), wanted %d (%s)", function, found, err->text, status,
             hl_status_text(status));
    if (text && !strstr(err->text, text))
        FAIL("%s: \"%s\", wanted \"...%s...\"", function, err->text, text);
}

hl_value vm_call(hl_sandbox *box, const char *function, const hl_value args[], uint32_t count)
{
    hl_error err;
    hl_value ret;

    if (hl_sandbox_call(&ret, box, function, args, count, &err))
        FAIL("%s: %d, %s", function, err.status, err.text);
    CHECK_STR(err.text, "ok");
    return ret;
}

void vm_refuse(long call, unsigned arg, uint32_t value, int error)
{
    struct sock_filter code[] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, (uint32_t)call, 0, 3),
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS,
                 (uint32_t)(offsetof(struct seccomp_data, args) + 8 * arg)),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, value, 0, 1),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | (uint32_t)error),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
    };
    const struct sock_fprog program = {sizeof code / sizeof code[0], code};

    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) ||
        prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program))
        test_skip("seccomp: %s", strerror(errno));
}
