#!/bin/sh
# bitstack.sh BUILD [sizes|speeds|page] - BitStack on the shipped model: perplexity against bytes of memory for several orders of the blocks,
# scaled or not, beside a plain SVD of as many bytes, what coding the parts saves, and what an exact copy takes; into
# $RESULTS/bitstack.tsv, -coding and -exact, the same bytes each time.  $STORIES: a folder of stories260k, for the same of it, into
# bitstack-stories.tsv and -stories-coding.tsv.  Calibrated and sorted on sequences that are not measured.  Times of a large matrix
# into $RESULTS/machines/$MACHINE/bitstack.tsv; then the page and its figure.  One part alone where it is named.
set -eu
cd "$(dirname "$0")/.."
build=${1:-build}
entropy=$build/entropy
part=${2:-all}
results=${RESULTS:-results}
machine=$(analyses/machine-name.sh)
times=$results/machines/$machine/bitstack
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
export LC_ALL=C OPENBLAS_CORETYPE=Haswell # see quality.sh

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

sizes() {
    shipped=datasets/gutenberg-llama-4.7m
    use $shipped $shipped/config.json $shipped/valid.u16 4 2 "--sequences 16" "--skip 400 --sequences 32" "--skip 600 --sequences 2"
    ladder 2800000 3000000 3200000 3400000 3600000 3800000 4000000 4300000 >"$work/bitstack.tsv"
    coding >"$work/bitstack-coding.tsv"
    exact 1 2 4 >"$work/bitstack-exact.tsv"
    if [ -n "${STORIES:-}" ]; then
        use "$STORIES/model-bf16.safetensors" "$STORIES/config.json" "$STORIES/sample_48x256.u16" 6 1 \
            "--sequences 14" "--skip 14 --sequences 6" "--skip 20 --sequences 2"
        ladder 110000 125000 140000 160000 180000 200000 230000 270000 >"$work/bitstack-stories.tsv"
        coding >"$work/bitstack-stories-coding.tsv"
    fi
    cp "$work"/bitstack*.tsv "$results"/
}

speeds() {
    mkdir -p "$results/machines/$machine"
    {
        printf '# %s, %s threads; %s; %s\n' "$(sed -n 's/^model name[^:]*: *//p' /proc/cpuinfo | head -1)" "$(getconf _NPROCESSORS_ONLN)" \
            "$("$entropy" --version | sed -n 's/^compiler  *//p')" "$(date +%F)"
        (unset OPENBLAS_CORETYPE; "$build/time_stack" 4096)
    } >"$work/times"
    cp "$work/times" "$times.tsv"
}

times_page() {
    printf '# What a stack of a large matrix takes\n\n'
    sed -n 's/^# \(.*gcc.*\|.*clang.*\)$/\1; `make bitstack MACHINE='"$machine"'`./p' "$times.tsv"
    cat <<'END'
A normal matrix of 4096 x 4096 is taken apart into 16 blocks of rank 16, blocks are added from a stack in a file (cached), and one full
SVD is found by LAPACK ([bitstack.tsv](bitstack.tsv)); [what stacks are for](../../bitstack.md).

END
    awk -F '\t' '
        function range(least, most, digits) { return sprintf("%.*f to %.*f", digits, least, digits, most) }
        /^#/ { next }
        $1 == "block" || $1 == "block added" { added = $1 != "block"; next }
        $1 == "all" { all = $2; next }
        $1 == "full SVD" { svd = $2; next }
        { a = added; if (!n[a]++ || $2 < least[a]) least[a] = $2; if ($2 > most[a]) most[a] = $2; last[a] = $3; if (!(a in first)) first[a] = $3 }
        END {
            print "| | |\n|---|---|"
            printf "| a block, randomized | %s s |\n| %d blocks | %.1f s |\n", range(least[0], most[0], 2), n[0], all
            printf "| one full SVD | %.1f s: %d levels by it would take %.0f s |\n", svd, n[0], n[0] * svd
            printf "| norm of what is left, of the whole | %.2f after one block, %.3f after all |\n", first[0], last[0]
            printf "| one block more | %s ms, %d bytes read: those of the block, 2.25 MiB as published |\n", range(least[1], most[1], 0), last[1]
        }' "$times.tsv"
}

case $part in all | sizes) sizes ;; esac
case $part in all | speeds) speeds ;; esac
if [ -e "$times.tsv" ]; then times_page >"$times.md"; fi
analyses/bitstack-page.sh >"$work/page.md"
cp "$work/page.md" "$results/bitstack.md"
if command -v gnuplot >/dev/null; then
    gnuplot -c analyses/plots/bitstack.gp "$results/bitstack.tsv" "$results/bitstack"
else
    echo "no gnuplot on this machine: the tables are there, the figure is not" >&2
fi
