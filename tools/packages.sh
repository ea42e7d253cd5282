# SPDX-License-Identifier: Apache-2.0
# Installs the distribution packages a lane needs, and only the missing ones.
# shellcheck shell=bash

packages_core=(gcc libc6-dev cmake ninja-build)

# Lists here and in the lanes have the names of Debian and Ubuntu. On systems with
# dnf (Fedora, RHEL and its kin) or tdnf (Azure Linux) these are other ones:
declare -A packages_rpm=(
    [libc6-dev]=glibc-devel [g++]=gcc-c++ [pkgconf]=pkgconf-pkg-config [shellcheck]=ShellCheck
    [clang-format-14]=clang-tools-extra [clang-tidy-14]=clang-tools-extra
    [gcc-mingw-w64-x86-64-win32]=mingw64-gcc [gcc-mingw-w64-x86-64-posix]=mingw64-gcc)
# These are there by the same name; what is in neither list, Debian alone has.
packages_rpm_same=' gcc cmake ninja-build python3 clang cppcheck make binutils mandoc'
packages_rpm_same+=' dpkg-dev file '
packages_rpm_same+='doxygen '

# apt, dnf, tdnf, or nothing.
packages_manager()
{
    local name
    for name in apt-get dnf tdnf; do
        ! command -v "$name" >/dev/null || { echo "${name%-get}"; return; }
    done
}

# What this system calls a package of Debian; fails if it has none.
package_name() # MANAGER PACKAGE
{
    if [[ $1 == apt ]]; then
        echo "$2"
    elif [[ $2 == libclang-rt-*-dev ]]; then
        echo compiler-rt
    elif [[ ${packages_rpm[$2]-} ]]; then
        echo "${packages_rpm[$2]}"
    else
        [[ $packages_rpm_same == *" $2 "* ]] && echo "$2"
    fi
}

package_installed() # MANAGER PACKAGE
{
    if [[ $1 == apt ]]; then
        dpkg-query -W -f='${db:Status-Status}\n' "$2" 2>/dev/null | grep -qx installed
    else
        rpm -q --whatprovides "$2" >/dev/null 2>&1
    fi
}

# A command as root, without questions; its output is shown only if it fails.
as_root_quietly() # COMMAND...
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
    "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive "$@" </dev/null >"$log" 2>&1 && return
    tail -n 20 "$log" >&2
    return 1
}

packages_install() # MANAGER PACKAGE...
{
    local manager=$1 apt=(apt-get -q -y -o DPkg::Lock::Timeout=300)
    shift
    if [[ $manager != apt ]]; then
        as_root_quietly "$manager" -q -y install "$@"
        return
    fi
    # An unreachable extra repository does not matter if the packages are found.
    as_root_quietly "${apt[@]}" update ||
        say "apt-get update failed; trying with the lists at hand"
    as_root_quietly "${apt[@]}" install --no-install-recommends "$@"
}

# No network, and no root, when nothing is missing. HL_PACKAGES=present: it is
# said that all is there.
packages_need() # PACKAGE...
{
    local package name manager missing=()
    [[ ${HL_PACKAGES-} != present ]] || return 0
    manager=$(packages_manager)
    if [[ -z $manager ]]; then
        say "no package manager that is known here (apt-get, dnf, tdnf). Install what Debian calls"
        say "    $*"
        say "by other means, then: HL_PACKAGES=present ./dev ..."
        return 1
    fi
    for package; do
        name=$(package_name "$manager" "$package") || {
            say "$package is a package of Debian and Ubuntu; $manager has none like it"
            return 1
        }
        package_installed "$manager" "$name" || missing+=("$name")
    done
    ((${#missing[@]})) || return 0
    say "installing ${missing[*]}"
    packages_install "$manager" "${missing[@]}" || {
        say "could not install ${missing[*]}"
        return 1
    }
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
    if [[ $(packages_manager) == apt ]] && package_installed apt "$other"; then
        package=$other
    fi
    packages_need "${packages_core[@]}" "$package"
}
