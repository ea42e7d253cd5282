# SPDX-License-Identifier: Apache-2.0
# bash completion for hyperlight(1): verbs, options, files, functions of a guest.
# shellcheck shell=bash
#
# Verbs and options are what --help prints. A guest chooses the names of its
# functions, and compgen expands its words like the shell does: so names of
# letters, digits and underscores alone.

_hyperlight_options() # COMMAND VERB
{
    "$1" "$2" --help 2>/dev/null | sed -nE 's/^  (-[-a-z]+).*/\1/p'
}

_hyperlight_functions() # COMMAND GUEST
{
    "$1" inspect "$2" 2>/dev/null |
        sed -nE '/^exports$/,/^imports$/s/^  [a-z0-9]+ ([A-Za-z0-9_]+)\(.*/\1/p'
}

_hyperlight_verbs() # COMMAND
{
    "$1" --help 2>/dev/null | sed -nE 's/^  ([a-z]+) .*/\1/p'
}

# Words behind the verb that are no options and no values of options. To bash,
# --heap=1M are three words. "rest" is the position from which on all is for the
# guest's function, 0 if that is not known yet; "plain" is 1 behind --.
_hyperlight_words()
{
    local i word
    words=() rest=0 plain=0
    for ((i = 2; i < COMP_CWORD && !rest; i++)); do
        word=${COMP_WORDS[i]}
        case $plain$word in
        0--) plain=1 ;;
        0--after) rest=$((i + 1)) ;;
        0--json | 0--raw | 0--time | 0--help | 0--avx | 0--allow-process) ;;
        0-?*)
            i=$((i + 1))
            [[ ${COMP_WORDS[i]-} != = ]] || i=$((i + 1))
            ;;
        *) words+=("$word") ;;
        esac
        [[ ${COMP_WORDS[1]} != call ]] || ((${#words[@]} < 2)) || rest=$((i + 1))
    done
}

# What may stand there, into "candidates"; nothing where a file may.
_hyperlight_candidates() # COMMAND CURRENT PREVIOUS
{
    local command=$1 current=$2 previous=$3 verb=${COMP_WORDS[1]}
    if ((rest)); then
        # Of call they begin behind the function's name, of snapshot with it.
        [[ $verb != snapshot || $COMP_CWORD != "$rest" ]] ||
            candidates=$(_hyperlight_functions "$command" "${words[0]-}")
        return
    fi
    case $previous in
    --hypervisor) candidates='any kvm process' ;;
    --log) candidates='off error warn info debug trace' ;;
    --repeat | --heap | --stack | --messages | --deadline) return 1 ;;
    -o | --init-data) ;;
    *)
        if [[ $current == -* ]] && ((!plain)); then
            candidates=$(_hyperlight_options "$command" "$verb")
        elif [[ $verb == call && ${#words[@]} == 1 ]]; then
            candidates=$(_hyperlight_functions "$command" "${words[0]}")
        fi
        ;;
    esac
}

_hyperlight()
{
    local command=$1 current=$2 previous=$3 verb=${COMP_WORDS[1]} words rest plain candidates=''
    COMPREPLY=()
    if ((COMP_CWORD == 1)); then
        candidates="$(_hyperlight_verbs "$command") help --help --version"
    elif [[ $verb == help && $COMP_CWORD == 2 ]]; then
        candidates=$(_hyperlight_verbs "$command")
    elif [[ " $(_hyperlight_verbs "$command" | tr '\n' ' ') " != *" $verb "* ]]; then
        return
    else
        if [[ $current == = ]]; then
            current=''
        elif [[ $previous == = ]]; then
            previous=${COMP_WORDS[COMP_CWORD - 2]}
        fi
        _hyperlight_words
        _hyperlight_candidates "$command" "$current" "$previous" || return 0
    fi
    if [[ $candidates ]]; then
        mapfile -t COMPREPLY < <(compgen -W "$candidates" -- "$current")
    elif [[ $verb != new && $verb != doctor ]]; then
        mapfile -t COMPREPLY < <(compgen -f -- "${current#@}")
        [[ $current != @* ]] || COMPREPLY=("${COMPREPLY[@]/#/@}")
    fi
}

complete -o filenames -F _hyperlight hyperlight
