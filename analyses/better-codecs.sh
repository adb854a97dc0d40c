#!/bin/sh
# better-codecs.sh BUILD - what dependence there is in weights, and what codecs that use it gain: sizes into
# results/better-codecs.tsv, the same bytes each time; with speeds of this machine into better-codecs.md and .svg.
set -eu
cd "$(dirname "$0")/.."
entropy=${1:-build}/entropy
results=results/better-codecs
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

# measure MODEL LABEL: a line each: label, name, codec, bound, bits, encode and decode GB/s, decode/memcpy
measure() {
    while IFS='	' read -r name codec; do
        "$entropy" bench "$1" --threads 1 --sample 8Mi --runs 3 --seconds 4 --quiet --json --codec "$codec" |
            awk -v OFS='\t' -v model="$2" -v name="$name" -v codec="$codec" '
                function value(key) { return match($0, "\"" key "\":[^,}]*") ? substr($0, RSTART + length(key) + 3, RLENGTH - length(key) - 3) : 0 }
                !/"codec":"memcpy"/ { printf "%s\t%s\t%s\t%.4f\t%.4f\t%.3g\t%.3g\t%.3g\n", model, name, codec, value("bound_bits"),
                    value("bits_per_weight"), value("encode_gbps"), value("decode_gbps"), value("decode_gbps") / value("memcpy_gbps") }'
    done <"$work/codecs"
}

{
    measure $shipped gutenberg-llama-4.7m
    measure "$work/spread.safetensors" 'normal, rows spread 0.3'
    measure "$work/normal.safetensors" 'normal'
} >"$work/measured"

# The first model's codecs above what context mixing reaches.
if command -v gnuplot >/dev/null; then
    { printf 'model\tcodec\ttext\tbound\tbits a weight\tencode GB/s\tdecode GB/s\tof memcpy\n'; cat "$work/measured"; } >"$work/figure.tsv"
    gnuplot -c analyses/plots/better-codecs.gp "$work/figure.tsv" "$work/figure" gutenberg-llama-4.7m \
        "$(awk -F '\t' '$1 == "gutenberg-llama-4.7m" && $2 == "context mixing" { print $5 }' "$work/measured")"
    mv "$work/figure.svg" $results.svg
else
    echo "no gnuplot on this machine: the tables are there, the figure is not" >&2
fi

# Row classes on rows that differ: what rows know, whole files, and decoding without and with classes in one run.
information=$("$entropy" stats "$work/spread.safetensors" --dependence --context row --quiet --json |
    sed -n 's/.*"scope":"model".*"field":"exponent","context":"row".*"information":\([^,]*\),.*/\1/p')
for codec in planar-rans planar-rans-rows; do
    "$entropy" compress "$work/spread.safetensors" -o "$work/spread.$codec" --codec $codec --quiet >/dev/null
done
"$entropy" bench "$work/spread.safetensors" --threads 1 --runs 9 --quiet --json --codec planar-rans --codec planar-rans-rows |
    sed -n 's/.*"codec":"planar-rans[^}]*"decode_gbps":\([^,]*\),.*/\1/p' >"$work/gbps"

{
    printf 'model\tcodec\ttext\tbound\tbits a weight\tgain\n'
    awk -F '\t' -v OFS='\t' '$2 == "exponents alone" { plain = $5 } { printf "%s\t%s\t%s\t%s\t%s\t%.4f\n", $1, $2, $3, $4, $5, plain - $5 }' "$work/measured"
} >$results.tsv

{
    cat <<'TEXT'
# What contexts are worth

`make better-codecs` writes this page and [better-codecs.tsv](better-codecs.tsv), whose sizes are the same each time. BF16, one thread,
8 MiB of each model (fewer weights are repeated); payload, tables and index counted. *Bound* is the order-0 entropy of the
codec's own fields: what uses contexts may go below it. *Gain* is against exponents alone.

![Bits per weight against decode speed, above what context mixing reaches](better-codecs.svg)

TEXT
    printf 'Speeds: %s, %s.\n\n' "$(sed -n 's/^model name[^:]*: *//p' /proc/cpuinfo | head -1)" "$(date +%F)"
    awk -F '\t' '
        $1 != model { model = $1; printf "%s## %s\n\n| codec | bound | bits a weight | gain | encode GB/s | decode GB/s | of memcpy |\n|---|---|---|---|---|---|---|\n", (NR > 1 ? "\n" : ""), model }
        $2 == "exponents alone" { plain = $5 }
        { printf "| %s (`%s`) | %s | %s | %.4f | %s | %s | %s |\n", $2, $3, $4, $5, plain - $5, $6, $7, $8 }' "$work/measured"
    awk -v information="$information" -v plain="$(wc -c <"$work/spread.planar-rans")" -v rows="$(wc -c <"$work/spread.planar-rans-rows")" '
        { gbps[NR] = $1 }
        END {
            saved = 8 * (plain - rows) / (4 * 2 ^ 20)
            printf "\n## How much of what rows know is saved\n\n4 Mi normal weights whose rows differ in scale (log-normal, 0.3): "
            printf "I(exponent; row) is %.4f bits. Whole files, by\n`entropy compress`: %d bytes by `planar-rans`, %d by `planar-rans-rows`; ", information, plain, rows
            printf "%.4f bits a weight saved, **%.0f %%** of it.\nDecoding, in one run: %.3g GB/s without classes, %.3g with them, **%.2f** of it.\n", saved, 100 * saved / information, gbps[1], gbps[2], gbps[2] / gbps[1]
        }' "$work/gbps"
    cat <<'TEXT'

## Where it comes from

`entropy stats gutenberg-llama-4.7m --dependence`: information of contexts about a field, less what chance alone would show.

```
TEXT
    "$entropy" stats $shipped --dependence --quiet | sed -n '/what depends on what/,$p'
    printf '```\n'
} >$results.md
