#!/bin/sh
# bitstack.sh BUILD - BitStack on the shipped model: perplexity against bytes of memory for several orders of the blocks, scaled or
# not, beside a plain SVD of as many bytes, and what coding the parts saves; into results/bitstack.tsv and .svg.
# Calibrated and sorted on sequences that are not measured.
set -eu
cd "$(dirname "$0")/.."
entropy=${1:-build}/entropy
model=datasets/gutenberg-llama-4.7m
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
levels=4 sequences=16

"$entropy" quality $model --quiet --skip 400 --sequences 32 --calibrate "$work/calibration.h5" >"$work/log"

# stack NAME PIPELINE OPTIONS... : embedding and head, one tensor here, stay, as published
stack() {
    name=$1 pipeline=$2
    shift 2
    "$entropy" compress $model --quiet --json -o "$work/$name" --keep embed --calibration "$work/calibration.h5" --with "$pipeline" \
        "$@" >"$work/$name.json"
}

scaled="bitstack(levels=$levels,rank=2,scale=1)"
stack level "$scaled"
stack loss "$scaled" --sort loss --skip 600 --sequences 2
stack perplexity "$scaled" --sort perplexity --skip 600 --sequences 2
stack unscaled "bitstack(levels=$levels,rank=2)"
stack svd "bitstack(levels=$levels,rank=2,scale=1,signs=0)"

perplexity() { # FILE
    "$entropy" quality "$1" --quiet --json --config $model/config.json --text $model/valid.u16 --sequences $sequences |
        sed -n 's/.*"perplexity": *\([0-9.]*\).*/\1/p' | awk '{ printf "\t%.2f", $1 }'
}

{
    printf 'bytes of memory\tby level\tby predicted loss\tby perplexity\tnot scaled\tplain SVD\n'
    for bytes in 2800000 3000000 3200000 3400000 3600000 3800000 4000000 4300000; do
        printf '%s' $bytes
        for name in level loss perplexity unscaled svd; do
            "$entropy" decompress "$work/$name" --quiet --force -o "$work/model.safetensors" --max-bytes $bytes
            perplexity "$work/model.safetensors"
        done
        printf '\n'
    done
    printf '# uncompressed:'
    perplexity $model/model.safetensors
    printf '\n'
} >"$work/bitstack.tsv"
cp "$work/bitstack.tsv" results/bitstack.tsv

{
    printf 'part\tplain bits a weight\tentropy\tcoded\n'
    sed -n 's/.*"part": *"\([a-z]*\)".*"plain_bits": *\([0-9.e+]*\).*"entropy_bits": *\([0-9.e+]*\).*"coded_bits": *\([0-9.e+]*\).*/\1 \2 \3 \4/p' "$work/level.json" |
        awk -v OFS='\t' -v levels=$levels '$1 == "signs" { n = $2 / levels } { print $1, sprintf("%.4f", $2 / n), sprintf("%.4f", $3 / n), sprintf("%.4f", $4 / n) }'
} >results/bitstack-coding.tsv

command -v gnuplot >/dev/null || exit 0
gnuplot -e "input='results/bitstack.tsv'; output='results/bitstack.svg'" analyses/plots/bitstack.gp
