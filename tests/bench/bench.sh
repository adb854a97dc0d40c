#!/bin/sh
# bench.sh BUILD [OPTION...] - runs the bench and draws it: results/bench/bench.HOST-CPU.tsv, the same
# as .txt, and two figures.  All of it are timings of this machine.
set -eu
cd "$(dirname "$0")/../.."
build=${1:-build}
[ $# -eq 0 ] || shift
cpu=$(sed -n 's/^model name[^:]*: *//p' /proc/cpuinfo 2>/dev/null | head -n 1)
name=$(printf '%s-%s' "$(uname -n)" "${cpu:-$(uname -m)}" | tr -cs 'A-Za-z0-9.\n' '-' | sed 's/-*$//')
out=results/bench/bench.$name
mkdir -p results/bench
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
