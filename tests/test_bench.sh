#!/bin/sh
# test_bench.sh BUILD - the bench on a few symbols: it ends well, and every row is complete and verified.
set -u
cd "$(dirname "$0")/.."
build=${1:-build}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
passed=0 failed=0
check() { # WHAT COMMAND... : one check
    what=$1; shift
    if "$@"; then echo "ok $what"; passed=$((passed + 1)); else echo "FAILED: $what"; failed=$((failed + 1)); fi
}
column() { # NAME < TSV : the values of a column
    awk -F'\t' -v name="$1" 'NR == 1 { for (i = 1; i <= NF; i++) if ($i == name) at = i; next } { print $at }'
}
only() { # NAME VALUE : whether the column has this value alone
    [ "$(column "$1" <"$tsv" | sort -u)" = "$2" ]
}
holds() { # CONDITION of awk on the columns by name, true in every row
    awk -F'\t' 'NR == 1 { for (i = 1; i <= NF; i++) at[$i] = i; next } !('"$1"') { print; bad = 1 } END { exit bad || NR < 2 }' "$tsv"
}
has() { column "$1" <"$tsv" | grep -qx -e "$2"; }

tsv=$work/bench.tsv
check "builds" make --no-print-directory BUILD="$build" "$build/bench"
run() { "$build/bench" --quick --model datasets/gutenberg-llama-4.7m --symbols 65536 --rounds 1 --threads 2 -o "$tsv" --points "$work/points" >"$work/out"; }
check "runs" run

heading=$(head -n 1 "$tsv")
for name in data contestant kind version threads residency symbols block_bytes decodes bits_per_symbol entropy_bits \
            encode_gbps decode_gbps decode_median_gbps memcpy_gbps decode_ratio verified; do
    check "column $name" sh -c "printf '%s' \"\$1\" | tr '\t' '\n' | grep -qx $name" - "$heading"
done
check "every row is complete" awk -F'\t' 'NR == 1 { n = NF } NF != n { exit 1 } { for (i = 1; i <= NF; i++) if ($i == "") exit 1 }' "$tsv"
check "every row is verified" only verified 1
check "every row has the symbols asked for" only symbols 65536
for set in bf16-exponent bf16-word f16-word int8-code int4-code model-exponent model-word; do
    check "data $set" has data "$set"
done
for one in memory cache; do check "residency $one" has residency "$one"; done
for one in 1 2; do check "threads $one" has threads "$one"; done
for one in raw tiered planar-rans huffman wavelet-tree tans rans arithmetic; do check "contestant $one" has contestant "$one"; done
check "speeds are above zero, medians not above the fastest" holds \
    '$at["encode_gbps"] > 0 && $at["decode_gbps"] > 0 && $at["decode_median_gbps"] <= $at["decode_gbps"] * 1.0001 && $at["memcpy_gbps"] > 0'
check "raw takes what it must: a word, and little more" holds \
    '$at["contestant"] != "raw" || ($at["bits_per_symbol"] >= 8 * $at["symbol_bytes"] || $at["data"] == "int4-code") && $at["bits_per_symbol"] < 8.1 * $at["symbol_bytes"]'
check "coders of 4096 slots stay within 3 % of the entropy" holds \
    '$at["contestant"] !~ /^(rans|tans)$/ || $at["bits_per_symbol"] < 1.03 * $at["entropy_bits"]'
check "no order-0 coder of one table beats the entropy" holds \
    '$at["symbol_bytes"] != 1 || $at["contestant"] !~ /^(rans|tans|planar-rans|huffman|wavelet-tree|tiered|arithmetic)$/ || $at["bits_per_symbol"] >= $at["entropy_bits"]'
check "points for the figure" [ -s "$work/points-memory.tsv" -a -s "$work/points-cache.tsv" ]
for peer in zstd lz4 htscodecs libdeflate blosc; do # each takes part, or is said to be absent
    case $peer in htscodecs) row=hts ;; *) row=$peer ;; esac
    check "$peer takes part or is named" sh -c "awk -F'\t' '\$3 == \"peer\" && index(\$2, \"$row\") == 1 { n++ } END { exit !n }' '$tsv' || grep -q '^absent: $peer ' '$work/out'"
done
check "an unknown data set is refused" sh -c "! '$build/bench' --data nonsense --rounds 1 >/dev/null 2>&1"
if command -v gnuplot >/dev/null; then
    check "the figure" sh -c "gnuplot -c analyses/plots/bench.gp '$work/points-cache.tsv' '$work/figure' title 2>'$work/gnuplot' && [ -s '$work/figure.svg' ] && [ -s '$work/figure.pdf' ]"
fi
echo "$passed passed, $failed failed"
[ $failed -eq 0 ]
