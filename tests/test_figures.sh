#!/bin/sh
# test_figures.sh BUILD - what `entropy stats -o FOLDER` writes: tables and figures, against values known in advance.
set -u
cd "$(dirname "$0")/.."
. tests/cases.sh

is() { [ "$1" = "$2" ]; }
# value FILE.tsv COLUMN KEY=TEXT... : of the rows where all columns KEY have their TEXT
value() {
    file=$1 column=$2; shift 2
    awk -F '\t' -v column="$column" -v keys="$*" '
        NR == 1 { for (i = 1; i <= NF; i++) at[$i] = i; n = split(keys, key, " "); next }
        { for (i = 1; i <= n; i++) { split(key[i], k, "="); if ($at[k[1]] != k[2]) next }; print $at[column] }' "$file"
}
sums() { # FILE.tsv COLUMN TOTAL
    awk -F '\t' -v column="$2" -v total="$3" '
        NR == 1 { for (i = 1; i <= NF; i++) at[$i] = i; next }
        { sum += $at[column] }
        END { exit !(sum > total - 1e-6 && sum < total + 1e-6) }' "$1"
}
parts_add_up() { # a gap's parts are its size, exactly
    awk -F '\t' 'NR > 1 { d = $3 - $4 - $5 - $6 - $7 - $8 - $9; if (d > 1e-6 || d < -1e-6) exit 1 } END { exit NR < 10 }' "$1"
}
same_rows() { # the TSV and the JSON lines: scope, name, field, bits
    "$entropy" stats "$1" --json | sed -n 's/^{"scope":"\([^"]*\)","name":"\([^"]*\)".*"field":"\([^"]*\)".*"bits":\([-0-9.e]*\).*/\1 \2 \3 \4/p' |
        awk '{ printf "%s %s %s %.6f\n", $1, $2, $3, $4 }' | sort >"$work/json.rows"
    awk -F '\t' 'NR > 1 { printf "%s %s %s %.6f\n", $1, $2, $5, $8 }' "$2" | sort >"$work/tsv.rows"
    [ -s "$work/tsv.rows" ] && cmp "$work/json.rows" "$work/tsv.rows"
}

# two layers of four BF16 words: 1, 1, 2, 2 has exponents of one bit of entropy; 1, 1, 1, 1 of none.  The norm: none.
header='{"model.layers.0.mlp.up_proj.weight":{"dtype":"BF16","shape":[4],"data_offsets":[0,8]},"model.layers.1.mlp.up_proj.weight":{"dtype":"BF16","shape":[4],"data_offsets":[8,16]},"model.norm.weight":{"dtype":"BF16","shape":[4],"data_offsets":[16,24]}}'
{
    printf '%b' "\\0$(printf '%o' $((${#header} % 256)))\\0$(printf '%o' $((${#header} / 256)))\\0\\0\\0\\0\\0\\0"
    printf '%s' "$header"
    printf '\200\077\200\077\000\100\000\100'
    printf '\200\077\200\077\200\077\200\077'
    printf '\200\077\200\077\200\077\200\077'
} >"$work/two.safetensors"
two=$work/two
check "known weights" status 0 "$entropy" stats "$two.safetensors" -o "$two" --interval
check "the table has the bit of layer 0" is "$(value "$two/stats.tsv" bits scope=tensor field=exponent name=model.layers.0.mlp.up_proj.weight)" 1.000000
check "and its role, with half of the words" is "$(value "$two/stats.tsv" bits scope=role field=exponent name=up_proj)" 0.811278
layers=$two/figures/layers-two.safetensors-BF16.tsv
check "the map has a bit in layer 0" is "$(value "$layers" bits role=up_proj layer=0)" 1.000000
check "none in layer 1" is "$(value "$layers" bits role=up_proj layer=1)" 0.000000
check "and the norm in no layer" is "$(value "$layers" bits role=norm layer=-1)" 0.000000
exponents=$two/figures/exponents-two.safetensors-BF16.tsv
check "ten exponents of twelve are 127" is "$(value "$exponents" measured field=127 exponent=0)" 0.833333333
check "two are 128" is "$(value "$exponents" measured field=128 exponent=1)" 0.166666667
check "Markdown has the sums" grep -q '^| whole model | 12 | 0.0000 | 0.6500 |' "$two/stats.md"
check "LaTeX escapes names" grep -q '^up\\_proj & 8 & ' "$two/stats.tex"
check "LaTeX tables begin and end" is "$(grep -c '^.begin{tabular}' "$two/stats.tex")" "$(grep -c '^.end{tabular}' "$two/stats.tex")"

model=$work/normal.safetensors all=$work/all
"$entropy" dataset make normal -o "$model" --weights 65536 --quiet
check "a generated model" status 0 "$entropy" stats "$model" -o "$all" --dependence --threads 1
check "the rows of TSV are those of JSON" same_rows "$model" "$all/stats.tsv"
figures=$all/figures base=normal.safetensors-BF16
check "shares of exponents are a whole" sums "$figures/exponents-$base.tsv" measured 1
check "so are those of the laws" sums "$figures/exponents-$base.tsv" best_laws 1
check "normal weights: the best law is normal" is "$(value "$all/fits.tsv" law rank=1)" normal
check "five laws are there" is "$(wc -l <"$all/fits.tsv")" 6
check "moments are there" is "$(value "$all/moments.tsv" weights role=other)" 65536
check "dependence is there" grep -q '^model.*exponent.*row' "$all/dependence.tsv"
check "intervals are there" none is "$(value "$two/stats.tsv" low scope=model field=exponent)" ""
check "seven bits of mantissa" is "$(wc -l <"$figures/mantissa-$base.tsv")" 8
check "parts of a codec's size add up" parts_add_up "$figures/gap-$base.tsv"
check "raw weights take 16 bits" is "$(value "$figures/gap-$base.tsv" bound codec=raw)" 16

if command -v gnuplot >/dev/null; then
    for f in "exponents-$base" "mantissa-$base" "gap-$base"; do
        check "$f is drawn" test -s "$figures/$f.svg" -a -s "$figures/$f.pdf"
    done
    check "a map is drawn" test -s "${layers%.tsv}.svg" -a -s "${layers%.tsv}.pdf"
    check "gnuplot has nothing to say" test ! -s "$work/err"
    if command -v xmllint >/dev/null; then
        check "SVG is well-formed" xmllint --noout "$figures"/*.svg "${layers%.tsv}.svg"
    fi
    check "every codec has its label" is "$(for c in $(cut -f 2 "$figures/gap-$base.tsv" | sed 1d); do grep -c ">$c<" "$figures/gap-$base.svg"; done | sort -u)" 1
fi
"$entropy" stats "$model" -o "$work/again" --dependence --threads 3 --quiet >/dev/null
rm -f "$figures"/*.svg "$figures"/*.pdf "$work"/again/figures/*.svg "$work"/again/figures/*.pdf
check "the same on any number of threads" diff -r "$all" "$work/again"
mkdir "$work/nothing"
check "without gnuplot all data are written" status 0 env PATH="$work/nothing" "$entropy" stats "$model" -o "$work/data" --dependence
check "and it says so" grep -q "no gnuplot" "$work/err"
check "they are the same" diff -r "$all" "$work/data"

"$entropy" stats "$model" --save-counts "$work/counts" --quiet >/dev/null
check "counts alone" status 0 "$entropy" stats --counts "$work/counts" -o "$work/counted"
check "give no fits" test ! -e "$work/counted/fits.tsv"
check "but the same exponents" is "$(cut -f 3 "$work/counted/figures/exponents-sum-BF16.tsv")" "$(awk -F '\t' '$3 > 0' "$figures/exponents-$base.tsv" | cut -f 3)"
check "two models are wrong usage" status 2 "$entropy" stats "$model" "$model" -o "$work/x"
check "so is --estimate" status 2 "$entropy" stats "$model" --estimate -o "$work/x"
check "a folder that cannot be made is named" status 4 "$entropy" stats "$model" -o "$model/x"
check "with its name" grep -q "normal.safetensors/x" "$work/err"
check "no temporary file stays" is "$(find "$work" -name '*.part')" ""

echo "$passed passed, $failed failed"
[ $failed -eq 0 ]
