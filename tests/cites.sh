#!/bin/sh
# cites.sh BUILD - every key that the lists, the catalogue or a source cites is in paper/refs.bib.
set -eu
cd "$(dirname "$0")/.."
entropy=${1:-build}/entropy
keys() {
    for list in codecs coders transforms formats estimators contexts laws systems datasets; do
        "$entropy" list $list --json --quiet | sed -n 's/.*"cite":"\([^"]*\)".*/\1/p'
    done
    grep -v '^#' datasets/catalogue.tsv | tail -n +2 | cut -f8
    grep -rhow '[a-z][a-z]*\(19\|20\)[0-9][0-9][a-z0-9]*' libentropy --include='*.[ch]' --include='*.def'
}
bad=0
for key in $(keys | tr ' ' '\n' | sort -u); do
    grep -q "^@[a-z]*{$key," paper/refs.bib || { echo "cites: $key is not in paper/refs.bib"; bad=1; }
done
[ $bad -eq 0 ] && echo "cites: all keys are in paper/refs.bib"
exit $bad
