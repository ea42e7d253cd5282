/* SPDX-License-Identifier: Apache-2.0 */
/* The shortest proof that guests run; also the selection for slow machines. */
#include <fcntl.h>
#include <linux/kvm.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "held.h"
#include "vm.h"

static char printed[256];

static hl_status keep(hl_call *call, const hl_value args[], hl_value *ret)
{
    memcpy(hl_call_user(call), args[0].as.str, args[0].len + 1);
    *ret = hl_i32((int32_t)args[0].len);
    return HL_OK;
}

TEST(smoke_hello)
{
    const hl_host_function table[] = {{"HostPrint", "i32(str)", keep, printed}};
    hl_host *host = vm_host(table, 1);
    hl_sandbox *box = vm_box("hello", host, NULL);
    hl_value ret = vm_call(box, "PrintOutput", ARGS(hl_str("Hello, World!\n")));

    CHECK_INT(ret.type, HL_I32);
    CHECK_INT(ret.as.i32, 14);
    CHECK_STR(printed, "Hello, World!\n");
    CHECK_INT(hl_sandbox_state(box), HL_READY);
    hl_sandbox_destroy(box);
    hl_host_release(host);
}

TEST(smoke_fault_is_named)
{
    hl_sandbox *box = vm_box("simple", NULL, NULL);
    hl_error err;

    vm_expect(HL_E_FAULT, "page fault (#PF) writing 0x", box, "WriteCode", NONE, &err);
    CHECK_INT(err.vector, 14);
    CHECK_INT(err.access, 7);
    CHECK_INT(hl_sandbox_state(box), HL_POISONED);
    vm_expect(HL_E_STATE, "POISONED: page fault", box, "Nothing", NONE, NULL);
    hl_sandbox_destroy(box);
}

TEST(smoke_deadline_stops_a_spinning_guest)
{
    hl_config config = {.struct_size = sizeof config};
    hl_sandbox *box = vm_box("simple", NULL, &config);

    hl_sandbox_set_deadline(box, 20000, NULL);
    vm_expect(HL_E_DEADLINE, "the call ran past its deadline", box, "Spin", NONE, NULL);
    CHECK_INT(hl_sandbox_state(box), HL_POISONED);
    hl_sandbox_destroy(box);
}

TEST(smoke_user_mode_cannot_do_io)
{
    hl_sandbox *box = vm_box("simple", NULL, NULL);

    vm_expect(HL_E_FAULT, "general protection (#GP)", box, "Halt", NONE, NULL);
    hl_sandbox_destroy(box);
}

TEST(smoke_dirty_pages_are_named_by_ring_or_log)
{
    hl_sandbox *box;
    int fd;

    vm_needs_kvm();
    box = vm_box("simple", NULL, NULL);
    fd = open("/dev/kvm", O_RDWR);
    CHECK(fd >= 0);
    /* kvm_run, and the ring if there is one */
    CHECK_INT(held_mappings("anon_inode:kvm-vcpu"),
              ioctl(fd, KVM_CHECK_EXTENSION, KVM_CAP_DIRTY_LOG_RING) > 0 ? 2 : 1);
    close(fd);
    hl_sandbox_destroy(box);
}
