#!/bin/sh
# double-compression.sh BUILD CALIBRATION - stages of Double Compression on the shipped model, what its paper leaves open tried,
# into $RESULTS/double-compression.tsv, -layers.tsv, -coders.tsv and -share.tsv; called by quality.sh.
set -eu
cd "$(dirname "$0")/.."
entropy=$1/entropy calibration=$2
model=datasets/gutenberg-llama-4.7m
results=${RESULTS:-results}/double-compression
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
export LC_ALL=C OPENBLAS_CORETYPE=Haswell # see quality.sh

# row STAGES ALPHA SCALE PIPELINE [OPTION...] : a row of the table
row() {
    stages=$1 alpha=$2 scale=$3 pipeline=$4; shift 4
    "$entropy" quality $model --quiet --json --sequences 40 --calibration "$calibration" --with "$pipeline" "$@" | grep '"pipeline"' |
        awk -v head="$stages	$alpha	$scale" '
        function get(key) { match($0, "\"" key "\": *[^,}]*"); value = substr($0, RSTART, RLENGTH); sub(/.*: */, "", value); return value }
        { printf "%s\t%.3f\t%.3f\t%.1f\t%.2f\t%.2f\t%.4f\n", head, get("bits_per_weight"), 8 / get("bits_per_weight"),
              100 * get("zeros"), get("sqnr_db"), get("perplexity"), get("kl_nats") }'
}

scaled='rescale(alpha=0:0.1:1)'
{
    printf 'stages\talpha\tscale\tbits\tratio to INT8\tzeros %%\tSQNR dB\tperplexity\tKL nats\n'
    for scale in row matrix; do
        int8="rtn(bits=8,group=$([ $scale = row ] && echo 0 || echo -1))"
        row INT8 none $scale "$int8"
        row 'rescale, INT8' 'least output error' $scale "$scaled $int8"
        row 'rescale, INT8' 'smallest within 1.1 of it' $scale "$scaled $int8" --slack 1.1
        row 'rescale, INT8' smallest $scale "$scaled $int8" --slack 1e9
        row 'rescale, INT8' '1 for all' $scale "rescale(alpha=1) $int8"
    done
    for share in 0.3 0.5 0.6 0.7; do
        row "prune $share, INT8" none row "prune(share=$share,by=2) rtn(bits=8,group=0)"
        row "rescale, prune $share, INT8" 'smallest' matrix "$scaled prune(share=$share,by=2) rtn(bits=8,group=-1)" --slack 1e9
    done
    row 'rescale, INT6' smallest matrix "$scaled rtn(bits=6,group=-1)" --slack 1e9
    row 'rescale, INT5' smallest matrix "$scaled rtn(bits=5,group=-1)" --slack 1e9
    row 'step, bits shared out' none matrix 'step(bits=2:0.25:7)' --budget 3.636
    row watersic none matrix 'watersic(bits=3.6)'
} >$results.tsv

# every layer, with one scale a matrix: alpha by size, pruned
"$entropy" quality $model --quiet --sequences 1 --window 8 --calibration "$calibration" --slack 1e9 --tensors="$results-layers.tsv" \
    --with "$scaled rtn(bits=8,group=-1)" --with "$scaled prune(share=0.3,by=2) rtn(bits=8,group=-1)" >/dev/null

# coders of the codes, and the share of the model that each can code on modelled machines at 1.05 of the time of reading it plain
{
    printf 'stages\tcoder\tbits\n'
    for coder in tiered zstd planar-rans huffman rans; do
        for stages in '' 'rescale(alpha=1) ' 'rescale(alpha=1) prune(share=0.3,by=2) '; do
            "$entropy" quality $model --quiet --json --sequences 1 --window 8 --calibration "$calibration" \
                --code "narrow: word=$coder | int: word=$coder | *: word=raw" --with "${stages}rtn(bits=8,group=-1)" |
                sed -n "s/.*\"pipeline\": *\"\\([^\"]*\\)\".*\"bits_per_weight\": *\\([0-9.]*\\).*/\\1\t$coder\t\\2/p"
        done
    done | awk -F '\t' -v OFS='\t' '{ sub(/^.*plain_bits.*/, "", $0); printf "%s\t%s\t%.3f\n", $1, $2, $3 }'
} >$results-coders.tsv

"$entropy" compress $model -o "$work/int8.h5" --quiet --calibration "$calibration" \
    --with 'rescale(alpha=1) prune(share=0.3,by=2) rtn(bits=8,group=-1)' >/dev/null
"$entropy" decompress "$work/int8.h5" --parts -o "$work/int8.safetensors" --quiet
{
    printf 'target\tcoder\tcoded, bits\tcoded, time\tshare %%\tbits\ttime\n'
    for target in server-56 h100-sxm phone; do
        "$entropy" choose "$work/int8.safetensors" --target $target --latency 1.05 --codec tiered --codec zstd --codec planar-rans \
            --codec huffman --quiet --json | awk -v target=$target '
            function get(key) { if (!match($0, "\"" key "\": *(\"[^\"]*\"|[^,}]*)")) return ""
                value = substr($0, RSTART, RLENGTH); sub(/^"[^"]*": *"?/, "", value); sub(/"$/, "", value); return value }
            /"scope":"codec"/ && !/"name":"raw/ {
                printf "%s\t%s\t%.3f\t%.2f\t%.1f\t%.3f\t%.2f\n", target, get("name"), get("bits_per_weight"), get("latency"),
                    100 * get("share"), get("share_bits_per_weight"), get("share_latency") }'
    done
} >$results-share.tsv
