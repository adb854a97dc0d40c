#!/bin/sh
# demo.sh BUILD - runs the demo plan, reports it into $RESULTS/demo, and prints the table that matters.  Times of this machine go to
# $RESULTS/machines/$MACHINE/demo.tsv and .md, with two figures that show them.
set -eu
cd "$(dirname "$0")/.."
entropy=${1:-build}/entropy
results=${RESULTS:-results}/demo
times=${RESULTS:-results}/machines/$(analyses/machine-name.sh)/demo

rm -rf $results/figures
"$entropy" run analyses/plans/demo.yaml -o $results --fresh --quiet
"$entropy" report $results --quiet
mkdir -p "$(dirname "$times")"
cp $results/times.tsv "$times.tsv"
cp $results/times.md "$times.md"
if [ -d $results/figures ]; then
    cp $results/figures/bits-gutenberg-llama-4.7m.svg $results/bits.svg
    cp $results/figures/pareto-gutenberg-llama-4.7m-host.svg "$times-pareto.svg"
    analyses/demo-plot.sh $results "$times"
fi
echo
echo "The shipped model: bits per weight, how far that is above the order-0 entropy of the fields that the codec codes,"
echo "and decode speed on this machine (64 MiB of weights, in memory) as a share of memcpy in the same run:"
echo
awk -F '\t' '
    FNR == 1 { for (i = 1; i <= NF; i++) column[FILENAME, $i] = i; next }
    function get(name) { return $(column[FILENAME, name]) }
    { codec = get("codec") }
    FILENAME ~ /sizes/ {
        order[++n] = codec
        bits[codec] = get("bits_per_weight"); gap[codec] = get("gap_bits"); problem[codec] = get("size_problem")
    }
    FILENAME ~ /times/ { speed[codec] = get("decode_per_memcpy") }
    END {
        printf "  %-22s %12s %14s %16s\n", "codec", "bits/weight", "gap to bound", "decode/memcpy"
        for (i = 1; i <= n; i++) {
            c = order[i]
            if (bits[c] == "") printf "  %-22s %s\n", c, problem[c]
            else printf "  %-22s %12.3f %14.3f %16.2f\n", c, bits[c], gap[c], speed[c]
        }
    }' $results/sizes.tsv $results/times.tsv
echo
echo "Tables: $results/*.tsv, .md, .tex"
if [ -d $results/figures ]; then
    echo "Pictures:"
    for picture in $results/figures/*.svg; do
        if [ -e "$picture" ]; then echo "  $picture"; fi
    done
    echo "  $times.svg (the picture of the README)"
fi
