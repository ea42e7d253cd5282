# SPDX-License-Identifier: Apache-2.0
# Runs test programs and adds up what they report.
# shellcheck shell=bash
#
# A test program prints "ok NAME", "not ok NAME - why" or "skip NAME - why" for
# each test and ends with "N passed, N failed, N skipped".

passed=0 failed=0 skipped=0
failures=()
running=() # what to end when this is interrupted

# For INT, TERM and HUP. Below timeout, in a process group of its own, a program
# does not see Ctrl-C, and bash would go on with the next one.
tally_stop()
{
    trap '' INT TERM HUP
    ((${#running[@]} == 0)) || kill "${running[@]}" 2>/dev/null || true
    exit 130
}

tally_pass() # WHAT
{
    passed=$((passed + 1))
    printf '%s\n' "$1"
}

tally_fail() # WHAT
{
    failed=$((failed + 1))
    failures+=("$1")
    printf '  not ok %s\n' "$1"
}

# Adds the counts of one program's output; false if it has no closing line.
tally_add() # LABEL OUTPUT
{
    local label=$1 output=$2 line
    line=$(tail -n 1 "$output")
    [[ $line =~ ^([0-9]+)\ passed,\ ([0-9]+)\ failed,\ ([0-9]+)\ skipped$ ]] || return 1
    passed=$((passed + BASH_REMATCH[1]))
    failed=$((failed + BASH_REMATCH[2]))
    skipped=$((skipped + BASH_REMATCH[3]))
    last_failed=${BASH_REMATCH[2]}
    while IFS= read -r line; do
        failures+=("$label: ${line#not ok }")
    done < <(grep '^not ok ' "$output")
}

# The skip reasons of one program, each once with its number of tests.
tally_skips() # OUTPUT
{
    sed -n 's/^skip [^ ]* - //p' "$1" | sort | uniq -c |
        while read -r count why; do printf '  %s skipped: %s\n' "$count" "$why"; done
}

# Runs one test program, prints a line for it and adds up its counts. Output
# goes to build/log; what it says beyond its test lines is shown if it failed.
tally_run() # LABEL COMMAND...
{
    local label=$1 status=0 start=$SECONDS output last_failed=0
    local limit=${HL_TEST_TIMEOUT:-1200} why
    shift
    output=build/log/test-${label//[ \/]/-}.log
    mkdir -p build/log
    # The outer redirection hides what bash itself says of a death by signal. In
    # the background, so that bash sees signals meanwhile; there it ignores two.
    {
        env --default-signal=INT,QUIT timeout -k 10 "$limit" "$@" </dev/null >"$output" 2>&1 &
        running+=($!)
        wait $! || status=$?
        unset 'running[-1]'
    } 2>/dev/null
    if ! tally_add "$label" "$output"; then
        why="no closing line, exit status $status"
        ((status != 124)) || why="not done after $limit s"
        printf '%s\n' "$label"
        tail -n 30 "$output"
        tally_fail "$label: $why ($output)"
        return
    fi
    printf '%-32s %s  (%d s)\n' "$label" "$(tail -n 1 "$output")" $((SECONDS - start))
    tally_skips "$output"
    if ((last_failed)); then
        grep -Ev '^(ok|skip) ' "$output" | sed '$d' | head -n 200
    elif ((status)); then
        tail -n 30 "$output"
        tally_fail "$label: all tests passed but exit status $status ($output)"
    fi
}

# The programs in a folder, one path a line.
tally_programs() # FOLDER
{
    find "$1" -maxdepth 1 -type f -executable 2>/dev/null | sort
}

# Runs the programs of a folder whose names match a pattern, behind a prefix
# command. A folder without any is a failure: tests do not vanish silently.
tally_folder() # LABEL FOLDER PATTERN PREFIX...
{
    local label=$1 folder=$2 pattern=$3 program found=0
    shift 3
    for program in $(tally_programs "$folder"); do
        [[ ${program##*/} =~ $pattern ]] || continue
        found=1
        tally_run "$label ${program#build/*/tests/}" "$@" "$program"
    done
    ((found)) || tally_fail "$label: no test programs in $folder"
}

tally_close()
{
    local line
    ((${#failures[@]} == 0)) || printf '\nFailed:\n'
    for line in "${failures[@]}"; do
        printf '  %s\n' "$line"
    done
    printf '\n%d passed, %d failed, %d skipped\n' "$passed" "$failed" "$skipped"
    ((failed == 0))
}
