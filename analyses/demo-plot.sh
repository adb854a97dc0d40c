#!/bin/sh
# demo-plot.sh FOLDER TIMES - the picture of the README, TIMES.svg: what the bits of a weight hold by FOLDER/entropy.tsv, and how small and fast
# codecs are by FOLDER/sizes.tsv and TIMES.tsv; called by demo.sh.
set -eu
cd "$(dirname "$0")/.."
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
export LC_ALL=C

awk -F '\t' -v OFS='\t' '
    NR == 1 { for (i = 1; i <= NF; i++) at[$i] = i; print "row", "field", "stored", "held"; next }
    $at["scope"] == "model" && $at["estimator"] == "plugin" && $at["field"] ~ /^(sign|exponent|mantissa)$/ {
        field = $at["field"]
        print n++, field, field == "sign" ? 1 : field == "exponent" ? 8 : 7, $at["bits"]
    }' "$1/entropy.tsv" >"$work/fields"
awk -F '\t' -v OFS='\t' '
    FNR == 1 { delete at; for (i = 1; i <= NF; i++) at[$i] = i; if (NR == FNR) print "codec", "bits_per_weight", "speed", "kind"; next }
    NR == FNR { speed[$at["codec"]] = $at["decode_per_memcpy"]; next }
    {
        codec = $at["codec"]
        kind = codec ~ /^(tiered|planar-rans)$/ ? "ours" : codec ~ /^(zstd|lz4|huff-llm|dfloat11|zipnn|neuzip|zipserv|unweight)$/ ? "published" : "other"
        if (codec in speed) print codec, $at["bits_per_weight"], speed[codec], kind
    }' "$2.tsv" "$1/sizes.tsv" >"$work/codecs"
# Of what lies in a row just above the bound one label.
awk -F '\t' -v OFS='\t' '
    NR == 1 { print "text", "bits_per_weight", "speed", "kind"; next }
    $4 == "other" { next }
    $2 >= 11 { print $1, $2, $3, $4; next }
    {
        k = $4
        if (!(k in text)) { text[k] = $1; bits[k] = $2; speed[k] = $3; next }
        text[k] = text[k] ", " $1
        if (k == "ours" ? $3 < speed[k] : $3 > speed[k]) speed[k] = $3
        if ($2 > bits[k]) bits[k] = $2
    }
    END { for (k in text) print text[k], bits[k], speed[k], k == "ours" ? k : "row" }' "$work/codecs" >"$work/labels"
bound=$(awk -F '\t' 'NR == 1 { for (i = 1; i <= NF; i++) at[$i] = i; next } $at["codec"] == "planar-rans" { print $at["bound_bits"]; exit }' "$1/sizes.tsv")
gnuplot -c analyses/plots/demo.gp "$work/fields" "$work/codecs" "$work/labels" "$2" 16 "$(awk 'NR > 1 { held += $4 } END { printf "%.1f", held }' "$work/fields")" "$bound"
