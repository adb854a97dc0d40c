# Completion of `entropy` in bash: commands, options and names, asked of the program itself.
_entropy_names() { entropy list "$1" --json 2>/dev/null | sed -n 's/^{"name":"\([^"]*\)".*/\1/p'; }

_entropy()
{
    local word=${COMP_WORDS[COMP_CWORD]} before=${COMP_WORDS[COMP_CWORD - 1]} command=${COMP_WORDS[1]} list files=
    if [ "$COMP_CWORD" -eq 1 ]; then
        list=$(entropy --help 2>/dev/null | sed -n '/^Commands:/,/^$/s/^  \([a-z][a-z]*\) .*/\1/p')
    elif [ "${word#-}" != "$word" ]; then
        list=$(entropy "$command" --help 2>/dev/null | grep -o -- '^ \+\(-., \)\?--[a-z-]*' | grep -o -- '--[a-z-]*')
    elif [ "$command" = list ]; then
        list=$(ARGP_HELP_FMT=rmargin=9999 entropy list --help 2>/dev/null | sed -n 's/^Usage: .* //p' | tr '|' ' ')
    else
        case $before in
            -c | --codec) list=$(_entropy_names codecs) ;;
            --target) list=$(_entropy_names targets) files=1 ;;
            -e | --estimator) list="all $(_entropy_names estimators)" ;;
            --context) list=$(_entropy_names contexts) ;;
            --dtype) list=$(_entropy_names formats) ;;
            --with) list="$(_entropy_names systems) $(_entropy_names transforms)" ;;
            *) list=$(_entropy_names datasets) files=1 ;;
        esac
    fi
    mapfile -t COMPREPLY < <(compgen -W "$list" -- "$word"; [ -z "$files" ] || compgen -f -- "$word")
}
complete -o filenames -F _entropy entropy
