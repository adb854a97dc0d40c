#!/bin/sh
# predict.sh BUILD - what the kernels can reach at most on cards that are modelled, into results/gpu/predicted.tsv.  Nothing is
# measured: bytes are those of an image of normal weights (test_gpu --bits), instructions those of the main loop in the machine code
# (sass.sh, which says what each pipe does in a clock), the card's numbers those of its target's file.  The lowest of these:
#
#   memory   bandwidth / bytes moved a weight: the code read, and for a decoding the words written
#   issue    4 instructions of a warp a clock and multiprocessor
#   alu, fma 2 of them; xu half a one; lsu 1, with what its clocks are more
#   tensor   1 of 16 x 8 x 16, as the data sheet's 989 TFLOP/s of dense BF16 are of an H100
#
# What none of them knows - latency, waiting, rare work - only takes from it.
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
    FILENAME ~ /cards$/ { split($0, c, " "); card[++cards] = c[1]; gbps[cards] = c[2]; clocks[cards] = c[3] / 128 * c[4]; next } # 10^9 a second, of all
    FNR == 1 {
        pipes = split("issue alu fma xu lsu tensor", pipe, " ")
        split("4 2 2 0.5 1 1", rate, " ")
        printf "card\tkernel\tcodec\tbits_per_weight\tinstructions_per_32\tmemory_gweights"
        for (k = 1; k <= pipes; k++) printf "\t%s_gweights", pipe[k]
        print "\tbound_by\tof_roof\tcublas_over_time\tinstructions_at_cublas"
        next
    }
    {
        codec = $2 ~ /tiered/ ? "BF16: exponent=tiered(tiers=3) rest=raw block=16k" : "planar-rans block=16k"
        for (i = 1; i <= cards; i++) {
            decode = $2 ~ /^decode/
            most = memory = gbps[i] / (bits[codec] / 8 + (decode ? 2 : 0))
            by = "memory"
            printf "%s\t%s\t%s\t%.4f\t%s\t%.0f", card[i], $2, codec, bits[codec], $7, memory
            for (k = 1; k <= pipes; k++) {
                bound = $(7 + k) ? clocks[i] * rate[k] * $6 / $(7 + k) : 0
                printf bound ? "\t%.0f" : "\t", bound
                if (bound && bound < most) {
                    most = bound
                    by = pipe[k]
                }
            }
            printf "\t%s\t%.2f\t%s\t%s\n", by, most / memory, decode ? "" : sprintf("%.2f", most / (gbps[i] / 2)),
                   decode ? "" : sprintf("%.1f", 4 * clocks[i] * 32 / (gbps[i] / 2))
        }
    }' "$work/bits" "$work/cards" "$work/sass" | sort -s -k1,1 >"$work/table"
mkdir -p "$results"
{ grep '^card	' "$work/table"; grep -v '^card	' "$work/table"; } >"$results/predicted.tsv"
