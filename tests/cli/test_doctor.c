/* SPDX-License-Identifier: Apache-2.0 */
/* hyperlight doctor, on this machine and on others made of mounts. */
#include <errno.h>
#include <grp.h>
#include <stdio.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cli.h"

TEST(doctor_finds_this_machine_fit)
{
    const struct cli *run;

    cli_need_hypervisor();
    run = CLI("doctor");
    CHECK_INT(run->status, 0);
    CHECK_STR(run->err, "");
    CHECK_HAS(run->out, "ok   kvm          works; making most of a sandbox took ");
    CHECK_HAS(run->out, "device       /dev/kvm belongs to ");
    CHECK_HAS(run->out, ", in the groups: ");
    CHECK(!strstr(run->out, "BAD"));
    CHECK(!strstr(run->out, "kvm          ok"));
}

TEST(doctor_writes_json)
{
    const struct cli *run = CLI("doctor", "--json");

    cli_python(run->status ? "import json, sys\n"
                             "d = json.loads(sys.argv[1])\n"
                             "assert d['usable'] is False, d\n"
                             "assert any(f['found'] == 'bad' for f in d['findings']), d"
                           : "import json, sys\n"
                             "d = json.loads(sys.argv[1])\n"
                             "assert d['usable'] is True, d\n"
                             "assert any(f['topic'] == 'kvm' and f['found'] == 'good'\n"
                             "           for f in d['findings']), d",
               run->out);
    CHECK(run->status == 0 || run->status == 4);
}

/* Tried as well, and with what is to be known about it; it counts if allowed. */
TEST(doctor_weighs_processes)
{
    const struct cli *run;

    cli_need_process();
    run = CLI("doctor");
    CHECK_HAS(run->out, "ok   process      works; making most of a sandbox took ");
    CHECK_HAS(run->out, "process      guests can run in locked-down processes: the host's kernel");
    cli_without_devices();
    run = CLI("doctor");
    CHECK_INT(run->status, 4);
    CHECK_HAS(run->out, "BAD  kvm          /dev/kvm does not exist");
    CHECK_HAS(run->out, "note verdict      guests can run in processes alone, where");
    run = CLI("doctor", "--allow-process");
    CHECK_INT(run->status, 0);
    CHECK_HAS(run->out, "BAD  device       there is no /dev/kvm\n");
}

TEST(doctor_refuses_arguments)
{
    CLI_CHECK_JSON({2, "E_INVALID", "x is one word too many", {"doctor", "--json", "x"}},
                   {2, "E_INVALID", "no option --fix", {"doctor", "--json", "--fix"}});
    CLI_CHECK({2, "", "doctor: x is one word too many", {"doctor", "x"}},
              {2, "", "doctor: --json takes no value", {"doctor", "--json=1"}},
              {2, "", "doctor: no option --fix", {"doctor", "--fix"}});
}

/* From here on the file at `path` reads so. */
static void pretend(const char *path, const char *text)
{
    umount2(path, MNT_DETACH); /* what it pretended before */
    cli_write("pretend", text, strlen(text));
    if (mount(cli_file("pretend"), path, NULL, MS_BIND, NULL))
        test_skip("cannot mount over %s: %s", path, strerror(errno));
    CHECK_INT(unlink(cli_file("pretend")), 0);
}

static void doctor_says(const char *const texts[])
{
    const struct cli *run = CLI("doctor");

    CHECK_INT(run->status, 4);
    for (; *texts; texts++)
        CHECK_HAS(run->out, *texts);
}
#define SAYS(...) doctor_says((const char *const[]){__VA_ARGS__, NULL})

/* A kernel without KVM, or with this module. */
static void pretend_modules(const char *module)
{
    char path[100];

    CHECK_INT(mount("none", "/sys", "tmpfs", 0, NULL), 0);
    if (!module)
        return;
    snprintf(path, sizeof path, "/sys/module/%s", module);
    CHECK(!mkdir("/sys/module", 0755) && !mkdir(path, 0755));
}

static void pretend_registered(void)
{
    CHECK(!mkdir("/sys/class", 0755) && !mkdir("/sys/class/misc", 0755) &&
          !mkdir("/sys/class/misc/kvm", 0755));
}

/* What is there already is not to be loaded. */
TEST(doctor_without_a_node_of_a_loaded_module)
{
    const struct cli *run;

    cli_without_devices();
    pretend_modules("kvm_intel");
    pretend("/proc/cpuinfo", "model name\t: Some\nflags\t\t: fpu vmx hypervisor\n\n");
    SAYS("cure         kvm_intel is there but offers nothing, and dmesg says why: switch VT-x");
    pretend_registered();
    SAYS("BAD  kvm          /dev/kvm does not exist\n",
         "cure         the kernel has KVM, and its node alone is missing here: start a container "
         "with --device /dev/kvm; ");
    pretend("/proc/cpuinfo", "model name\t: Inner\nflags\t\t: fpu hypervisor\n\n");
    SAYS("cure         the kernel has KVM, and its node alone is missing here");
    run = CLI("doctor");
    CHECK(!strstr(run->out, "modprobe") && !strstr(run->out, "nested virtualization"));
}

TEST(doctor_without_a_device_tells_the_cure_by_the_processor)
{
    cli_without_devices();
    pretend_modules(NULL);
    pretend("/proc/cpuinfo", "processor : 0\nmodel name\t: Some CPU\nflags\t\t: fpu vmx sse\n\n");
    SAYS("BAD  kvm          /dev/kvm does not exist", "BAD  device       there is no /dev/kvm\n",
         "processor    Some CPU; VT-x\n", "BAD  cure         sudo modprobe kvm_intel\n");
    pretend("/proc/cpuinfo", "model name\t: Other\nflags\t\t: fpu hypervisor svm\n\n");
    SAYS("Other; AMD-V; itself a virtual machine's\n", "cure         sudo modprobe kvm_amd\n");
    pretend("/proc/cpuinfo", "model name\t: Inner\nflags\t\t: fpu hypervisor\n\n");
    SAYS("Inner; neither VT-x nor AMD-V; itself", "switch nested virtualization on");
    pretend("/proc/cpuinfo", "model name\t: Plain\nflags\t\t: fpu\n\n");
    SAYS("switch VT-x or AMD-V (SVM) on in the firmware setup\n");
    /* The last line without its end. */
    pretend("/proc/cpuinfo", "model name\t: Long, and by no means svm \nflags\t\t: fpu nosvm");
    SAYS("Long, and by no means svm ; neither VT-x nor AMD-V\n");
    pretend("/proc/cpuinfo", "model name\t:\nflags\t\t: fpu vmx");
    SAYS("processor    ; VT-x\n");
}

TEST(doctor_knows_wsl2)
{
    cli_without_devices();
    pretend("/proc/sys/kernel/osrelease", "5.15.167.4-microsoft-standard-WSL2\n");
    SAYS("BAD  WSL2         needs Windows 11", "nestedVirtualization=true");
    CHECK_INT(mknod("/dev/kvm", S_IFCHR | 0600, 0), 0);
    SAYS("     WSL2         needs Windows 11");
}

/* A device that belongs to a group, and a user who is not in it. */
TEST(doctor_names_the_group_to_join)
{
    const gid_t none = 65534;

    cli_without_devices();
    CHECK(!mknod("/dev/kvm", S_IFCHR | 0660, 0) && !chown("/dev/kvm", 0, 7));
    CHECK(!chmod("/dev/kvm", 0660) && !setgroups(1, &none) && !setgid(none) && !setuid(65534));
    SAYS("BAD  device       /dev/kvm belongs to root:lp, mode 660\n",
         "you          nobody, in the groups: nogroup\n",
         "BAD  cure         sudo usermod -aG lp nobody; then log in again\n");
}

TEST(doctor_gives_the_device_a_group_first)
{
    cli_without_devices();
    CHECK(!mknod("/dev/kvm", S_IFCHR | 0600, 0) && !setgroups(0, NULL) && !setuid(65534));
    SAYS("/dev/kvm belongs to root:root, mode 600\n", "sudo groupadd -f -r kvm; ");
}

TEST(doctor_counts_many_groups)
{
    gid_t groups[300];
    size_t i;

    cli_without_devices();
    for (i = 0; i < 300; i++)
        groups[i] = 70000 + (gid_t)i;
    CHECK(!mknod("/dev/kvm", S_IFCHR | 0660, 0) && !setgroups(300, groups) && !setuid(65534));
    SAYS("you          nobody, in the groups: 70000, 70001, ");
}

TEST(doctor_reports_what_slows_vms_down)
{
    FILE *mounts;

    cli_own_mounts();
    if (access("/sys/module/kvm/parameters/nx_huge_pages", R_OK))
        test_skip("kvm is not a module with parameters here");
    pretend("/sys/module/kvm/parameters/nx_huge_pages", "never\n");
    CHECK(!strstr(CLI("doctor")->out, "nx_huge_pages"));
    pretend("/sys/module/kvm/parameters/nx_huge_pages", "N\n"); /* it could be switched on */
    CHECK(!mount("none", "/proc", "tmpfs", 0, NULL));
    CHECK_HAS(CLI("doctor")->out,
              "note speed        kvm has nx_huge_pages = N: each new VM starts");
    CHECK_INT(umount("/proc"), 0);
    pretend("/sys/module/kvm/parameters/nx_huge_pages", "Y\n");
    CHECK(!mount("none", "/proc", "tmpfs", 0, NULL)); /* whose mounts is a link otherwise */
    CHECK_HAS(CLI("doctor")->out, "note speed        kvm has nx_huge_pages = Y");
    mounts = fopen("/proc/mounts", "w");
    CHECK(mounts && fputs("cgroup /sys/fs/cgroup cgroup2 rw,favordynmods 0 0\n", mounts) >= 0);
    CHECK_INT(fclose(mounts), 0);
    CHECK(!strstr(CLI("doctor")->out, "nx_huge_pages"));
    CHECK_INT(umount("/proc"), 0);
}
