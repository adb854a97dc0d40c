#!/bin/sh
# demo-twice.sh BUILD - the demo plan, run twice with one and with all threads, gives the same tables
# of sizes, entropies and predictions byte for byte, and they are the ones in results/.
set -eu
cd "$(dirname "$0")/.."
build=${1:-build}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
for turn in 1 2; do
    OMP_NUM_THREADS=$turn "$build/entropy" run analyses/plans/demo.yaml -o "$work/$turn" --quiet >/dev/null
    "$build/entropy" report "$work/$turn" --quiet >/dev/null
done
for table in sizes entropy predictions; do
    for kind in tsv md tex; do
        cmp "$work/1/$table.$kind" "$work/2/$table.$kind"
        cmp "$work/1/$table.$kind" "results/demo/$table.$kind"
    done
done
echo "demo: the same tables twice, and those of results/demo"
