#!/bin/sh
# test_readme.sh BUILD - the commands that README.md shows are run, and print what it shows; files, commands and options that it and
# analyses/EXAMPLES.md name are there; CITATION.cff has what its schema asks for.
#
# A line of "..." stands for any lines.  Numbers may differ by 0.2 % or one in the last digit: headers of files grow by some bytes
# when a version says more, and sums of floating-point products differ between processors.
set -u
cd "$(dirname "$0")/.."
. tests/cases.sh
tree=$PWD
mkdir "$work/clone"
ln -s "$(dirname "$entropy")" "$work/clone/build"
ln -s "$tree/datasets" "$work/clone/datasets"

# Each command of the README with its output: N.command, N.expected
awk -v to="$work/" '
    /^    \$ / { n++; file = to n; print substr($0, 7) >(file ".command"); printf "" >(file ".expected"); next }
    /^    / && file { print substr($0, 5) >(file ".expected"); next }
    /^$/ && file { print "" >(file ".expected"); next }
    { file = "" }' README.md

shown() { # EXPECTED OUTPUT : one after the other, but for "..."
    awk '
        function alike(a, b,    d, point, last) {
            if (a == b) return 1
            if (a !~ /^[0-9]+(\.[0-9]+)?$/ || b !~ /^[0-9]+(\.[0-9]+)?$/) return 0
            point = index(a, "."); last = point ? 10 ^ -(length(a) - point) : 1
            d = a - b; if (d < 0) d = -d
            return d <= 1.01 * last || d <= 0.002 * a
        }
        function same(a, b,    n, m, x, y, i) {
            n = split(a, x, " "); m = split(b, y, " ")
            if (n != m) return 0
            for (i = 1; i <= n; i++) if (!alike(x[i], y[i])) return 0
            return 1
        }
        NR == FNR { want[++wanted] = $0; next }
        { got[++lines] = $0 }
        END {
            while (wanted && want[wanted] == "") wanted--
            for (i = 1; i <= wanted; i++) {
                if (want[i] == "...") { any = 1; continue }
                while (any && at < lines && !same(want[i], got[at + 1])) at++
                if (++at > lines || !same(want[i], got[at])) { print "shown:   " want[i]; print "printed: " got[at]; exit 1 }
                any = 0
            }
            while (at < lines && got[at + 1] == "") at++
            if (!any && at < lines) { print "not shown: " got[at + 1]; exit 1 }
        }' "$1" "$2"
}

n=1
while [ -e "$work/$n.command" ]; do
    command=$(cat "$work/$n.command")
    check "$command" status 0 sh -c "cd '$work/clone' && $command"
    cp "$work/out" "$work/$n.out"
    check "prints what is shown" shown "$work/$n.expected" "$work/$n.out"
    n=$((n + 1))
done
check "there are commands" [ $n -gt 4 ]

# commands and options in code, files in links
for page in README.md analyses/EXAMPLES.md; do
    missing=
    for named in $(grep -o '`entropy [a-z]*[^`]*`' $page | tr -d '`' | sed 's/=>.*//; s/"[^"]*"//g' | awk '{ for (i = 3; i <= NF; i++) if ($i ~ /^--[a-z]/) { sub(/[^a-z-].*/, "", $i); print $2 ":" $i } }' | sort -u); do
        "$entropy" "${named%%:*}" --help | grep -q -e "${named#*:}" || missing="$missing $named"
    done
    check "$page: every option is one of its command" [ -z "$missing" ]
    [ -z "$missing" ] || echo "  not there:$missing"
    missing=
    for link in $(grep -o '](\([^)#]*\)' $page | cut -c3- | grep -v '^http'); do
        [ -e "$(dirname $page)/$link" ] || missing="$missing $link"
    done
    check "$page: every file is there" [ -z "$missing" ]
    [ -z "$missing" ] || echo "  not there:$missing"
done

for key in cff-version message title authors version license; do
    check "CITATION.cff has its $key" grep -q "^$key: *[^ ]\|^$key:\$" CITATION.cff
done
check "and the version of this library" grep -q "^version: $(sed -n 's/.*ENT_VERSION "\(.*\)"/\1/p' libentropy/include/entropy/base.h)\$" CITATION.cff

echo "$passed passed, $failed failed"
[ $failed -eq 0 ]
