#!/bin/sh
# better-codecs.sh BUILD [sizes|speeds|page] - what dependence there is in weights, and what codecs that use it gain: sizes into
# $RESULTS/better-codecs.tsv and -files.tsv, the same bytes each time; speeds of this machine into $RESULTS/machines/$MACHINE/better-codecs.tsv,
# .md and .svg; then the page.  One part alone where it is named.
set -eu
cd "$(dirname "$0")/.."
entropy=${1:-build}/entropy
part=${2:-all}
results=${RESULTS:-results}
machine=$(analyses/machine-name.sh)
times=$results/machines/$machine/better-codecs
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
export LC_ALL=C
shipped=datasets/gutenberg-llama-4.7m

"$entropy" dataset make normal -o "$work/spread.safetensors" --weights 4Mi --row-spread 0.3 --seed 1 --quiet
"$entropy" dataset make normal -o "$work/normal.safetensors" --weights 4Mi --seed 1 --quiet

# name, then the codec.  A symbol of 8 bits: the upper exponent bit, which says whether a weight is 2 or more, goes alone.
cat >"$work/codecs" <<'CODECS'
exponents alone	planar-rans
exponent and top mantissa bit	BF16: exponent:top1=rans exponent:low7+mantissa:top1=planar-rans rest=raw
exponent and two mantissa bits	rans-top2
row classes	planar-rans-rows
row classes, exponent and top mantissa bit	BF16: exponent:top1=rans exponent:low7+mantissa:top1=planar-rans-classes rest=raw
context mixing	mixing
CODECS

# measure MODEL LABEL OPTION... : a line each: label, name, codec, bound, bits, encode and decode GB/s, decode/memcpy
measure() {
    of=$1 label=$2; shift 2
    while IFS='	' read -r name codec; do
        "$entropy" bench "$of" --threads 1 --sample 8Mi "$@" --quiet --json --codec "$codec" |
            awk -v OFS='\t' -v model="$label" -v name="$name" -v codec="$codec" '
                function value(key) { return match($0, "\"" key "\":[^,}]*") ? substr($0, RSTART + length(key) + 3, RLENGTH - length(key) - 3) : 0 }
                !/"codec":"memcpy"/ { printf "%s\t%s\t%s\t%.4f\t%.4f\t%.3g\t%.3g\t%.3g\n", model, name, codec, value("bound_bits"),
                    value("bits_per_weight"), value("encode_gbps"), value("decode_gbps"), value("decode_gbps") / value("memcpy_gbps") }'
    done <"$work/codecs"
}

measure_all() { # OPTION...
    measure $shipped gutenberg-llama-4.7m "$@"
    measure "$work/spread.safetensors" 'normal, rows spread 0.3' "$@"
    measure "$work/normal.safetensors" 'normal' "$@"
}

sizes() {
    measure_all --runs 1 --seconds 0 >"$work/measured"
    {
        printf 'model\tcodec\ttext\tbound\tbits a weight\tgain\n'
        awk -F '\t' -v OFS='\t' '$2 == "exponents alone" { plain = $5 } { printf "%s\t%s\t%s\t%s\t%s\t%.4f\n", $1, $2, $3, $4, $5, plain - $5 }' "$work/measured"
    } >$results/better-codecs.tsv

    # Row classes on rows that differ: what rows know, and whole files without and with classes.
    for codec in planar-rans planar-rans-rows; do
        "$entropy" compress "$work/spread.safetensors" -o "$work/spread.$codec" --codec $codec --quiet >/dev/null
    done
    {
        printf 'information\tplanar-rans\tplanar-rans-rows\tsaved\n'
        printf '%s %d %d\n' "$("$entropy" stats "$work/spread.safetensors" --dependence --context row --quiet --json |
            sed -n 's/.*"scope":"model".*"field":"exponent","context":"row".*"information":\([^,]*\),.*/\1/p')" \
            "$(wc -c <"$work/spread.planar-rans")" "$(wc -c <"$work/spread.planar-rans-rows")" |
            awk -v OFS='\t' -v n=$((4 * 1024 * 1024)) '{ print sprintf("%.4f", $1), sprintf("%.3f", 8 * $2 / n), sprintf("%.3f", 8 * $3 / n), sprintf("%.4f", 8 * ($2 - $3) / n) }'
    } >$results/better-codecs-files.tsv
}

speeds() {
    mkdir -p "$results/machines/$machine"
    measure_all --runs 3 --seconds 4 >"$work/measured"
    {
        printf '# %s, one thread; %s; %s\n' "$(sed -n 's/^model name[^:]*: *//p' /proc/cpuinfo | head -1)" \
            "$("$entropy" --version | sed -n 's/^compiler  *//p')" "$(date +%F)"
        printf 'model\tcodec\tbits a weight\tencode GB/s\tdecode GB/s\tdecode/memcpy\n'
        cut -f 1,2,5- "$work/measured"
        "$entropy" bench "$work/spread.safetensors" --threads 1 --runs 9 --quiet --json --codec planar-rans --codec planar-rans-rows |
            awk -v OFS='\t' '
                function value(key) { match($0, "\"" key "\": *\"?[^,}\"]*"); v = substr($0, RSTART, RLENGTH); sub(/.*[:"]/, "", v); return v }
                !/"codec":"memcpy"/ { printf "normal, rows spread 0.3; in one run\t%s\t%.4f\t%.3g\t%.3g\t%.3g\n", value("codec"), value("bits_per_weight"),
                    value("encode_gbps"), value("decode_gbps"), value("decode_gbps") / value("memcpy_gbps") }'
    } >"$work/times"
    cp "$work/times" "$times.tsv"
}

times_page() {
    {
        printf '# What contexts cost to decode\n\n![Bits per weight against decode speed, above what context mixing reaches](better-codecs.svg)\n\n'
        sed -n 's/^# \(.*\)$/\1; `make better-codecs MACHINE='"$machine"'`./p' "$times.tsv"
        printf '8 MiB of each model (fewer weights are repeated), in memory; [sizes and what they mean](../../better-codecs.md).\n\n'
        awk -f analyses/markdown.awk "$times.tsv"
    } >"$times.md"
    # The first model's codecs above what context mixing reaches.
    if command -v gnuplot >/dev/null; then
        grep -v '^#' "$times.tsv" >"$work/figure.tsv"
        gnuplot -c analyses/plots/better-codecs.gp "$work/figure.tsv" "$work/figure" gutenberg-llama-4.7m \
            "$(awk -F '\t' '$1 == "gutenberg-llama-4.7m" && $2 == "context mixing" { print $3 }' "$times.tsv")" \
            "$(awk -F '\t' '$1 == "gutenberg-llama-4.7m" && $2 == "exponents alone" { print $4 }' $results/better-codecs.tsv)"
        mv "$work/figure.svg" "$times.svg"
    else
        echo "no gnuplot on this machine: the tables are there, the figure is not" >&2
    fi
}

page() {
    cat <<'TEXT'
# What contexts are worth

`make better-codecs` writes this page, [better-codecs.tsv](better-codecs.tsv) and [better-codecs-files.tsv](better-codecs-files.tsv) again byte for
byte, and what decoding costs into [machines/](machines/) ([one is there](machines/xeon-sapphire-rapids-2/better-codecs.md)). BF16,
8 MiB of each model (fewer weights are repeated); payload, tables and index counted. *Bound* is the order-0 entropy of the
codec's own fields: what uses contexts may go below it. *Gain* is against exponents alone.

TEXT
    awk -F '\t' '
        NR == 1 { next }
        $1 != model { model = $1; printf "%s## %s\n\n| codec | bound | bits a weight | gain |\n|---|---|---|---|\n", (NR > 2 ? "\n" : ""), model }
        { printf "| %s (`%s`) | %s | %s | %s |\n", $2, $3, $4, $5, $6 }' $results/better-codecs.tsv
    awk -F '\t' '
        NR == 1 { next }
        {
            printf "\n## How much of what rows know is saved\n\n4 Mi normal weights whose rows differ in scale (log-normal, 0.3): "
            printf "I(exponent; row) is %s bits. Whole files, by\n`entropy compress`, bits a weight: %s by `planar-rans`, %s by `planar-rans-rows`; ", $1, $2, $3
            printf "%s saved, **%.0f %%** of it.\n", $4, 100 * $4 / $1
        }' $results/better-codecs-files.tsv
    cat <<'TEXT'

## Where it comes from

`entropy stats gutenberg-llama-4.7m --dependence`: information of contexts about a field, less what chance alone would show.

```
TEXT
    "$entropy" stats $shipped --dependence --quiet | sed -n '/what depends on what/,$p'
    printf '```\n'
}

case $part in all | sizes) sizes ;; esac
case $part in all | speeds) speeds ;; esac
if [ -e "$times.tsv" ]; then times_page; fi
page >"$work/page.md"
cp "$work/page.md" $results/better-codecs.md
