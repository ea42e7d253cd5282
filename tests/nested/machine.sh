# SPDX-License-Identifier: Apache-2.0
# Starts an emulated machine, listens to its serial ports and stops it.
# shellcheck shell=bash
#
# In BUILD_DIR/nested/KIND: console.txt (the kernel), tests.txt (what init and
# the tests write) and emulator.txt (what the emulator itself says).

# shellcheck disable=SC2034,SC2154  # shared with run, image.sh and report.sh

machine=''

# How the machine is left: running, stopped, panic or timeout; stopped by
# itself, with this status.
machine_state=running machine_status=0

# Only Bochs needs these: what the kernel would measure there is wrong or slow.
machine_command_line='nosmp tsc=reliable lpj=1000000'

machine_start_svm()
{
    : >"$out/console.txt"
    : >"$out/tests.txt"
    qemu-system-x86_64 -accel tcg -cpu max,+svm -m "$memory_mib" -nodefaults -display none \
        -no-reboot -serial "file:$out/console.txt" -serial "file:$out/tests.txt" \
        -kernel "$out/kernel.elf" -initrd "$out/initramfs" -append "$command_line" \
        </dev/null >"$out/emulator.txt" 2>&1 &
    machine=$!
}

# The model is one whose XSAVE sizes the kernel believes. At this number of
# instructions per second, time inside passes at about a third of ours, unless
# the processor idles; time-outs of the tests are that much more generous.
# Bochs 2.7 holds interrupts back while a guest runs with RFLAGS.IF clear, so a
# guest that spins like that is never left again.
bochs_configuration()
{
    cat <<END
display_library: rfb, options="timeout=0"
plugin_ctrl: unmapped=0, biosdev=1, speaker=0, extfpuirq=0, parallel=0
sound: waveoutdrv=dummy, waveindrv=dummy, midioutdrv=dummy
cpu: model=corei7_haswell_4770, count=1, ips=100000000, reset_on_triple_fault=0
clock: sync=none
memory: guest=$memory_mib, host=$memory_mib
romimage: file=/usr/share/bochs/BIOS-bochs-latest
vgaromimage: file=/usr/share/bochs/VGABIOS-lgpl-latest
log: bochs.log
ata0-master: type=disk, mode=flat, path=disk
boot: disk
com1: enabled=1, mode=file, dev=console.txt
com2: enabled=1, mode=file, dev=tests.txt
END
}

# Distributions build Bochs with its debugger, which waits for a "continue".
machine_start_vtx()
{
    rm -f "$out/disk.lock"
    : >"$out/console.txt"
    : >"$out/tests.txt"
    bochs_configuration >"$out/bochsrc"
    echo c >"$out/bochs.commands"
    (
        cd "$out" || exit
        exec bochs -q -f bochsrc -rc bochs.commands
    ) </dev/null >"$out/emulator.txt" 2>&1 &
    machine=$!
}

machine_stop()
{
    [[ $machine ]] || return 0
    kill -KILL "$machine" 2>/dev/null || true
    wait "$machine" 2>/dev/null || true
    machine=''
}

# Hands each line of tests.txt to report_line until that says it was the last.
machine_listen()
{
    local line part='' deadline=$((SECONDS + limit)) feed
    exec {feed}< <(exec tail -n +1 -f -s 0.2 --pid="$machine" "$out/tests.txt")
    while ((SECONDS < deadline)); do
        if IFS= read -r -t 2 -u "$feed" line; then
            report_line "$part${line%$'\r'}" || return 0
            part=''
        elif (($? <= 128)); then
            machine_state=stopped
            wait "$machine" || machine_status=$?
            machine=''
            return 0
        else
            part+=$line
        fi
        if grep -q 'Kernel panic' "$out/console.txt"; then
            machine_state=panic
            return 0
        fi
    done
    machine_state=timeout
}
