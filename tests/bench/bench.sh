#!/bin/sh
# bench.sh BUILD [OPTION...] - runs the bench and draws it: $RESULTS/machines/$MACHINE/bench.tsv, the same
# as .txt, and two figures.  All of it are timings of this machine.
set -eu
cd "$(dirname "$0")/../.."
build=${1:-build}
[ $# -eq 0 ] || shift
name=$(analyses/machine-name.sh)
out=${RESULTS:-results}/machines/$name/bench
mkdir -p "$(dirname "$out")"
if ! "$build/bench" --model datasets/gutenberg-llama-4.7m -o "$out.tsv" --points "$out" "$@" >"$out.txt.part"; then
    cat "$out.txt.part"
    rm -f "$out.txt.part"
    exit 1
fi
mv "$out.txt.part" "$out.txt"
cat "$out.txt"
printf '\nwritten: %s.tsv .txt' "$out"
if command -v gnuplot >/dev/null; then
    gnuplot -c analyses/plots/bench.gp "$out-memory.tsv" "$out-memory" "memory to memory, one thread, $name"
    gnuplot -c analyses/plots/bench.gp "$out-cache.tsv" "$out-cache" "in the cache, one thread, $name"
    printf ' -memory.svg .pdf -cache.svg .pdf\n'
else
    printf '\nno gnuplot: no figures\n'
fi
