#!/bin/sh
# completion.sh bash|zsh|fish - completion of `entropy` for a shell: commands, options and names, asked of the program itself.
#
# What may complete the last of some words is found by one function for all shells, which each one's file carries.
set -eu

words() {
    cat <<'END'
_entropy_names() { entropy list "$1" --json 2>/dev/null | sed -n 's/^{"name":"\([^"]*\)".*/\1/p'; }

# Prints what the last of the words may be, a line each; status 3: or a file.
_entropy_words()
{
    local command="${2-}" before= word= next
    for next; do before=$word word=$next; done
    if [ $# -lt 3 ]; then
        entropy --help 2>/dev/null | sed -n '/^Commands:/,/^$/s/^  \([a-z][a-z]*\) .*/\1/p'
    elif [ "${word#-}" != "$word" ]; then
        entropy "$command" --help 2>/dev/null | grep -o -e '^ \+\(-., \)\?--[a-z-]*' | grep -o -e '--[a-z-]*'
    elif [ "$command" = list ]; then
        ARGP_HELP_FMT=rmargin=9999 entropy list --help 2>/dev/null | sed -n 's/^Usage: .* //p' | tr '|' '\n'
    else
        case $before in
            -c | --codec) _entropy_names codecs ;;
            --target) _entropy_names targets; return 3 ;;
            -e | --estimator) echo all; _entropy_names estimators ;;
            --context) _entropy_names contexts ;;
            --dtype) _entropy_names formats ;;
            --with) _entropy_names systems; _entropy_names transforms ;;
            *) _entropy_names datasets; return 3 ;;
        esac
    fi
}
END
}

case ${1-} in
bash)
    words
    cat <<'END'

_entropy()
{
    local list files= word=${COMP_WORDS[COMP_CWORD]}
    list=$(_entropy_words "${COMP_WORDS[@]:0:COMP_CWORD+1}")
    [ $? -ne 3 ] || files=1
    mapfile -t COMPREPLY < <(compgen -W "$list" -- "$word"; [ -z "$files" ] || compgen -f -- "$word")
}
complete -o filenames -F _entropy entropy
END
    ;;
zsh)
    echo '#compdef entropy'
    words
    cat <<'END'

_entropy()
{
    local list files
    list=$(_entropy_words "${(@)words[1,CURRENT]}")
    files=$?
    compadd -- ${(f)list}
    [ $files -ne 3 ] || _files
}
if [ "$funcstack[1]" = _entropy ]; then _entropy "$@"; else compdef _entropy entropy; fi
END
    ;;
fish)
    echo 'function __entropy_complete'
    echo "    sh -c '"
    words | sed "s/[\\\\']/\\\\&/g"
    cat <<'END'
_entropy_words "$@"' sh (commandline -opc) (commandline -ct)
    test $status -ne 3; or __fish_complete_path (commandline -ct)
end
complete -c entropy -f -a '(__entropy_complete)'
END
    ;;
*)
    echo "completion.sh: for which shell? bash, zsh or fish" >&2
    exit 2
    ;;
esac
