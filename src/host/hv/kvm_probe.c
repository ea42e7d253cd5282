/* SPDX-License-Identifier: Apache-2.0 */
/* Is KVM usable here, and if not, what to do (KVM api.rst, sections 4.1, 4.4). */
#define _GNU_SOURCE
#include "kvm_probe.h"

#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <grp.h>
#include <linux/kvm.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "../error.h"

#define DEVICE "/dev/kvm"

static void group_name(char *out, size_t size, gid_t gid)
{
    struct group entry, *found = NULL;
    char buffer[4096];

    if (!getgrgid_r(gid, &entry, buffer, sizeof buffer, &found) && found)
        snprintf(out, size, "%s", found->gr_name);
    else
        snprintf(out, size, "%u", (unsigned)gid);
}

/* "users, wheel": the groups this process has. */
static void own_groups(char *out, size_t size)
{
    gid_t groups[64];
    int n = getgroups(64, groups), i;
    size_t at = 0;
    char name[64];

    snprintf(out, size, "none");
    for (i = 0; i < n && at < size; i++) {
        group_name(name, sizeof name, groups[i]);
        at += (size_t)snprintf(out + at, size - at, "%s%s", i ? ", " : "", name);
    }
}

/* To join the group of root, or one that may not open it, cures nothing. */
static hl_status no_permission(hl_error *err)
{
    char owner[64] = "?", own[192];
    struct stat st = {.st_mode = 0};
    bool unfit;

    if (!geteuid())
        return error_set(err, HL_E_NO_HYPERVISOR,
                         "%s: permission denied, even to root: a container needs --device %s",
                         DEVICE, DEVICE);
    if (!stat(DEVICE, &st))
        group_name(owner, sizeof owner, st.st_gid);
    unfit = !st.st_gid || (st.st_mode & 060) != 060;
    own_groups(own, sizeof own);
    return error_set(err, HL_E_NO_HYPERVISOR,
                     "%s: permission denied; it belongs to group %s, mode %03o, this process has "
                     "groups: %s; run `%ssudo usermod -aG %s $USER` and log in again",
                     DEVICE, owner, st.st_mode & 0777, own,
                     unfit ? "sudo groupadd -fr kvm; sudo chgrp kvm /dev/kvm; "
                             "sudo chmod 660 /dev/kvm; "
                           : "",
                     unfit ? "kvm" : owner);
}

hl_status kvm_unusable(hl_error *err, const char *what)
{
    switch (errno) {
    case EMFILE:
    case ENFILE:
    case ENOMEM:
        return error_errno(err, errno, what);
    default:
        return error_set(err, HL_E_NO_HYPERVISOR, "%s: %s", what, strerror(errno));
    }
}

static hl_status cannot_open(hl_error *err)
{
    switch (errno) {
    case EACCES:
    case EPERM:
        return no_permission(err);
    case ENOENT:
    case ENODEV:
    case ENXIO:
        return error_set(err, HL_E_NO_HYPERVISOR,
                         "%s does not exist: load the module (`sudo modprobe kvm_intel` or "
                         "`kvm_amd`), switch on virtualization in the firmware, or, inside a "
                         "virtual machine or container, have nested virtualization or the device "
                         "passed in",
                         DEVICE);
    default:
        return kvm_unusable(err, DEVICE);
    }
}

struct need {
    int cap;
    const char *name;
};
static const struct need needs[] = {
    {KVM_CAP_USER_MEMORY, "KVM_CAP_USER_MEMORY"},
    {KVM_CAP_IMMEDIATE_EXIT, "KVM_CAP_IMMEDIATE_EXIT"},
    {KVM_CAP_SYNC_REGS, "KVM_CAP_SYNC_REGS"},
    {KVM_CAP_EXT_CPUID, "KVM_CAP_EXT_CPUID"},
    {KVM_CAP_X86_MSR_FILTER, "KVM_CAP_X86_MSR_FILTER"},
    {KVM_CAP_ENFORCE_PV_FEATURE_CPUID, "KVM_CAP_ENFORCE_PV_FEATURE_CPUID"},
};

static hl_status check_needs(int fd, hl_error *err)
{
    const int version = ioctl(fd, KVM_GET_API_VERSION, 0);
    size_t i;

    if (version != KVM_API_VERSION)
        return error_set(err, HL_E_NO_HYPERVISOR, "%s: API version %d, wanted %d", DEVICE, version,
                         KVM_API_VERSION);
    for (i = 0; i < sizeof needs / sizeof needs[0]; i++)
        if (ioctl(fd, KVM_CHECK_EXTENSION, needs[i].cap) <= 0)
            return error_set(err, HL_E_NO_HYPERVISOR,
                             "%s: this kernel lacks %s, Linux 5.10 or later is wanted", DEVICE,
                             needs[i].name);
    return HL_OK;
}

/* What a kernel has it keeps: no VM but the first pays for the questions. */
hl_status kvm_open(int *out, hl_error *err)
{
    static atomic_bool known;
    const int fd = open(DEVICE, O_RDWR | O_CLOEXEC);
    hl_status status;

    if (fd < 0)
        return cannot_open(err);
    status = atomic_load(&known) ? HL_OK : check_needs(fd, err);
    if (status) {
        close(fd);
        return status;
    }
    atomic_store(&known, true);
    *out = fd;
    return HL_OK;
}
