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

# The order-0 entropy of whole words with one table for the model, for each role or for each tensor, by estimators of Shannon's entropy:
# the bound of a codec of words, of which the plug-in's, in sizes.tsv, is too low by what 47 small samples lack.
"$entropy" stats gutenberg-llama-4.7m --json --quiet -e plugin -e miller-madow -e jackknife -e grassberger -e chao-shen -e nsb | awk '
    function value(key) { return match($0, "\"" key "\":[^,}]*") ? substr($0, RSTART + length(key) + 3, RLENGTH - length(key) - 3) : "" }
    value("field") == "\"word\"" {
        at = value("scope") "\t" value("estimator")
        gsub("\"", "", at)
        if (!(at in tables)) order[++n] = at
        tables[at]++
        weights[at] += value("count")
        bits[at] += value("count") * value("bits")
        square[at] += (value("count") * value("stderr")) ^ 2
    }
    END {
        print "scope\testimator\ttables\tbits\tstderr_bits"
        for (i = 1; i <= n; i++) {
            at = order[i]
            printf "%s\t%d\t%.6f\t%.6f\n", at, tables[at], bits[at] / weights[at], sqrt(square[at]) / weights[at]
        }
    }' >$results/words.tsv
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
