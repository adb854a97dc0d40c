#!/bin/sh
# test_report.sh BUILD - `entropy run` and `entropy report` from outside, on a tiny generated model.
set -u
cd "$(dirname "$0")/.."
. tests/cases.sh

same_tables() { # DIR DIR
    for table in sizes entropy predictions; do
        for kind in tsv md tex; do cmp "$1/$table.$kind" "$2/$table.$kind" || return 1; done
    done
}
# value FILE.tsv MODEL CODEC COLUMN
value() {
    awk -F '\t' -v model="$2" -v codec="$3" -v column="$4" '
        NR == 1 { for (i = 1; i <= NF; i++) at[$i] = i; next }
        $at["model"] == model && $at["codec"] == codec { print $at[column] }' "$1"
}
is() { [ "$1" = "$2" ]; }
holds() { awk "BEGIN { exit !($1) }"; } # an awk expression of numbers
failed_size() { [ -n "$(value "$work/bad/sizes.tsv" "$work/$1" "$2" size_problem)" ]; }
bits() { value "$work/one/sizes.tsv" tiny "$1" "$2"; }

plan() { # FILE EXTRA-MODELS
    cat >"$1" <<END
name: tiny
models: [$2]
generated:
  - { name: tiny, make: normal, dtype: BF16, weights: 20000, seed: 3 }
codecs: [raw, huffman, huff-llm]
targets: [host, huff-llm-systolic-64]
measures: [word-intervals, size, speed, predict]
runs: 2
sample_mib: 1
END
}

plan "$work/good.yaml" ""
check "a plan runs" status 0 "$entropy" run "$work/good.yaml" -o "$work/one" --threads 1
check "and says what it did" grep -q "7 cells done" "$work/out"
check "its report is written" status 0 "$entropy" report "$work/one"
check "it runs again" status 0 "$entropy" run "$work/good.yaml" -o "$work/two" --threads 2 --quiet
"$entropy" report "$work/two" --quiet --no-figures >/dev/null
check "with the same tables, byte for byte" same_tables "$work/one" "$work/two"
# 10.4638 bits: the sum over all words by the normal law itself.  The plug-in is below what the interval holds.
words=$(awk -F '\t' '$5 == "word" && $6 == "plugin" { print ($8 < $10 && $10 < 10.4638 && 10.4638 < $11) }' "$work/one/entropy.tsv" | tr -d '\n')
check "intervals of words hold the truth, of role and model" is "$words" 11
sed 's/word-intervals/stats/' "$work/good.yaml" >"$work/plain.yaml"
check "they are made where asked for" status 0 "$entropy" run "$work/plain.yaml" -o "$work/plain" --quiet
"$entropy" report "$work/plain" --quiet --no-figures >/dev/null
none_of_words() { awk -F '\t' '$5 == "word" && $10 $11 != "" { bad = 1 } $5 == "exponent" && $10 == "" { bad = 1 } END { exit bad }' "$1"; }
check "and of fields alone elsewhere" none_of_words "$work/plain/entropy.tsv"
raw=$(bits raw bits_per_weight) coded=$(bits huffman bits_per_weight) gap=$(bits huffman gap_bits)
check "uncoded weights take 16 bits and an index" holds "$raw >= 16 && $raw < 16.1"
check "coded ones fewer, but not below their bound" holds "$coded < 11 && $gap > 0"
check "and were verified" is "$(bits huffman verified)" 1
check "speeds stand beside a memcpy" holds "$(value "$work/one/times.tsv" tiny huffman memcpy_gbps) > 0"
check "the array decodes its own codec" is "$(value "$work/one/predictions.tsv" tiny huff-llm limit)" memory
check "and not one of 256 symbols" is "$(value "$work/one/predictions.tsv" tiny huffman outcome)" unsupported
check "no temporary file stays" none ls "$work"/one/*.part "$work"/one/.*.part

figure=$work/one/figures/pareto-tiny-host
if command -v gnuplot; then
    check "figures are drawn" ls "$figure.svg" "$figure.pdf" "$work/one/figures/bits-tiny.svg"
    if command -v xmllint; then
        check "SVG is well-formed" xmllint --noout "$work"/one/figures/*.svg
    else
        check "SVG begins" grep -q '^<?xml' "$figure.svg"
        check "SVG ends" grep -q '^</svg>' "$figure.svg"
    fi
    labels=$(for codec in raw huffman huff-llm; do grep -c ">$codec<" "$figure.svg"; done | sort -u)
    check "every codec has its label" is "$labels" 1
fi >"$work/figures.log"
grep -E "^(ok|FAILED)" "$work/figures.log"
cp "$work/one/sizes.tsv" "$work/sizes.before"
mkdir "$work/nothing"
rm -r "$work/one/figures"
check "without gnuplot the tables are written still" status 0 env PATH="$work/nothing" "$entropy" report "$work/one"
check "and it says so" grep -q "no gnuplot" "$work/err"
check "the tables are the same" cmp "$work/one/sizes.tsv" "$work/sizes.before"

# a model that cannot be read is a record, and the others are done
printf '\377\0\0\0\0\0\0\0{"a":' >"$work/broken.safetensors"
plan "$work/bad.yaml" "$work/broken.safetensors, $work/absent.safetensors"
check "a run with a broken model ends with status 3" status 3 "$entropy" run "$work/bad.yaml" -o "$work/bad"
check "and names it" grep -q "broken.safetensors" "$work/err"
"$entropy" report "$work/bad" --quiet --no-figures >/dev/null
check "the failure is in the table" failed_size broken.safetensors huffman
check "so is the file that is not there" failed_size absent.safetensors raw
other=$(value "$work/bad/sizes.tsv" tiny huffman bits_per_weight)
check "the other model is there as well" is "$other" "$coded"

cp "$work/bad/times.tsv" "$work/times.before"
check "again, what failed is left alone, and said" status 1 "$entropy" run "$work/bad.yaml" -o "$work/bad"
check "and so is all else" grep -q "0 cells done, 21 kept, 14 failed before" "$work/out"
check "tried again, it still fails" status 3 "$entropy" run "$work/bad.yaml" -o "$work/bad" --retry-failed
check "having done only what failed" grep -q "14 cells done, 7 kept, 14 failed" "$work/out"
"$entropy" report "$work/bad" --quiet --no-figures >/dev/null
speed=$(value "$work/times.before" tiny huffman decode_gbps)
check "and not measured the rest again" is "$(value "$work/bad/times.tsv" tiny huffman decode_gbps)" "$speed"
check "records of another plan are refused" status 2 "$entropy" run "$work/good.yaml" -o "$work/bad"

for i in 1 2 3; do "$entropy" run "$work/good.yaml" -o "$work/shards" --shard $i/3 --quiet; done
check "three shards report" status 0 "$entropy" report "$work/shards" --no-figures
check "as the whole does" same_tables "$work/shards" "$work/one"
check "a shard out of range is wrong usage" status 2 "$entropy" run "$work/good.yaml" -o "$work/x" --shard 4/3

check "as JSON there is a line a cell" status 0 "$entropy" run "$work/good.yaml" -o "$work/json" --json
lines=$(grep -c '^{"cell":[0-6],.*"bits_per_weight":.*"decode_gbps":.*}$' "$work/out")
check "with the keys of the columns" is "$lines" 7

sed 's/^targets/tragets/' "$work/good.yaml" >"$work/typo.yaml"
check "a misspelt key is damaged input" status 3 "$entropy" run "$work/typo.yaml" -o "$work/x"
check "named with its line" grep -q "typo.yaml:6: .*tragets" "$work/err"
check "a plan that is not there is wrong usage" status 2 "$entropy" run "$work/none.yaml" -o "$work/x"
check "a folder without records is wrong usage" status 2 "$entropy" report "$work/nothing"
printf 'no HDF5' >"$work/nothing/records.h5"
check "and damaged records are damaged input" status 3 "$entropy" report "$work/nothing"

echo "$passed passed, $failed failed"
[ $failed -eq 0 ]
