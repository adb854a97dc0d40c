#!/bin/sh
# predict.sh BUILD - what the kernels can reach at most on cards that are modelled, into results/gpu/predicted.tsv.  Nothing is
# measured: bytes are those of an image of normal weights (test_gpu --bits), instructions those of the main loop in the machine code
# (sass.sh), the card's numbers those of its target's file.  Two bounds, and the lower one:
#
#   memory   bandwidth / bytes moved a weight: the code read, and for a decoding the words written
#   issue    multiprocessors * 4 schedulers * clock / instructions for 32 weights * 32
#
# What neither knows - latency, waiting, integer units that are half as many - only takes from it.
set -eu
cd "$(dirname "$0")/../.."
build=${1:-build}
results=${RESULTS:-results}/gpu
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
"$build/entropy" dataset make normal --weights 16Mi --dtype BF16 -o "$work/normal.safetensors" --quiet
"$build/test_gpu" --bits "$work/normal.safetensors" >"$work/bits"
tests/gpu/sass.sh 90 >"$work/sass"

number() { sed -n "s/^ *\(- \)\{0,1\}$2: { value: \([0-9.]*\),.*/\2/p" "analyses/targets/$1.yaml" | head -1; }
for card in h100-sxm h200-sxm; do
    echo "$card $(number $card gbps) $(number $card cores) $(number $card clock_ghz)"
done >"$work/cards"

awk -F '\t' '
    FILENAME ~ /bits$/ { if (FNR > 1) bits[$1] = $7; next }
    FILENAME ~ /cards$/ { split($0, c, " "); card[++cards] = c[1]; gbps[cards] = c[2]; issue[cards] = c[3] / 128 * 4 * c[4]; next }
    FNR == 1 { print "card\tkernel\tcodec\tbits_per_weight\tinstructions_per_32\tmemory_gweights\tissue_gweights\tbound_by\tof_roof\tcublas_over_time\tinstructions_at_cublas"; next }
    {
        codec = $2 ~ /tiered/ ? "tiered block=16k" : "planar-rans block=16k"
        for (i = 1; i <= cards; i++) {
            decode = $2 ~ /^decode/
            memory = gbps[i] / (bits[codec] / 8 + (decode ? 2 : 0))
            by_issue = issue[i] / $8 * 32
            most = memory < by_issue ? memory : by_issue
            printf "%s\t%s\t%s\t%.4f\t%s\t%.0f\t%.0f\t%s\t%.2f\t%s\t%s\n", card[i], $2, codec, bits[codec], $8, memory, by_issue,
                   memory < by_issue ? "memory" : "issue", most / memory, decode ? "" : sprintf("%.2f", most / (gbps[i] / 2)),
                   decode ? "" : sprintf("%.1f", issue[i] * 32 / (gbps[i] / 2))
        }
    }' "$work/bits" "$work/cards" "$work/sass" | sort -s -k1,1 >"$work/table"
mkdir -p "$results"
{ grep '^card	' "$work/table"; grep -v '^card	' "$work/table"; } >"$results/predicted.tsv"
