# SPDX-License-Identifier: Apache-2.0
# Configures and builds one tree below build/, quietly unless it fails.
# shellcheck shell=bash

build_failed() # TREE
{
    local log=build/log/build-$1.log
    say "build/$1 does not build (all of it in $log):"
    grep -v '^\[[0-9]*/[0-9]*\] Building' "$log" | tail -n 60 >&2
    return 1
}

# Configures anew only when the options differ from the last time, or the tree
# was elsewhere; later changes of CMakeLists.txt are noticed by the build itself.
build_configure() # TREE OPTION...
{
    local name=$1 tree=build/$1
    shift
    if [[ -f $tree/build.ninja && $(cat "$tree/options" 2>/dev/null) == "$PWD $*" ]]; then
        return 0
    fi
    rm -rf "$tree"
    mkdir -p "$tree" build/log
    cmake -S . -B "$tree" -G Ninja -DCMAKE_COMPILE_WARNING_AS_ERROR=ON "$@" \
        >"build/log/build-$name.log" 2>&1 || { build_failed "$name"; return; }
    printf '%s' "$PWD $*" >"$tree/options"
}

# Builds TARGET ("all" for everything) in build/TREE.
build() # TREE TARGET OPTION...
{
    local tree=$1 target=$2
    shift 2
    build_configure "$tree" "$@" || return
    cmake --build "build/$tree" --target "$target" >"build/log/build-$tree.log" 2>&1 ||
        { build_failed "$tree"; return; }
    # Programs whose source has gone would otherwise still be run.
    ninja -C "build/$tree" -t cleandead >/dev/null || true
}

build_gcc() # TARGET
{
    packages_need "${packages_core[@]}" &&
        build gcc "$1" -DCMAKE_BUILD_TYPE=RelWithDebInfo -DCMAKE_C_COMPILER=gcc
}

# Installs what build/gcc holds; $DESTDIR counts, as always.
build_install() # PREFIX
{
    local log=build/log/install.log
    if cmake --install build/gcc --prefix "$1" --strip >"$log" 2>&1; then
        # The system's own folders: the linker's cache names libraries.
        [[ ${DESTDIR-} || $EUID != 0 || ! $1 =~ ^/usr(/local)?$ ]] || ldconfig
        return 0
    fi
    tail -n 3 "$log" >&2
    say "cannot install in $1; not yours? sudo ./dev install $1"
    return 1
}

# Makes the Debian package of build/gcc.
build_package()
{
    local log=build/log/package.log
    if (cd build/gcc && cpack -G DEB -B "$OLDPWD/build") >"$log" 2>&1; then
        say "$(echo build/hyperlight_*.deb)"
        return 0
    fi
    tail -n 20 "$log" >&2
    return 1
}
