/* SPDX-License-Identifier: Apache-2.0 */
#define _GNU_SOURCE
#include "kvm_keeper.h"

#include <linux/kvm.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "../os/forkpage.h"
#include "../os/lock.h"

/* A forked child has none: what it inherits is its parent's. */
struct keeper {
    struct lock lock;
    uint32_t alive; /* VMs of this process */
    bool last_went; /* there was one, and then none */
    bool kept;
    int vm, vcpu;
};

/* Takes it; NULL: nothing is taken, and VMs are dear. */
static struct keeper *enter(void)
{
    static _Atomic(void *) page;
    struct keeper *keeper = forkpage_get(&page);

    if (keeper)
        lock_take(&keeper->lock);
    return keeper;
}

/* A failure is nobody's: the VM that is to come will say what there is too little of. */
static void make(struct keeper *keeper, int device)
{
    keeper->vm = ioctl(device, KVM_CREATE_VM, 0);
    if (keeper->vm < 0)
        return;
    keeper->vcpu = ioctl(keeper->vm, KVM_CREATE_VCPU, 0);
    keeper->kept = keeper->vcpu >= 0;
    if (!keeper->kept)
        close(keeper->vm);
}

void kvm_keeper_before(int device)
{
    struct keeper *keeper = enter();

    if (!keeper)
        return;
    if (!keeper->alive && keeper->last_went && !keeper->kept)
        make(keeper, device);
    keeper->alive++;
    lock_drop(&keeper->lock);
}

/* What a forked child ends may have been its parent's. */
void kvm_keeper_after(void)
{
    struct keeper *keeper = enter();

    if (!keeper)
        return;
    if (keeper->alive && !--keeper->alive)
        keeper->last_went = true;
    lock_drop(&keeper->lock);
}

bool kvm_keeper_end(void)
{
    struct keeper *keeper = enter();
    bool kept;

    if (!keeper)
        return false;
    kept = keeper->kept;
    if (kept) {
        close(keeper->vcpu);
        close(keeper->vm);
    }
    keeper->kept = keeper->last_went = false;
    lock_drop(&keeper->lock);
    return kept;
}
