#!/bin/sh
# bitstack.sh BUILD [STORIES] - BitStack on the shipped model: perplexity against bytes of memory for several orders of the blocks, scaled
# or not, beside a plain SVD of as many bytes, what coding the parts saves, and what an exact copy takes; into results/bitstack.tsv,
# -coding, -exact and .svg.  STORIES: a folder of stories260k, for the same of it, into results/bitstack-stories.tsv and -stories-coding.tsv.
# Calibrated and sorted on sequences that are not measured.  At last, times of a large matrix, into results/bitstack-time.tsv.
set -eu
cd "$(dirname "$0")/.."
build=${1:-build}
entropy=$build/entropy
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

# use MODEL CONFIG TEXT LEVELS RANK MEASURED CALIBRATED SORTED, the last three as in "--skip 400 --sequences 32"
use() {
    model=$1 config=$2 text=$3 levels=$4 rank=$5 measured=$6 sorted=$8
    # shellcheck disable=SC2086
    "$entropy" quality "$model" --quiet --config "$config" --text "$text" $7 --calibrate "$work/calibration.h5" >"$work/log"
}

# stack NAME PIPELINE OPTIONS... : embedding and head, one tensor here, stay, as published
stack() {
    name=$1 pipeline=$2
    shift 2
    "$entropy" compress "$model" --quiet --json --force -o "$work/$name" --config "$config" --keep embed --calibration "$work/calibration.h5" \
        --with "$pipeline" "$@" >"$work/$name.json"
}

perplexity() { # FILE
    # shellcheck disable=SC2086
    "$entropy" quality "$1" --quiet --json --config "$config" --text "$text" $measured |
        sed -n 's/.*"perplexity": *\([0-9.]*\).*/\1/p' | awk '{ printf "\t%.2f", $1 }'
}

# ladder BYTES... : the table, on standard output
ladder() {
    scaled="bitstack(levels=$levels,rank=$rank,scale=1)"
    stack level "$scaled"
    # shellcheck disable=SC2086
    stack loss "$scaled" --sort loss --text "$text" $sorted
    # shellcheck disable=SC2086
    stack perplexity "$scaled" --sort perplexity --text "$text" $sorted
    stack unscaled "bitstack(levels=$levels,rank=$rank)"
    stack svd "bitstack(levels=$levels,rank=$rank,scale=1,signs=0)"
    printf 'bytes of memory\tby level\tby predicted loss\tby perplexity\tnot scaled\tplain SVD\n'
    for bytes; do
        printf '%s' "$bytes"
        for name in level loss perplexity unscaled svd; do
            "$entropy" decompress "$work/$name" --quiet --force -o "$work/model.safetensors" --max-bytes "$bytes"
            perplexity "$work/model.safetensors"
        done
        printf '\n'
    done
    printf '# uncompressed:'
    perplexity "$model"
    printf '\n'
}

# coding : bits a weight of each part of the stack by level
parts='s/.*"part": *"\([a-zA-Z0-9.]*\)".*"plain_bits": *\([0-9.e+]*\).*"entropy_bits": *\([0-9.e+]*\).*"coded_bits": *\([0-9.e+]*\).*/\1 \2 \3 \4/p'
coding() {
    printf 'part\tplain bits a weight\tentropy\tcoded\n'
    sed -n "$parts" "$work/level.json" | awk -v OFS='\t' -v levels="$levels" '
        $1 == "signs" { n = $2 / levels } { print $1, sprintf("%.4f", $2 / n), sprintf("%.4f", $3 / n), sprintf("%.4f", $4 / n) }'
}

# exact LEVELS... : coded bits a weight of stacks of so many levels, of what makes them exact, and of a plain codec
exact() {
    printf 'levels\tblocks\texact\tboth\n'
    "$entropy" compress "$model" --quiet --force --codec rans-word -o "$work/plain" >"$work/log"
    "$entropy" inspect "$work/plain" --json | awk '
        /"role":"[a-z]*_proj"/ { match($0, /"elements":[0-9]*/); n += substr($0, RSTART + 11, RLENGTH - 11)
                                 match($0, /"coded_bytes":[0-9]*/); b += substr($0, RSTART + 14, RLENGTH - 14) }
        END { printf "0\t\t\t%.4f\n", 8 * b / n }'
    for levels; do
        stack exact "bitstack(levels=$levels,rank=$rank,scale=1) exact"
        sed -n "$parts" "$work/exact.json" | awk -v levels="$levels" '
            $1 == "signs" { n = $2 / levels } $1 == "exact" { exact = $4; next } { blocks += $4 }
            END { printf "%d\t%.4f\t%.4f\t%.4f\n", levels, blocks / n, exact / n, (blocks + exact) / n }'
        "$entropy" decompress "$work/exact" --quiet --force -o "$work/model.safetensors"
        cmp "$model/model.safetensors" "$work/model.safetensors"
    done
}

shipped=datasets/gutenberg-llama-4.7m
use $shipped $shipped/config.json $shipped/valid.u16 4 2 "--sequences 16" "--skip 400 --sequences 32" "--skip 600 --sequences 2"
ladder 2800000 3000000 3200000 3400000 3600000 3800000 4000000 4300000 >"$work/bitstack.tsv"
coding >"$work/bitstack-coding.tsv"
exact 1 2 4 >"$work/bitstack-exact.tsv"
if [ $# -gt 1 ]; then
    use "$2/model-bf16.safetensors" "$2/config.json" "$2/sample_48x256.u16" 6 1 "--sequences 14" "--skip 14 --sequences 6" "--skip 20 --sequences 2"
    ladder 110000 125000 140000 160000 180000 200000 230000 270000 >"$work/bitstack-stories.tsv"
    coding >"$work/bitstack-stories-coding.tsv"
fi
"$build/time_stack" 4096 >"$work/bitstack-time.tsv"
cp "$work"/bitstack*.tsv results/

command -v gnuplot >/dev/null || exit 0
gnuplot -e "input='results/bitstack.tsv'; output='results/bitstack.svg'" analyses/plots/bitstack.gp
