#!/bin/sh
# test_paper.sh BUILD - tests/paper.sh sees what it is for: typed digits, unknown commands, missing citations and figures.
cd "$(dirname "$0")/.."
. tests/cases.sh

cp -r paper "$work/text"
changed() { # EDIT WORD: with the edit of one file the rule fails and says it
    cp paper/codecs.tex "$work/text/codecs.tex"
    sed -i "$1" "$work/text/codecs.tex"
    fails 1 "$2" env TEXT="$work/text" tests/paper.sh
}
check 'the report as it is' env TEXT="$work/text" tests/paper.sh
check 'a typed number' changed 's/\\GapTans to/0.011 to/' 'codecs.tex:[0-9]*: "0.011" is typed'
check 'a typed number instead of a command' changed 's/\\GapZstd bits/1.97 bits/' 'GapZstd of paper/numbers.list is not used'
check 'a formula that is a number' changed 's/\\GapTans/$12$/' '"12" is typed'
check 'a point in a formula' changed 's/\\GapTans/$x = 1.5 y$/' '"1.5" is typed'
check 'a command that no list has' changed 's/\\GapTans/\\GapTanz/' 'GapTanz is not in paper/numbers.list'
check 'a citation that is not there' changed 's/cite{rfc8878}/cite{nobody1900}/' 'nobody1900 is not in paper/refs.bib'
check 'a figure that is not there' changed 's/{demo-pareto}/{nothing}/' 'figure nothing'
check 'a comment is not text' eval '! changed "s/^\\\\\\\\section/% 10.6\n&/" typed'
echo "$passed passed, $failed failed"
[ $failed -eq 0 ]
