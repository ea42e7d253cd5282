/* SPDX-License-Identifier: Apache-2.0 */
/* What /dev, /proc and /sys tell about KVM on this machine. */
#include <dirent.h>
#include <grp.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "doctor.h"

#define DEVICE "/dev/kvm"
#define REGISTERED "/sys/class/misc/kvm" /* by the kernel; in containers, too */
#define VULNERABILITIES "/sys/devices/system/cpu/vulnerabilities"

/* The first line of a small file; "" if it cannot be read. */
static const char *first_line(char out[256], const char *path)
{
    FILE *file = fopen(path, "r");

    if (!file || !fgets(out, 256, file))
        *out = '\0';
    out[strcspn(out, "\n")] = '\0';
    if (file)
        fclose(file);
    return out;
}

static bool exists(const char *path)
{
    return !access(path, F_OK);
}

/* ---- The device, and who may open it ----------------------------------------------- */

static const char *group_name(char out[64], gid_t gid)
{
    const struct group *group = getgrgid(gid);

    if (group)
        snprintf(out, 64, "%s", group->gr_name);
    else
        snprintf(out, 64, "%u", (unsigned)gid);
    return out;
}

static bool has(const gid_t groups[], int count, gid_t gid)
{
    int i;

    for (i = 0; i < count; i++)
        if (groups[i] == gid)
            return true;
    return false;
}

/* In the group by the user database, which counts from the next login on. */
static bool will_have(const char *user, gid_t own, gid_t gid)
{
    gid_t groups[256];
    int count = 256;

    return getgrouplist(user, own, groups, &count) >= 0 && has(groups, count, gid);
}

static void cure_device(struct doctor *d, const struct stat *st, const char *user)
{
    char name[64];
    const char *group = group_name(name, st->st_gid);

    if (!geteuid())
        doctor_say(d, FOUND_BAD, "cure",
                   "even root is refused, so this is a container: start it with --device %s",
                   DEVICE);
    else if (!st->st_gid || (st->st_mode & 060) != 060)
        doctor_say(d, FOUND_BAD, "cure",
                   "sudo groupadd -f -r kvm; sudo chown root:kvm %s; sudo chmod 660 %s; "
                   "sudo usermod -aG kvm %s; then log in again",
                   DEVICE, DEVICE, user);
    else if (will_have(user, getegid(), st->st_gid))
        doctor_say(d, FOUND_BAD, "cure",
                   "%s was added to %s after this login: log in again, or run: newgrp %s", user,
                   group, group);
    else
        doctor_say(d, FOUND_BAD, "cure", "sudo usermod -aG %s %s; then log in again", group, user);
}

static void say_groups(struct doctor *d, const char *user)
{
    static gid_t groups[65536]; /* as many as Linux has (NGROUPS_MAX) */
    const int count = getgroups(sizeof groups / sizeof *groups, groups);
    char text[512] = "", name[64];
    size_t at = 0;
    int i;

    for (i = 0; i < count && at < sizeof text; i++)
        at += (size_t)snprintf(text + at, sizeof text - at, "%s%s", i ? ", " : "",
                               group_name(name, groups[i]));
    doctor_say(d, FOUND_PLAIN, "you", "%s, in the groups: %s", user, *text ? text : "none");
}

void doctor_device(struct doctor *d, bool usable)
{
    const struct passwd *entry;
    const char *user;
    char group[64], owner[64] = "?";
    const struct passwd *holder;
    struct stat st;

    if (stat(DEVICE, &st)) {
        doctor_say(d, usable ? FOUND_PLAIN : FOUND_BAD, "device", "there is no %s", DEVICE);
        return;
    }
    holder = getpwuid(st.st_uid);
    snprintf(owner, sizeof owner, "%s", holder ? holder->pw_name : "?");
    doctor_say(d, access(DEVICE, R_OK | W_OK) ? FOUND_BAD : FOUND_GOOD, "device",
               "%s belongs to %s:%s, mode %03o", DEVICE, owner, group_name(group, st.st_gid),
               (unsigned)st.st_mode & 0777);
    entry = getpwuid(geteuid()); /* both share one buffer */
    user = entry ? entry->pw_name : "$USER";
    say_groups(d, user);
    if (access(DEVICE, R_OK | W_OK))
        cure_device(d, &st, user);
}

/* ---- Modules and processor --------------------------------------------------------- */

void doctor_modules(struct doctor *d, bool usable)
{
    static const char *const names[] = {"kvm_intel", "kvm_amd", "kvm_pvm"};
    char path[128], nested[256];
    bool any = false;
    size_t i;

    for (i = 0; i < sizeof names / sizeof *names; i++) {
        snprintf(path, sizeof path, "/sys/module/%s", names[i]);
        if (!exists(path))
            continue;
        any = true;
        snprintf(path, sizeof path, "/sys/module/%s/parameters/nested", names[i]);
        first_line(nested, path);
        doctor_say(d, FOUND_PLAIN, "module", "%s%s%s", names[i], *nested ? ", nested = " : "",
                   nested);
    }
    if (!any)
        doctor_say(d, usable ? FOUND_PLAIN : FOUND_BAD, "module",
                   "none of kvm_intel, kvm_amd and kvm_pvm is there as a module");
}

struct processor {
    char model[256];
    bool vmx, svm, guest;
};

/* Is it one of the words, which stand between spaces? */
static bool has_flag(const char *words, const char *flag)
{
    const size_t len = strlen(flag);
    size_t n;

    for (words += strspn(words, " "); *words; words += n + strspn(words + n, " ")) {
        n = strcspn(words, " ");
        if (n == len && !strncmp(words, flag, len))
            return true;
    }
    return false;
}

static void read_processor(struct processor *out)
{
    char *line = NULL, *value;
    size_t room = 0;
    FILE *file = fopen("/proc/cpuinfo", "r");

    *out = (struct processor){.model = "unknown"};
    while (file && getline(&line, &room, file) > 0) {
        value = strchr(line, ':');
        if (!value || *line == '\n')
            continue;
        value[strcspn(value, "\n")] = '\0';
        if (!strncmp(line, "model name", 10)) {
            snprintf(out->model, sizeof out->model, "%s", value + 1 + (value[1] == ' '));
        } else if (!strncmp(line, "flags", 5)) {
            out->vmx = has_flag(value + 1, "vmx");
            out->svm = has_flag(value + 1, "svm");
            out->guest = has_flag(value + 1, "hypervisor");
            break;
        }
    }
    free(line);
    if (file)
        fclose(file);
}

static bool has_module(const struct processor *p)
{
    return (p->vmx && exists("/sys/module/kvm_intel")) || (p->svm && exists("/sys/module/kvm_amd"));
}

/* There is no device: what makes one. */
static void cure_missing(struct doctor *d, const struct processor *p)
{
    if (exists(REGISTERED))
        doctor_say(d, FOUND_BAD, "cure",
                   "the kernel has KVM, and its node alone is missing here: start a container with "
                   "--device " DEVICE "; elsewhere mount devtmpfs on /dev, or let udev make it");
    else if (has_module(p))
        doctor_say(d, FOUND_BAD, "cure",
                   "%s is there but offers nothing, and dmesg says why: switch VT-x or AMD-V (SVM) "
                   "on in the firmware setup",
                   p->vmx ? "kvm_intel" : "kvm_amd");
    else if (p->vmx || p->svm)
        doctor_say(d, FOUND_BAD, "cure", "sudo modprobe %s", p->vmx ? "kvm_intel" : "kvm_amd");
    else if (p->guest)
        doctor_say(d, FOUND_BAD, "cure",
                   "switch nested virtualization on in what runs this virtual machine (for a KVM "
                   "host: kvm_intel or kvm_amd nested=1, CPU model host-passthrough), or use a "
                   "machine that has it");
    else
        doctor_say(d, FOUND_BAD, "cure", "switch VT-x or AMD-V (SVM) on in the firmware setup");
}

void doctor_processor(struct doctor *d, bool usable)
{
    struct processor p;

    read_processor(&p);
    doctor_say(d, FOUND_PLAIN, "processor", "%s; %s%s", p.model,
               p.vmx   ? "VT-x"
               : p.svm ? "AMD-V"
                       : "neither VT-x nor AMD-V",
               p.guest ? "; itself a virtual machine's" : "");
    if (!usable && !exists(DEVICE))
        cure_missing(d, &p);
}

/* ---- WSL2, containers ---------------------------------------------------------------- */

static bool in_container(void)
{
    return exists("/.dockerenv") || exists("/run/.containerenv") ||
           exists("/run/systemd/container");
}

void doctor_surroundings(struct doctor *d, bool usable)
{
    const bool fine = usable || exists(DEVICE); /* else what is missing comes from outside */
    char release[256];

    if (strcasestr(first_line(release, "/proc/sys/kernel/osrelease"), "microsoft"))
        doctor_say(d, fine ? FOUND_PLAIN : FOUND_BAD, "WSL2",
                   "needs Windows 11 and, in %%UserProfile%%\\.wslconfig below [wsl2], "
                   "nestedVirtualization=true (the default); then: wsl --shutdown");
    if (in_container())
        doctor_say(d, fine ? FOUND_PLAIN : FOUND_BAD, "container", "this is one%s",
                   fine ? "" : ": start it with --device " DEVICE);
}

/* ---- What the kernel says of the processor ----------------------------------------------- */

static int visible(const struct dirent *entry)
{
    return entry->d_name[0] != '.';
}

void doctor_vulnerabilities(struct doctor *d)
{
    struct dirent **entries;
    const int count = scandir(VULNERABILITIES, &entries, visible, alphasort);
    char path[512], text[256];
    int unaffected = 0, i;

    for (i = 0; i < count; i++) {
        snprintf(path, sizeof path, "%s/%s", VULNERABILITIES, entries[i]->d_name);
        if (!strcmp(first_line(text, path), "Not affected"))
            unaffected++;
        else
            doctor_say(d, strncmp(text, "Mitigation", 10) ? FOUND_NOTE : FOUND_PLAIN, "processor",
                       "%s: %s", entries[i]->d_name, text);
        free(entries[i]);
    }
    if (count >= 0)
        free(entries);
    if (count <= 0)
        doctor_say(d, FOUND_NOTE, "processor", "the kernel does not report vulnerabilities (%s)",
                   VULNERABILITIES);
    else
        doctor_say(d, FOUND_PLAIN, "processor",
                   "not affected by %d of the %d vulnerabilities that the kernel knows", unaffected,
                   count);
}

/* ---- Settings that make virtual machines slow -------------------------------------------- */

static bool is_off(const char *path)
{
    char text[256];

    first_line(text, path);
    return *text == 'N' || *text == '0';
}

/* The parameter, unless it is never or there is none: each VM gets a thread of the
 * kernel's own, which is moved into the cgroups of its maker; that waits for a
 * grace period unless favordynmods is set. */
static bool huge_page_thread(char parameter[256])
{
    char *line = NULL;
    size_t room = 0;
    bool favored = false;
    FILE *file;

    first_line(parameter, "/sys/module/kvm/parameters/nx_huge_pages");
    if (!*parameter || !strcmp(parameter, "never"))
        return false;
    file = fopen("/proc/mounts", "r");
    while (file && !favored && getline(&line, &room, file) > 0)
        favored = strstr(line, " cgroup") && strstr(line, "favordynmods");
    free(line);
    if (file)
        fclose(file);
    return !favored;
}

void doctor_slow(struct doctor *d)
{
    char parameter[256];

    if (is_off("/sys/module/kvm_intel/parameters/ept"))
        doctor_say(d, FOUND_NOTE, "speed", "kvm_intel has ept = N: memory of guests is slow");
    if (is_off("/sys/module/kvm_amd/parameters/npt"))
        doctor_say(d, FOUND_NOTE, "speed", "kvm_amd has npt = N: memory of guests is slow");
    if (huge_page_thread(parameter))
        doctor_say(d, FOUND_NOTE, "speed",
                   "kvm has nx_huge_pages = %s: each new VM starts a thread of the kernel's, which "
                   "on Linux 6 can take milliseconds; kvm.nx_huge_pages=never (if the processor "
                   "is not affected by itlb_multihit), or a cgroup mount with favordynmods",
                   parameter);
}
