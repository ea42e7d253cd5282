# SPDX-License-Identifier: Apache-2.0
# The test lanes: one function each, which installs, builds and runs.
# shellcheck shell=bash
#
# A lane adds to the tally; where it cannot even build it returns non-zero,
# which counts as one failed test. To add a lane: write lane_NAME here and put
# NAME into lanes_ci.

lanes_lint=(lint analyse headers exported)
lanes_ci=("${lanes_lint[@]}" manual blocks gcc install clang asan tsan mingw coverage fuzz confined)
# Beside these: emulated machines need one processor, and ten minutes of it.
lanes_nested=(svm vtx)

# What the slow emulated VT-x machine runs: VM tests, all but what takes more than
# half a minute there to repeat one thing many times, and files; and of the tests
# with a look inside those of tenants who follow each other.
vtx_selection=(--skip cancel_storm --skip 64_sandboxes --skip leaves_nothing
    --skip snapfile --skip sweep --skip life_with_random --skip clones)

# And AMD-V: the long model tests with the dirty ring alone. QEMU keeps the last
# x87 pointers of whatever ran there before, kernel included, through an xrstor:
# two fresh machines differ in them, so that one test cannot tell. One that saves
# all its memory needs more of it than that machine has. And QEMU 7.2 itself dies
# of some instruction among all of them.
svm_selection=(--skip writes_log --skip many_snapshots_log --skip memory_back_log
    --skip tenant_create_after_another --skip snapfile_keeps_all_memory
    --skip sweep_instructions)

# On both not in every run, because they make thousands of attempts; --full has
# them.
nested_quick=(--skip sweep_ --skip clones_ --skip life_ --skip crowd --skip map_many)
nested_seconds=1200

fuzz_seconds=5 fuzz_target=

# What fuzzing has found worth keeping, through the targets as plain programs.
replay_corpora() # TREE PREFIX...
{
    local tree=$1 corpus
    for corpus in fuzz/corpus/*; do
        tally_run "$tree fuzz/${corpus##*/}" "${@:2}" "build/$tree/fuzz/fuzz_${corpus##*/}" \
            "$corpus"
    done
}

# The tests of build/TREE whose names fit the pattern.
run_tests() # TREE [PATTERN PREFIX...]
{
    local tree=$1 pattern=${2-}
    tally_folder "$tree" "build/$tree/tests/unit" "$pattern" "${@:3}"
    tally_folder "$tree" "build/$tree/tests/vm" "$pattern" "${@:3}"
    # Python reads the JSON that the command writes.
    [[ $pattern ]] || { packages_need python3 &&
        tally_folder "$tree" "build/$tree/tests/cli" '' "${@:3}"; }
    [[ $pattern ]] || tally_folder "$tree" "build/$tree/tests/whitebox" '' "${@:3}"
    [[ $pattern ]] || tally_folder "$tree" "build/$tree/tests/process" '' "${@:3}"
    [[ $pattern ]] || replay_corpora "$tree" "${@:3}"
}

# The VM tests again, on the process backend; and of the command's what runs guests.
run_process_tests() # TREE [PREFIX...]
{
    HL_TEST_HYPERVISOR=process tally_folder "$1@process" "build/$1/tests/vm" '' "${@:2}"
    HL_TEST_HYPERVISOR=process tally_folder "$1@process" "build/$1/tests/cli" 'call|snapshot' \
        "${@:2}"
}

# And on a KVM that has no dirty ring: the tests in which that matters. --full: all.
log_pattern='behaviour|clones|create|map|save|smoke|snapshot'
run_log_tests() # TREE
{
    HL_TEST_HYPERVISOR=log tally_folder "$1@log" "build/$1/tests/vm" "$log_pattern"
}

lane_lint()
{
    packages_need python3 clang-format-14 shellcheck || return
    tally_run lint tools/lint
    tally_run "lint packages" tools/test-packages
    tally_run "lint lanes" tools/test-lanes
    tally_run "lint dev" tools/test-dev
}

# Only configured, not built. No NDEBUG: assertions tell the tools what holds.
lane_analyse()
{
    packages_need_clang && packages_need python3 clang-tidy-14 cppcheck &&
        build_configure tidy -DCMAKE_BUILD_TYPE=Debug -DCMAKE_C_COMPILER=clang \
            -DCMAKE_EXPORT_COMPILE_COMMANDS=ON || return
    # New sources are in the list only once it is configured anew.
    cmake build/tidy >/dev/null && tally_run analyse tools/analyse build/tidy
}

lane_exported()
{
    build_gcc all && tally_run exported tools/exported build/gcc
}

lane_gcc()
{
    build_gcc all || return
    run_tests gcc
    run_process_tests gcc
    run_log_tests gcc
    tally_run "gcc sizes" tools/sizes build/gcc
}

# What is installed, as strangers use it.
lane_install()
{
    packages_need "${packages_core[@]}" g++ make pkgconf mandoc dpkg-dev file \
        binutils &&
        build_gcc product || return
    tally_run install tests/install/run
}

lane_clang()
{
    packages_need_clang &&
        build clang all -DCMAKE_BUILD_TYPE=RelWithDebInfo -DCMAKE_C_COMPILER=clang || return
    run_tests clang
}

sanitizer_flags=(-DCMAKE_BUILD_TYPE=Debug "-DCMAKE_C_FLAGS_DEBUG=-O1 -g -fno-omit-frame-pointer"
    -DCMAKE_C_COMPILER=gcc)

# Sanitizers of older compilers do not know today's address randomisation.
run_sanitized() # TREE PATTERN ENVIRONMENT...
{
    local tree=$1 pattern=$2 unslid=()
    shift 2
    ! setarch -R true 2>/dev/null || unslid=(setarch -R)
    run_tests "$tree" "$pattern" env "$@" "${unslid[@]}"
    [[ $pattern ]] || run_process_tests "$tree" env "$@" "${unslid[@]}"
}

lane_asan()
{
    local asan=detect_leaks=1:detect_stack_use_after_return=1:strict_string_checks=1
    packages_need "${packages_core[@]}" &&
        build asan all "${sanitizer_flags[@]}" -DHL_SANITIZE=address || return
    run_sanitized asan '' ASAN_OPTIONS=$asan UBSAN_OPTIONS=halt_on_error=1:print_stacktrace=1
}

lane_tsan()
{
    packages_need "${packages_core[@]}" &&
        build tsan all "${sanitizer_flags[@]}" -DHL_SANITIZE=thread || return
    # Only what has threads.
    local threaded='thread|snapshot|idle_vms|pages|cancel|signals|print|stop|deadline|interrupt'
    # Forked children of programs with threads start threads of their own.
    run_sanitized tsan "$threaded|single_fetch" \
        TSAN_OPTIONS=halt_on_error=1:second_deadlock_stack=1:die_after_fork=0
}

# Compiles what will run on Windows; there is nothing to link or run yet.
lane_mingw()
{
    packages_need_mingw &&
        build mingw hl_portable -DCMAKE_BUILD_TYPE=RelWithDebInfo \
            -DCMAKE_TOOLCHAIN_FILE="$PWD/tools/mingw.cmake" || return
    tally_pass "mingw: hl_portable compiles"
}

lane_fuzz()
{
    packages_need_clang &&
        build fuzz fuzz/all -DCMAKE_BUILD_TYPE=RelWithDebInfo -DCMAKE_C_COMPILER=clang \
            -DHL_FUZZ=ON -DHL_SANITIZE=address || return
    tally_run fuzz tools/fuzz build/fuzz/fuzz "$fuzz_seconds" ${fuzz_target:+"$fuzz_target"}
}

# Lines that unit tests, guests in processes and corpora run, with no hypervisor.
# Left out is what takes long, or all descriptors, and runs no line that the
# others do not.
coverage_folders='unit process'
coverage_skip='single_fetch|deadline|stop|threads|idle_vms|guest_libc|escape|limits'

lane_coverage()
{
    local folder program
    packages_need "${packages_core[@]}" python3 &&
        build coverage all -DCMAKE_BUILD_TYPE=Debug -DCMAKE_C_COMPILER=gcc \
            -DHL_SANITIZE=coverage || return
    find build/coverage -name '*.gcda' -delete
    for folder in $coverage_folders; do
        for program in $(tally_programs "build/coverage/tests/$folder"); do
            [[ ${program##*/} =~ $coverage_skip ]] ||
                tally_run "coverage ${program#build/*/tests/}" "$program"
        done
    done
    replay_corpora coverage
    tally_run coverage tools/coverage build/coverage
}

# The reference manual, made of the headers' comments.
lane_manual()
{
    packages_need doxygen python3 || return
    mkdir -p build/docs build/log
    if doxygen tools/Doxyfile >build/log/doxygen.log 2>&1; then
        tally_pass "manual: doxygen has nothing to say"
    else
        head -n 20 build/log/doxygen.log
        tally_fail "manual: doxygen (build/log/doxygen.log)"
    fi
}

# Every code block of the documents, compiled or run.
lane_blocks()
{
    packages_need "${packages_core[@]}" g++ make pkgconf python3 && build_gcc product &&
        build_install "$PWD/build/doc-blocks" || return
    tally_run blocks tools/doc-blocks "$PWD/build/doc-blocks"
}

lane_headers()
{
    packages_need gcc g++ libc6-dev clang || return
    tally_run headers tools/headers
}

# What emulated machines need, and the programs that they run.
prepare_nested() # svm|vtx
{
    local names
    names=$(tests/nested/run packages "$1") || return
    # shellcheck disable=SC2086  # a list of words
    packages_need "${packages_core[@]}" $names &&
        build static all -DCMAKE_BUILD_TYPE=RelWithDebInfo -DCMAKE_C_COMPILER=gcc -DHL_STATIC=ON
}

# VM tests under the real kvm_amd or kvm_intel on an emulated processor.
run_nested() # svm|vtx "FOLDERS" OPTION...
{
    local kind=$1 folders=$2 guest folder programs files
    shift 2
    prepare_nested "$kind" || return
    mapfile -t programs < <(for folder in $folders; do
        tally_programs "build/static/tests/$folder"
    done)
    files=()
    for guest in build/static/guests/*; do
        files+=(--file "$guest")
    done
    tally_run "nested $kind" tests/nested/run "$kind" build/static "${programs[@]}" \
        "${files[@]}" "$@"
}

lane_svm()
{
    run_nested svm 'vm whitebox' --timeout "$nested_seconds" "${svm_selection[@]}" \
        "${nested_quick[@]}"
}

lane_vtx()
{
    run_nested vtx vm build/static/tests/whitebox/test_tenant --timeout "$nested_seconds" \
        "${vtx_selection[@]}" "${nested_quick[@]}"
}

# Guests in processes where little is allowed: each way of tests/process/confine.c.
# What differs there shows in these programs; --full runs all.
confined_pattern='behaviour|callback|create|smoke|snapshot|thread|cancel'

lane_confined()
{
    local how
    build_gcc all || return
    for how in user container namespaces; do
        HL_TEST_HYPERVISOR=process tally_folder "gcc@process $how" build/gcc/tests/vm \
            "$confined_pattern" build/gcc/tests/confine "$how"
    done
}

# Not part of lanes_ci: builds the tree some ninety times.
lane_mutate()
{
    packages_need "${packages_core[@]}" python3 || return
    tally_run "mutate-scrub" tools/mutate-scrub
}

# Runs one lane and prints its line.
lane_run() # NAME
{
    local name=$1 start=$SECONDS p=$passed f=$failed s=$skipped spent
    printf '\n== %s\n' "$name"
    "lane_$name" || tally_fail "lane $name: did not build"
    spent=$((SECONDS - start))
    printf 'lane %s: %d passed, %d failed, %d skipped, %d.%d min\n' "$name" \
        $((passed - p)) $((failed - f)) $((skipped - s)) $((spent / 60)) $((spent % 60 / 6))
}

# Runs nested lanes while others run; nothing is installed or built meanwhile.
aside_begin() # LANE...
{
    local lane
    aside=
    for lane; do
        prepare_nested "$lane" || tally_fail "lane $lane: did not build"
    done
    (($#)) || return 0
    mkdir -p build/log
    (
        trap tally_stop TERM
        passed=0 failed=0 skipped=0 failures=()
        for lane; do
            lane_run "$lane"
        done
        tally_close
    ) >build/log/aside.log 2>&1 &
    aside=$!
    running+=("$aside")
}

# Waits for them, and adds what they came to.
aside_end()
{
    [[ $aside ]] || return 0
    wait "$aside" || true
    running=()
    sed '$d' build/log/aside.log
    tally_add aside build/log/aside.log || tally_fail "nested lanes: see build/log/aside.log"
}
