# SPDX-License-Identifier: Apache-2.0
# Installs the distribution packages a lane needs, and only the missing ones.
# shellcheck shell=bash

packages_core=(gcc libc6-dev cmake ninja-build)

package_installed() # PACKAGE
{
    dpkg-query -W -f='${db:Status-Status}\n' "$1" 2>/dev/null | grep -qx installed
}

# apt-get as root, without questions; its output is shown only if it fails.
apt_quietly() # ARGUMENT...
{
    local as_root=() log=build/log/packages.log
    if ((EUID != 0)); then
        command -v sudo >/dev/null || {
            say "root is needed to install packages: run once as root, or install sudo"
            return 1
        }
        as_root=(sudo)
    fi
    mkdir -p build/log
    "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get -q -y \
        -o DPkg::Lock::Timeout=300 "$@" </dev/null >"$log" 2>&1 && return
    tail -n 20 "$log" >&2
    return 1
}

# No network, and no root, when nothing is missing.
packages_need() # PACKAGE...
{
    local package missing=()
    if ! command -v apt-get >/dev/null; then
        say "no apt-get here: this needs what Debian calls $*"
        return 0
    fi
    for package; do
        package_installed "$package" || missing+=("$package")
    done
    ((${#missing[@]})) || return 0
    say "installing ${missing[*]}"
    # An unreachable extra repository does not matter if the packages are found.
    apt_quietly update || say "apt-get update failed; trying with the lists at hand"
    apt_quietly install --no-install-recommends "${missing[@]}" ||
        { say "could not install ${missing[*]}"; return 1; }
}

# clang's sanitizer and fuzzer libraries are named after its version.
packages_need_clang()
{
    local major
    packages_need "${packages_core[@]}" clang || return
    major=$(clang -dumpversion) || return
    packages_need "libclang-rt-${major%%.*}-dev"
}

packages_need_mingw()
{
    local package=gcc-mingw-w64-x86-64-win32 other=gcc-mingw-w64-x86-64-posix
    if package_installed "$other"; then
        package=$other
    fi
    packages_need "${packages_core[@]}" "$package"
}
