# SPDX-License-Identifier: Apache-2.0
# Prints what the tests say as they say it, counts, and gives the verdict.
# shellcheck shell=bash

# shellcheck disable=SC2154  # run sets out and limit, machine.sh machine_state and _status

passed=0 failed=0 skipped=0

# How far the machine came: off, booted, ready (KVM is there) or done.
stage=off

# The program that runs, what it said last, and its own counts.
program='' last='nothing' counts=(0 0 0) closing=''

report_fail() # NAME WHY
{
    printf 'not ok %s - %s\n' "$1" "$2"
    failed=$((failed + 1))
}

report_begin() # PROGRAM
{
    program=$1 last='nothing' counts=(0 0 0) closing=''
    printf '# %s\n' "$program"
}

report_add_counts()
{
    passed=$((passed + counts[0]))
    failed=$((failed + counts[1]))
    skipped=$((skipped + counts[2]))
}

report_end() # STATUS
{
    local name=${program##*/}
    report_add_counts
    if [[ ! $closing && $1 == 137 ]]; then
        report_fail "$name" "test hung: $program, and was killed; it said last: $last"
    elif [[ ! $closing ]]; then
        report_fail "$name" "no closing line, exit status $1; it said last: $last"
    elif [[ $closing != "${counts[0]} passed, ${counts[1]} failed, ${counts[2]} skipped" ]]; then
        report_fail "$name" "printed other test lines than its closing line says: $closing"
    elif (($1 != 0 && counts[1] == 0)); then
        report_fail "$name" "exit status $1 although no test failed"
    fi
    program=''
}

# One line of init or of a test program; false if it is the last one.
report_line() # LINE
{
    case $1 in
    'nested: booted') stage=booted ;;
    'nested: ready') stage=ready ;;
    'nested: done')
        stage='done'
        return 1
        ;;
    'nested: failed '*) report_fail nested "${1#nested: failed }" ;;
    'nested: begin '*) report_begin "${1#nested: begin }" ;;
    'nested: end '*) report_end "${1#nested: end }" ;;
    'ok '*) report_test 0 "$1" ;;
    'not ok '*) report_test 1 "$1" ;;
    'skip '*) report_test 2 "$1" ;;
    *' passed, '*' failed, '*' skipped') closing=$1 ;;
    '') ;;
    *) printf '%s\n' "$1" ;;
    esac
}

report_test() # VERDICT LINE
{
    counts[$1]=$((counts[$1] + 1))
    last=$2
    printf '%s\n' "$2"
}

# The last lines of a file, marked so that none looks like a test line.
report_tail() # FILE
{
    if [[ -s $1 ]]; then
        printf '%s ends:\n' "$1"
        tail -n 40 "$1" | tr -d '\r' | sed 's/^/  | /'
    fi
}

# How the emulator ended, which nobody had asked it to.
report_emulator()
{
    local how="the emulator stopped with status $machine_status"
    if ((machine_status > 128)); then
        how+=", signal $(kill -l "$machine_status" || echo '?')"
    fi
    printf '%s\n' "$how"
}

# Says why the last line of init did not come.
report_machine()
{
    local how
    case $machine_state in
    panic) how='kernel panic' ;;
    stopped) how=$(report_emulator) ;;
    *) how="not done within $limit s" ;;
    esac
    case $stage in
    off) report_fail nested "the kernel never booted: $how" ;;
    booted) report_fail nested "the kvm module did not load: $how" ;;
    ready)
        report_add_counts
        [[ $machine_state != timeout ]] || how="test hung, $how"
        report_fail "${program##*/}" "$how: $program; it said last: $last"
        ;;
    esac
    report_tail "$out/console.txt"
    if [[ $stage == off || $machine_state == stopped ]]; then
        report_tail "$out/emulator.txt"
    fi
}

# Prints the sums; false if anything failed.
report_close()
{
    if [[ $stage != 'done' ]]; then
        report_machine
    elif ((passed + failed + skipped == 0)); then
        report_fail nested "no test ran"
    fi
    printf '%d passed, %d failed, %d skipped\n' "$passed" "$failed" "$skipped"
    ((failed == 0))
}
