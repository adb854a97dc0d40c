# Completion of `entropy` in bash: commands, options and names, asked of the program itself.
_entropy()
{
    local word=${COMP_WORDS[COMP_CWORD]} before=${COMP_WORDS[COMP_CWORD - 1]} command=${COMP_WORDS[1]} list
    if [ "$COMP_CWORD" -eq 1 ]; then
        list=$(entropy --help 2>/dev/null | sed -n '/^Commands:/,/^$/s/^  \([a-z][a-z]*\) .*/\1/p')
    elif [ "$command" = list ]; then
        list=$(entropy list 2>/dev/null | awk '{ print $1 }')
    elif [ "${word#-}" != "$word" ]; then
        list=$(entropy "$command" --help 2>/dev/null | grep -o -- '^ \+\(-., \)\?--[a-z-]*' | grep -o -- '--[a-z-]*')
    else
        case $before in
            -c | --codec) list=$(entropy list codecs --json 2>/dev/null | sed -n 's/^{"name":"\([^"]*\)".*/\1/p') ;;
            --target) list=$(entropy list targets --json 2>/dev/null | sed -n 's/^{"name":"\([^"]*\)".*/\1/p') ;;
            -e | --estimator) list="all $(entropy list estimators --json 2>/dev/null | sed -n 's/^{"name":"\([^"]*\)".*/\1/p')" ;;
            *) list= ;;
        esac
    fi
    mapfile -t COMPREPLY < <(compgen -W "$list" -- "$word")
    [ -n "$list" ] || mapfile -t COMPREPLY < <(compgen -f -- "$word")
}
complete -o filenames -F _entropy entropy
