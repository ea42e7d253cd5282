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

# Words behind the verb that are no options and no values of options. To bash,
# --heap=1M are three words.
_hyperlight_words()
{
    local i word
    words=()
    for ((i = 2; i < COMP_CWORD; i++)); do
        word=${COMP_WORDS[i]}
        case $word in
        --json | --raw | --time | --help | --after | --allow-process) ;;
        -*)
            i=$((i + 1))
            [[ ${COMP_WORDS[i]-} != = ]] || i=$((i + 1))
            ;;
        *) words+=("$word") ;;
        esac
    done
}

_hyperlight()
{
    local command=$1 current=$2 previous=$3 verb=${COMP_WORDS[1]} words candidates=''
    COMPREPLY=()
    if ((COMP_CWORD == 1)); then
        candidates=$("$command" --help | sed -nE 's/^  ([a-z]+) .*/\1/p')
        mapfile -t COMPREPLY < <(compgen -W "$candidates --help --version" -- "$current")
        return
    fi
    _hyperlight_words
    if [[ $current == = ]]; then
        current=''
    elif [[ $previous == = ]]; then
        previous=${COMP_WORDS[COMP_CWORD - 2]}
    fi
    case $previous in
    --hypervisor) candidates='any kvm process' ;;
    --log) candidates='off error warn info debug trace' ;;
    --after) candidates=$(_hyperlight_functions "$command" "${words[0]-}") ;;
    --repeat | --heap | --stack | --messages | --deadline) return ;;
    -o | --init-data) ;;
    *)
        if [[ $current == -* ]]; then
            candidates=$(_hyperlight_options "$command" "$verb")
        elif [[ $verb == call && ${#words[@]} == 1 ]]; then
            candidates=$(_hyperlight_functions "$command" "${words[0]}")
        fi
        ;;
    esac
    if [[ $candidates ]]; then
        mapfile -t COMPREPLY < <(compgen -W "$candidates" -- "$current")
    elif [[ $verb != new && $verb != doctor ]]; then
        mapfile -t COMPREPLY < <(compgen -f -- "${current#@}")
        [[ $current != @* ]] || COMPREPLY=("${COMPREPLY[@]/#/@}")
    fi
}

complete -o filenames -F _hyperlight hyperlight
