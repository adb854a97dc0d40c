#!/bin/sh
# make.sh BUILD [data] - numbers, tables and figures from results/, then the report, into BUILD/paper; `data` stops before LaTeX.
#
# Every number in the text is a command of numbers.tex (numbers.list), every table is cut from a TSV (tables.sh), every figure is
# drawn by gnuplot from one: nothing measured is typed (tests/paper.sh).
# RESULTS=FOLDER: other results than results/; MACHINE=NAME: times of another machine in its machines/.
set -eu
cd "$(dirname "$0")/.."
out=${1:-build}/paper
results=${RESULTS:-results}
machine=$results/machines/${MACHINE:-xeon-sapphire-rapids-2} # whose times the report has
export LC_ALL=C
mkdir -p "$out"

# The machine's file as tables: its numbers, and a row for each rate.
awk -v OFS='\t' '
    function of(line, key,    value) {
        if (!match(line, key ": *(\"[^\"]*\"|[^,}]*)")) return ""
        value = substr(line, RSTART + length(key) + 1, RLENGTH - length(key) - 1)
        gsub(/^ *"?|"? *$/, "", value)
        return value
    }
    BEGIN { print "level", "key", "value" }
    /^name:/ { print "", "name", of($0, "name") }
    /^  (command|date|cpu):/ { key = $1; sub(/:/, "", key); print "", key, of($0, key) }
    /^  - name:/ { level = $3 }
    /\{ value:/ { key = $1; sub(/:/, "", key); print level, key, of($0, "value") }
    /^execution:/ { level = "core" }' $machine/*.yaml >"$out/machine.tsv"
awk -v OFS='\t' '
    BEGIN { print "codec", "dtype", "threads", "cache", "bits_per_weight", "gbps" }
    /^  - \{ codec:/ { gsub(/[{},"]/, ""); print $3, $5, $7, $9, $11, $13 }' $machine/*.yaml >"$out/rates.tsv"

# Median errors of predictions from operation counts alone, which the machine's page prints.
awk -v OFS='\t' 'BEGIN { print "dtype", "median" } /, decode GB.s/ { dtype = $1; sub(/,/, "", dtype) } /^median error:/ { print dtype, $3 }' \
    $machine/README.md >"$out/counts.tsv"

# Compiler and processor of the runs that were timed.
sed -n '1s/^# \(.*\), one thread; \(.*\); \(.*\)$/cpu	compiler	date\n\1	\2	\3/p' $machine/systems.tsv >"$out/run.tsv"

# Errors of predictions by size.
awk -F '\t' -v OFS='\t' 'NR == 1 { for (i = 1; i <= NF; i++) c[$i] = i; print $0, "size"; next }
    { e = $(c["error_percent"]); print $0, e < 0 ? -e : e }' $machine/errors.tsv >"$out/errors.tsv"

# All modelled targets as one table, one token at a time: the layers of Llama-3-8B, or of the model itself where that does not fit.
for page in $results/targets/*.tsv; do
    awk -F '\t' -v OFS='\t' -v target="$(basename "$page" .tsv)" '
        NR == 1 { heading = $0; next }
        $2 ~ /^one token at a time/ { of = $2 ~ /Llama-3-8B/ ? "Llama-3-8B" : "the model"; line[of, ++n[of]] = target "\t" of "\t" $0 }
        END {
            print "target", "layers", heading
            of = n["Llama-3-8B"] ? "Llama-3-8B" : "the model"
            for (i = 1; i <= n[of]; i++) print line[of, i]
        }' "$page"
done | awk 'NR == 1 || !/^target/' >"$out/targets.tsv"

# Sizes beside the speed of the same codec on the machine.
awk -F '\t' -v OFS='\t' '
    FNR == 1 { for (i = 1; i <= NF; i++) c[FILENAME, $i] = i; if (FILENAME ~ /sizes/) print $0, "gbps 1", "gbps 2", "warm 1", "of memcpy"; next }
    FILENAME ~ /demo.tsv/ { of_memcpy[$(c[FILENAME, "codec"])] = $(c[FILENAME, "decode_per_memcpy"]); next }
    FILENAME ~ /rates/ {
        if ($(c[FILENAME, "dtype"]) == "BF16") rate[$(c[FILENAME, "codec"]), $(c[FILENAME, "threads"]), $(c[FILENAME, "cache"])] = $(c[FILENAME, "gbps"])
        next
    }
    { codec = $(c[FILENAME, "codec"]); print $0, rate[codec, 1, "cold"], rate[codec, 2, "cold"], rate[codec, 1, "warm"], of_memcpy[codec] }' \
    "$out/rates.tsv" $machine/demo.tsv $results/demo/sizes.tsv >"$out/codecs.tsv"
awk -F '\t' -v OFS='\t' '
    /^#/ { next }
    FILENAME ~ /machines/ { if ($1 != "system") gbps[$1] = $3; next }
    $1 == "system" { print $0, "decode GB/s"; next }
    { print $0, gbps[$1] }' $machine/systems.tsv $results/systems.tsv >"$out/systems.tsv"

grep -v '^#' $machine/better-codecs.tsv >"$out/contexts.tsv"

# Huff-LLM's tables of one kind together.
awk 'FNR == 1 && NR > 1 { next } { print }' $results/huff-llm/table1.tsv $results/huff-llm/table5.tsv >"$out/huffllm-bits.tsv"
awk 'FNR == 1 && NR > 1 { next } { sub(/ cut, %/, ""); print }' $results/huff-llm/table6.tsv $results/huff-llm/table7.tsv $results/huff-llm/study256.tsv >"$out/huffllm-cuts.tsv"

# Sizes at which blocks sorted by predicted loss give a lower perplexity than those tried one by one.
awk -F '\t' -v OFS='\t' '
    BEGIN { print "model", "sizes", "better", "uncompressed" }
    { model = FILENAME; gsub(/.*\/|\.tsv/, "", model) }
    FNR == 1 { for (i = 1; i <= NF; i++) c[$i] = i; sizes = better = 0; next }
    /^# uncompressed/ { print model, sizes, better, $2; next }
    { sizes++; better += $(c["by predicted loss"]) + 0 < $(c["by perplexity"]) + 0 }' $results/bitstack.tsv $results/bitstack-stories.tsv >"$out/bitstack.tsv"

# Of each method the largest setting within 3 and within 4 bits, lowest perplexity first.
for most in 3 4; do
    awk -F '\t' -v OFS='\t' -v most=$most '
        NR == 1 { for (i = 1; i <= NF; i++) c[$i] = i; next }
        {
            family = $(c["family"]); bits = $(c["coded bits"]) + 0
            if (family != "levels" && bits <= most + 0.005 && bits > largest[family]) { largest[family] = bits; row[family] = $0 }
        }
        END { for (family in row) print most, row[family] }' $results/quality.tsv | sort -t "$(printf '\t')" -k 8,8n
done >"$out/quality.part"
{ printf 'most\t'; head -n 1 $results/quality.tsv; cat "$out/quality.part"; } >"$out/quality.tsv"
rm "$out/quality.part"

# Bits, coded, at which the methods made for a coder come to the KL divergence of others: straight lines in its logarithm.
awk -F '\t' -v OFS='\t' '
    NR == 1 { for (i = 1; i <= NF; i++) c[$i] = i; next }
    { n++; family[n] = $(c["family"]); name[n] = $(c["pipeline"]); bits[n] = $(c["coded bits"]); plain[n] = $(c["plain bits"]); kl[n] = $(c["KL nats"]) }
    function at(method, want,    i, last) {
        for (i = 1; i <= n; i++) {
            if (family[i] != method) continue
            if (last && kl[last] >= want && kl[i] <= want)
                return bits[last] + (bits[i] - bits[last]) * log(kl[last] / want) / log(kl[last] / kl[i])
            last = i
        }
    }
    END {
        print "pipeline", "plain", "step", "step-budget", "watersic", "watersic-budget"
        for (i = 1; i <= n; i++) if (family[i] == "levels") print name[i], plain[i], at("step", kl[i]), at("step-budget", kl[i]), at("watersic", kl[i]), at("watersic-budget", kl[i])
    }' $results/quality.tsv >"$out/equal.tsv"

awk -v out="$out" -v results="$results" -f paper/rows.awk -f paper/numbers.awk paper/numbers.list >"$out/numbers.tex.part"
mv "$out/numbers.tex.part" "$out/numbers.tex"
paper/tables.sh "$out"
[ "${2:-}" != data ] || exit 0

# Figures of results/ were drawn there, by gnuplot and from the same tables.
for figure in $(sed -n 's/.*\\includegraphics\[[^]]*\]{\([^}]*\)}.*/\1/p' paper/*.tex); do
    for svg in "$results/$figure.svg" "$machine/$figure.svg"; do
        [ ! -e "$svg" ] || rsvg-convert -f pdf -o "$out/$figure.pdf" "$svg"
    done
done
gnuplot -c paper/coverage.gp $results/coverage.tsv "$out/coverage.pdf"
# LaTeX runs in the build folder.
cp paper/*.tex "$out/"
# The style knows no eprints.
sed 's|eprint = {\([^}]*\)}, archiveprefix = {arXiv}|url = {https://arxiv.org/abs/\1}|' paper/refs.bib >"$out/refs.bib"
cd "$out"
if ! latexmk -pdf -interaction=nonstopmode -halt-on-error -quiet main.tex >latexmk.out 2>&1; then
    grep -A 4 '^!' main.log >&2 || tail -n 20 latexmk.out >&2
    exit 4
fi
if grep -E 'Warning: .*undefined|multiply defined|^Overfull \\hbox \(([2-9]|[0-9]{2,})' main.log >&2; then
    echo "paper: LaTeX complains (above); see $out/main.log" >&2
    exit 1
fi
pages=$(sed -n 's/^Output written on main.pdf (\([0-9]*\) pages.*/\1/p' main.log)
cp main.pdf "$OLDPWD/paper/main.pdf"
echo "paper/main.pdf: $pages pages, $(grep -c newcommand numbers.tex) numbers, $(ls table-*.tex | wc -l) tables"
