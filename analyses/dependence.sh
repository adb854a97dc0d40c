#!/bin/sh
# dependence.sh BUILD - what fields of the shipped model's weights tell about each other, beside what chance shows, into results/dependence.tsv.
set -eu
cd "$(dirname "$0")/.."
results=${RESULTS:-results}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

"${1:-build}/entropy" stats gutenberg-llama-4.7m --dependence -o "$work" --quiet >"$work/log"
awk -F '\t' 'NR == 1 || $1 == "model"' "$work/dependence.tsv" >"$results/dependence.tsv"
