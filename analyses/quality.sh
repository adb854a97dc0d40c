#!/bin/sh
# quality.sh BUILD - quantizers on the shipped model near 4, 3 and 2.5 bits a weight, into results/quality.tsv, and
# stages of Double Compression, into results/double-compression.tsv.  Calibrated on sequences that are
# not measured.
set -eu
cd "$(dirname "$0")/.."
entropy=${1:-build}/entropy
model=datasets/gutenberg-llama-4.7m
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

# measure PIPELINE... : a line of JSON each
measure() {
    set -- $(printf '%s\n' "$@" | sed 's/ /~/g; s/^/--with /')
    for word in "$@"; do shift; set -- "$@" "$(printf '%s' "$word" | tr '~' ' ')"; done
    "$entropy" quality $model --quiet --json --sequences 40 --calibration "$work/calibration.h5" "$@" | grep '"pipeline"'
}

columns='.*"pipeline": *"\([^"]*\)".*"plain_bits_per_weight": *\([^,}]*\).*"bits_per_weight": *\([^,}]*\).*"zeros": *\([^,}]*\).*"sqnr_db": *\([^,}]*\).*"perplexity": *\([^,}]*\).*"kl_nats": *\([^,}]*\).*'

rows() {
    sed "s/$columns/\\1\\t\\2\\t\\3\\t\\4\\t\\5\\t\\6\\t\\7/" |
        awk -F '\t' -v OFS='\t' '{ printf "%s\t%.3f\t%.3f\t%.1f\t%.2f\t%.2f\t%.4f\n", $1, $2, $3, 100 * $4, $5, $6, $7 }'
}

heading='pipeline	plain bits	coded bits	zeros %	SQNR dB	perplexity	KL nats'

"$entropy" quality $model --quiet --skip 400 --sequences 256 --calibrate "$work/calibration.h5" --second

{
    printf '%s\n' "$heading"
    for bits in 4.0 3.0 2.5; do
        less=$(awk "BEGIN { print $bits - 0.04 }") # what the coder takes beyond the entropy
        measure "step(bits=$less)" "watersic(bits=$less,spread=0)" "watersic(bits=$less)"
    done | rows
    measure 'rtn(bits=4,group=128)' 'gptq(bits=4,group=128,search=1)' nf4 mxfp4 nvfp4 \
            'rtn(bits=3,group=128)' 'rtn(bits=3,group=128,search=1)' 'gptq(bits=3,group=128,search=1)' \
            'rtn(bits=2,group=32,symmetric=0,search=1)' 'gptq(bits=2,group=32,symmetric=0,search=1)' | rows
} >results/quality.tsv

{
    printf '%s\n' "$heading"
    measure 'rtn(bits=8,group=0)' 'rescale(alpha=0.5) rtn(bits=8,group=0)' 'rescale(alpha=1) rtn(bits=8,group=0)' \
            'prune(share=0.3,by=2) rtn(bits=8,group=0)' 'prune(share=0.5,by=2) rtn(bits=8,group=0)' \
            'rescale(alpha=1) prune(share=0.3,by=2) rtn(bits=8,group=0)' 'rtn(bits=8,group=-1)' \
            'rescale(alpha=1) prune(share=0.3,by=2) rtn(bits=8,group=-1)' 'watersic(bits=3.6)' | rows
} >results/double-compression.tsv
