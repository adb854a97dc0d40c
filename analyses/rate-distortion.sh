#!/bin/sh
# rate-distortion.sh BUILD [sizes|page] - every scalar quantizer on the same normal weights: bits a weight, plain and coded, against
# error, beside the bound of a normal; into $RESULTS/rate-distortion.tsv, .md and .svg.
set -eu
cd "$(dirname "$0")/.."
entropy=${1:-build}/entropy
results=${RESULTS:-results}/rate-distortion
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
codec='narrow: word=rans | I16: word=rans | U16: word=rans | float: exponent=rans rest=raw'

"$entropy" dataset make normal -o "$work/normal.safetensors" --dtype F32 --weights 1Mi --seed 1 --quiet

# measure PIPELINE... : a line each: pipeline, plain bits, coded bits, SQNR
measure() {
    for pipeline in "$@"; do
        "$entropy" compress "$work/normal.safetensors" -o "$work/packed.h5" --force --quiet --json --with "$pipeline => $codec" |
            awk -v OFS='\t' -v pipeline="$pipeline" '
                function value(key) { return match($0, "\"" key "\":[^,}]*") ? substr($0, RSTART + length(key) + 3, RLENGTH - length(key) - 3) : 0 }
                /"sqnr_db"/ { n = value("weights"); sqnr = value("sqnr_db") }
                /^{"part"/ { plain += value("plain_bits"); coded += value("coded_bits") }
                END { printf "%s\t%.4f\t%.4f\t%.3f\n", pipeline, plain / n, coded / n, sqnr }'
    done
}

step=$(for bits in 0.5 0.75 1 1.25 1.5 1.75 2 2.25 2.5 2.75 3 3.25 3.5 3.75 4 4.5 5 5.5 6 6.5 7 7.5 8; do echo "step(bits=$bits)"; done)
ecsq=$(for bits in 0.5 1 1.5 2 2.5 3 3.5 4 5 6 7 8; do echo "ecsq(bits=$bits)"; done)
entquant=$(for bits in 1 2 3 4 5 6; do echo "entquant(bits=$bits)"; done)
lloyd=$(for bits in 1 2 3 4 5 6 7 8; do echo "lloyd(bits=$bits)"; done)
grouped=$(for bits in 2 3 4 5; do echo "lloyd(bits=$bits,group=64)"; done)
rtn=$(for bits in 2 3 4 5 6 8; do echo "rtn(bits=$bits,group=128)"; done)
zeros=$(for bits in 2 3 4 5; do echo "rtn(bits=$bits,group=128,symmetric=0)"; done)

{
    printf 'pipeline\tplain bits\tcoded bits\tSQNR dB\n'
    # shellcheck disable=SC2086 # one word a pipeline
    measure $step $ecsq $entquant $lloyd $grouped 'palette(bits=4,rows=1)' $rtn $zeros 'rtn(bits=8,group=0)' \
            nf4 mxfp4 nvfp4 fp8 'fp8(e5m2=1)'
} >"$work/measured.tsv"

# Beside each: the bits of step at the same error, between its neighbours, and the bound, half a bit for 3.01 dB.
awk -F '\t' -v OFS='\t' '
    NR == FNR { if ($1 ~ /^step/) { bits[++n] = $3; sqnr[n] = $4 } next }
    FNR == 1 { print $0, "step at this SQNR", "bound"; next }
    {
        at = ""
        for (i = 2; i <= n && at == ""; i++)
            if ($4 >= sqnr[i - 1] && $4 <= sqnr[i]) at = sprintf("%.3f", bits[i - 1] + (bits[i] - bits[i - 1]) * ($4 - sqnr[i - 1]) / (sqnr[i] - sqnr[i - 1]))
        printf "%s\t%.3f\t%.3f\t%.2f\t%s\t%.3f\n", $1, $2, $3, $4, at, $4 / (20 * log(2) / log(10))
    }' "$work/measured.tsv" "$work/measured.tsv" >$results.tsv

{
    cat <<'TEXT'
# Scalar quantizers at equal error

![Bits per weight against SQNR](rate-distortion.svg)

`make rate-distortion` writes this page, its table [rate-distortion.tsv](rate-distortion.tsv) and the figure: 1 Mi normal weights (F32, of one
variance, seed 1), quantized by each pipeline; all parts counted, plain in their own formats and coded by rans with its tables. *step at this
SQNR* is what `step` takes, coded, to the same error; *bound* is the rate-distortion function of a normal, SQNR / 6.02 dB. The SQNR is
that of these weights, so the last digit of the bound moves with the sample. Real weights differ in scale from place to place, which
pays back some of what scales of groups cost.

TEXT
    awk -F '\t' '
        NR == 1 { print "| pipeline | plain bits | coded bits | SQNR dB | step at this SQNR | bound | coded above it |\n|---|---|---|---|---|---|---|"; next }
        { printf "| %s | %s | %s | %s | %s | %s | %.3f |\n", $1, $2, $3, $4, $5, $6, $3 - $6 }' $results.tsv
} >$results.md

if command -v gnuplot >/dev/null; then
    gnuplot -c analyses/plots/rate-distortion.gp $results.tsv $results
    rm -f $results.pdf
else
    echo "no gnuplot on this machine: the tables are there, the figure is not" >&2
fi
