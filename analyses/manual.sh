#!/bin/sh
# manual.sh ENTROPY DIR - the manual pages entropy.1 and entropy-COMMAND.1, made from what the program says of itself by
# --help, so that they cannot disagree with it, and from the examples beside this script.
set -eu
entropy=$1 dir=$2 here=$(cd "$(dirname "$0")" && pwd)
version=$("$entropy" --version | awk 'NR == 1 { print $2 }')
export ARGP_HELP_FMT="rmargin=99999,opt-doc-col=60,no-dup-args-note"
mkdir -p "$dir"

page() { # NAME BRIEF COMMAND... : the page on standard output
    name=$1 brief=$2; shift 2
    "$@" --help | awk -v name="$name" -v brief="$brief" -v version="$version" -v command="${name#entropy-}" -v examples="$here/examples.txt" '
        function plain(text) { gsub(/\\/, "\\e", text); gsub(/-/, "\\-", text); sub(/^[.\x27]/, "\\\\\\&&", text); return text }
        function paragraph(text) { if (text != "") print plain(text) }
        BEGIN {
            printf ".TH \"%s\" 1 \"\" \"libentropy %s\" \"libentropy\"\n.SH NAME\n%s \\- %s\n.SH SYNOPSIS\n", toupper(name), version, plain(name), plain(brief)
        }
        /^Usage: / { print ".B " plain(substr($0, 8)); next }
        /^  or:  / { print ".br\n.B " plain(substr($0, 8)); next }
        !described { print ".SH DESCRIPTION"; described = 1 }
        /^ +-/ {
            if (!options) { print ".SH OPTIONS"; options = 1 }
            option = $0; doc = ""
            if (length($0) > 60 && substr($0, 60, 1) == " ") { doc = substr($0, 61); option = substr($0, 1, 60) }
            gsub(/^ +| +$/, "", option); gsub(/^ +/, "", doc)
            print ".TP\n.B " plain(option); print plain(doc); last = 1
            next
        }
        options && last && /^ {50,}/ { sub(/^ +/, ""); print plain($0); next }
        /^Commands:/ { print ".SH COMMANDS"; options = 1; commands = 1; next }
        commands && /^  [a-z]/ { what = $0; sub(/^ +[a-z]+ +/, "", what); printf ".TP\n.B %s\n%s\n", $1, plain(what); next }
        /^$/ { commands = 0; last = 0; if (options) { if (!notes) pending = 1 } else print ".PP"; next }
        {
            if (options && pending) { print (notes ? ".PP" : ".SH NOTES"); notes = 1; pending = 0 }
            paragraph($0)
        }
        END {
            while ((getline line <examples) > 0) {
                if (line ~ /^## /) { ours = substr(line, 4) == command; continue }
                if (!ours || line == "") continue
                if (!shown++) print ".SH EXAMPLES"
                if (line ~ /^    /) printf ".EX\n%s\n.EE\n", plain(line)
                else printf ".PP\n%s\n", plain(line)
            }
            print ".SH EXIT STATUS\n0 done, 1 a check failed, 2 wrong usage, 3 the input is damaged or unsupported, 4 the system failed; of run, 75: stopped by a signal, go on with the same command."
            if (name != "entropy") print ".SH SEE ALSO\n.BR entropy (1)"
        }'
}

page entropy "how many bits neural-network weights really need" "$entropy" >"$dir/entropy.1"
"$entropy" --help | sed -n '/^Commands:/,/^$/s/^  \([a-z][a-z]*\) *\(.*\)/\1 \2/p' | while read -r command brief; do
    page "entropy-$command" "$brief" "$entropy" "$command" >"$dir/entropy-$command.1"
done
