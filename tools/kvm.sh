# SPDX-License-Identifier: Apache-2.0
# Says whether this user can use KVM here and, if not, what to do about it.
# shellcheck shell=bash

kvm_missing()
{
    echo "There is no device /dev/kvm on this machine."
    if [[ -e /.dockerenv || -e /run/.containerenv ]]; then
        echo "This is a container: start it with --device /dev/kvm."
    elif grep -qw vmx /proc/cpuinfo; then
        echo "The processor offers VT-x: sudo modprobe kvm_intel"
    elif grep -qw svm /proc/cpuinfo; then
        echo "The processor offers AMD-V: sudo modprobe kvm_amd"
    elif grep -qw hypervisor /proc/cpuinfo; then
        echo "This is a virtual machine without nested virtualization: switch that on" \
            "in the machine that runs it (for a KVM host: kvm_intel or kvm_amd nested=1," \
            "CPU model host-passthrough), or use a machine that has it."
    else
        echo "The processor offers no virtualization: switch VT-x or AMD-V (SVM) on in" \
            "the firmware setup."
    fi
}

kvm_forbidden()
{
    local group user
    group=$(stat -c %G /dev/kvm)
    user=$(id -un)
    echo "$user may not open /dev/kvm: it belongs to $(stat -c '%U:%G, mode %a' /dev/kvm);" \
        "$user is in the groups: $(id -nG)."
    if ((EUID == 0)); then
        echo "Even root is refused, so this is a container: start it with --device /dev/kvm."
    elif [[ " $(id -nG "$user") " == *" $group "* ]]; then
        echo "$user was added to $group after this login: log in again, or: newgrp $group"
    elif [[ $group == root ]]; then
        echo "Give it to a group first: sudo groupadd -f -r kvm;" \
            "sudo chown root:kvm /dev/kvm; sudo chmod 660 /dev/kvm;" \
            "then: sudo usermod -aG kvm $user, and log in again."
    else
        echo "Do: sudo usermod -aG $group $user, and log in again."
    fi
}

# True if /dev/kvm can be opened; otherwise prints the cure.
kvm_usable()
{
    local why
    if [[ ! -c /dev/kvm ]]; then
        kvm_missing
    elif [[ ! -r /dev/kvm || ! -w /dev/kvm ]]; then
        kvm_forbidden
    elif ! why=$( (: <>/dev/kvm) 2>&1); then
        case $why in
        *[Pp]erm*) kvm_forbidden ;;
        *)
            echo "/dev/kvm cannot be opened: ${why##*: }."
            echo "Its module may be missing: sudo modprobe kvm_intel or kvm_amd"
            ;;
        esac
    else
        return 0
    fi
    return 1
}
