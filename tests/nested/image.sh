# SPDX-License-Identifier: Apache-2.0
# Makes what the emulated machine boots: kernel, initramfs and, for Bochs, disk.
# shellcheck shell=bash
#
# In BUILD_DIR/nested/KIND: kernel.elf and modules/ from the newest kernel that
# is installed, initramfs, disk. Each is made anew only when what it is made of
# has changed.

# shellcheck disable=SC2154  # run sets here, build, out, tests, files, options, limit

memory_mib=1024

# Self-tests, signatures and write protection cost an emulated processor longer
# than everything else in the kernel's start.
command_line='console=ttyS0,115200 quiet panic=0 oops=panic mitigations=off'
command_line+=' cryptomgr.notests rodata=off initcall_blacklist=load_system_certificate_list'

declare -A kvm_module=([svm]=kvm-amd [vtx]=kvm-intel)
declare -A cpu_flag=([svm]=svm [vtx]=vmx)

# Versions of the installed kernels that have a module, the newest first.
kernel_versions() # MODULE
{
    local module version
    for module in /lib/modules/*/kernel/arch/x86/kvm/"$1".ko*; do
        version=${module#/lib/modules/}
        version=${version%%/*}
        if [[ -e /boot/vmlinuz-$version ]]; then
            printf '%s\n' "$version"
        fi
    done | sort -rVu
}

# Some distributions let only root read the kernel.
kernel_read() # FILE
{
    if [[ -r $1 ]]; then
        cat "$1"
    else
        sudo -n cat "$1" || die "cannot read $1: run as root, or: sudo chmod +r $1"
    fi
}

number_at() # FILE OFFSET BYTES
{
    od -An -v -j "$2" -N "$3" -t "u$3" "$1" | tr -d ' '
}

bytes_at() # FILE OFFSET BYTES
{
    dd if="$1" bs=1M iflag=skip_bytes,count_bytes skip="$2" count="$3" status=none
}

# Unpacks the ELF file inside a bzImage: Linux Documentation/arch/x86/boot.rst.
kernel_unpack() # FILE
{
    local start size
    start=$((($(number_at "$1" 0x1f1 1) + 1) * 512 + $(number_at "$1" 0x248 4)))
    size=$(number_at "$1" 0x24c 4)
    # The kernel's build puts the unpacked size behind all formats but gzip.
    case $(bytes_at "$1" "$start" 4 | od -An -v -t x1 | tr -d ' ') in
    fd377a58) bytes_at "$1" "$start" $((size - 4)) | xz -dc ;;
    28b52ffd) bytes_at "$1" "$start" $((size - 4)) | zstd -dcq ;;
    02214c18) bytes_at "$1" "$start" $((size - 4)) | lz4 -dcq ;;
    1f8b*) bytes_at "$1" "$start" "$size" | gzip -dcq ;;
    *) return 1 ;;
    esac
}

# The physical address in the ELF note for the PVH entry (type 18).
kernel_entry() # FILE
{
    local note='\x04\x00{3}\x08\x00{3}\x12\x00{3}Xen\x00' offset
    offset=$(LC_ALL=C grep -obUaPm 1 "$note" "$1" | head -n 1 | cut -d : -f 1)
    [[ $offset ]] && number_at "$1" $((offset + 16)) 4
}

# Stripping also drops signatures, and symbols that loading would look up.
module_unpack() # FILE TO
{
    case $1 in
    *.xz) xz -dc "$1" ;;
    *.zst) zstd -dcq "$1" ;;
    *.gz) gzip -dc "$1" ;;
    *) cat "$1" ;;
    esac >"$2"
    strip --strip-unneeded -R .BTF -R .comment -R '.orc_*' -R '.rela.orc_*' "$2"
}

# In modules/, numbered in the order in which they have to be loaded.
modules_unpack() # VERSION
{
    local action path n=10
    rm -rf "$out/modules"
    mkdir "$out/modules"
    while read -r action path _; do
        [[ $action == insmod ]] || continue
        module_unpack "$path" "$out/modules/$n-$(basename "${path%.ko*}").ko"
        n=$((n + 1))
    done < <(modprobe -C /dev/null -S "$1" --show-depends "${kvm_module[$kind]}")
    ((n > 10)) || die "modprobe finds no ${kvm_module[$kind]} of kernel $1"
}

# True if what the stamp file stands for was made from the same things.
unchanged() # STAMP TEXT
{
    [[ -f $1 && $(<"$1") == "$2" ]]
}

kernel_make()
{
    local version stamp
    version=$(kernel_versions "${kvm_module[$kind]}" | head -n 1)
    [[ $version ]] || die "no kernel in /boot has the module ${kvm_module[$kind]}"
    stamp="$version $(stat -c '%s %Y' "/boot/vmlinuz-$version") $(sha256sum <"$here/image.sh")"
    unchanged "$out/kernel.stamp" "$stamp" && return
    rm -f "$out"/*.stamp
    kernel_read "/boot/vmlinuz-$version" >"$out/vmlinuz"
    kernel_unpack "$out/vmlinuz" >"$out/kernel.elf" || die "cannot unpack /boot/vmlinuz-$version"
    kernel_entry "$out/kernel.elf" >"$out/kernel.entry" ||
        die "kernel $version has no PVH entry (CONFIG_PVH)"
    modules_unpack "$version"
    objcopy -O binary -R .init.scratch "$out/kernel.elf" "$out/kernel.bin"
    rm "$out/vmlinuz"
    printf '%s\n' "$stamp" >"$out/kernel.stamp"
}

static_program() # FILE
{
    readelf -lW "$1" 2>/dev/null | grep -q LOAD || die "$1 is not a program"
    ! readelf -lW "$1" | grep -q INTERP || die "$1 is not linked statically"
}

# What init reads: which tests, with which options.
plan_write() # FOLDER
{
    mkdir -p "$1"
    printf '%s\n' "${tests[@]}" >"$1/tests"
    printf '%s\n' "${options[@]}" >"$1/options"
    printf '%s\n' "${cpu_flag[$kind]}" >"$1/flag"
    # Half of all the time, so that one hanging program is told from a dead machine.
    printf '%s\n' $((limit > 1 ? limit / 2 : 1)) >"$1/seconds"
}

initramfs_make()
{
    local root=$out/root busybox=$1 path
    rm -rf "$root"
    mkdir -p "$root"/{bin,proc,sys,dev,tmp,work}
    cp "$busybox" "$root/bin/busybox"
    cp "$here/init" "$root/init"
    chmod 755 "$root/init" "$root/bin/busybox"
    cp -r "$out/modules" "$root/modules"
    plan_write "$root/plan"
    for path in "${files[@]}" "${tests[@]}"; do
        mkdir -p "$root/work/$(dirname "$path")"
        cp "$build/$path" "$root/work/$path"
    done
    for path in "${tests[@]}"; do
        strip --strip-debug "$root/work/$path"
    done
    (cd "$root" && find . -print0 | sort -z | cpio -o -0 -H newc -R 0:0 --quiet) >"$out/initramfs"
    rm -rf "$root"
}

sectors() # FILE
{
    echo $((($(stat -c %s "$1") + 511) / 512))
}

# See boot.S. The size is a multiple of the cylinders that Bochs makes up.
disk_make()
{
    local address
    address=$(readelf -lW "$out/kernel.elf" | awk '$1 == "LOAD" {print $4; exit}')
    gcc -c -o "$out/boot.o" "$here/boot.S" \
        -DPVH_ENTRY="$(<"$out/kernel.entry")" -DKERNEL_AT="$address" \
        -DKERNEL_SECTORS="$(sectors "$out/kernel.bin")" \
        -DINITRAMFS_SECTORS="$(sectors "$out/initramfs")" \
        -DINITRAMFS_SIZE="$(stat -c %s "$out/initramfs")" \
        -DMEMORY=$((memory_mib << 20)) -DCOMMAND_LINE="\"$command_line $machine_command_line\""
    objcopy -O binary -j .text "$out/boot.o" "$out/disk"
    cat "$out/kernel.bin" >>"$out/disk"
    truncate -s %512 "$out/disk"
    cat "$out/initramfs" >>"$out/disk"
    truncate -s %$((16 * 63 * 512)) "$out/disk"
}

image_make()
{
    local busybox stamp test
    busybox=$(command -v busybox) || die "no busybox"
    kernel_make
    stamp=$(
        cat "$out/kernel.stamp"
        declare -p tests files options limit
        cd "$build" && sha256sum -- "$busybox" "$here"/{init,boot.S,machine.sh} \
            "${tests[@]}" "${files[@]}"
    )
    unchanged "$out/image.stamp" "$stamp" && return
    rm -f "$out/image.stamp"
    for test in "$busybox" "${tests[@]/#/$build/}"; do
        static_program "$test"
    done
    initramfs_make "$busybox"
    if [[ $kind == vtx ]]; then
        disk_make
    fi
    printf '%s\n' "$stamp" >"$out/image.stamp"
}
