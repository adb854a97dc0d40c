#!/bin/sh
# tables.sh OUT - the report's tables as OUT/table-NAME.tex, each cut from one TSV of results/ or of OUT (make.sh).
#
# table NAME FILE CONDITION ALIGN, then on standard input a line a column: heading, column, format (table.awk).  A "|" stands for a tab.
set -eu
cd "$(dirname "$0")"
out=$(cd .. && cd "$1" && pwd)
cd ..
results=${RESULTS:-results}

table() {
    tr '|' '\t' | align=$4 awk -v file="$2" -v where="$3" -f paper/rows.awk -f paper/table.awk >"$out/table-$1.tex.part"
    mv "$out/table-$1.tex.part" "$out/table-$1.tex"
}

awk -F '\t' -v OFS='\t' 'NR > 1 { $5 = $5 ~ /sign.exponent/ ? "given" : $5 } { print }' $results/demo/entropy.tsv >"$out/fields.tsv"
table fields "$out/fields.tsv" 'estimator=miller-madow' 'lrrrrrrr' <<'COLUMNS'
role|name
weights|count|count
sign|bits@field=sign|%.4f
exponent|bits@field=exponent|%.4f
error|stderr_bits@field=exponent|%.4f
mantissa|bits@field=mantissa|%.4f
given|bits@field=given|%.4f
word|bits@field=word|%.3f
COLUMNS

table codecs "$out/codecs.tsv" '' 'lrrrrrrr' <<'COLUMNS'
codec|codec
bits|bits_per_weight|%.3f
bound|bound_bits|%.3f
gap|gap_bits|%.3f
1 thread|gbps 1|%.2f
2 threads|gbps 2|%.2f
warm|warm 1|%.2f
of memcpy|of memcpy|%.2f
COLUMNS

table contexts $results/better-codecs.tsv '' 'lrrrrrr' <<'COLUMNS'
codec|codec
shipped|bits a weight@model=gutenberg-llama-4.7m|%.3f
(gain)|gain@model=gutenberg-llama-4.7m|(%.3f)
rows spread|bits a weight@model=normal, rows spread 0.3|%.3f
(gain)|gain@model=normal, rows spread 0.3|(%.3f)
normal|bits a weight@model=normal|%.3f
(gain)|gain@model=normal|(%.3f)
COLUMNS

table formats "$out/errors.tsv" 'threads=1' 'lrrrrrrrr' <<'COLUMNS'
codec|codec
BF16|measured_gbps@dtype=BF16|%.2f
error \%|error_percent@dtype=BF16|%.1f
F16|measured_gbps@dtype=F16|%.2f
error \%|error_percent@dtype=F16|%.1f
F32|measured_gbps@dtype=F32|%.2f
error \%|error_percent@dtype=F32|%.1f
INT8|measured_gbps@dtype=I8|%.2f
error \%|error_percent@dtype=I8|%.1f
COLUMNS

table targets "$out/targets.tsv" '' 'lrrrrrrrll' <<'COLUMNS'
target|target
uncoded/s|tokens_per_second@codec=raw|%g
tiered|over_uncoded@codec=tiered|%.2f
planar|over_uncoded@codec=planar-rans|%.2f
huffman|over_uncoded@codec=huffman|%.2f
zipserv|over_uncoded@codec=zipserv|%.2f
huff-llm|over_uncoded@codec=huff-llm|%.2f
zstd|over_uncoded@codec=zstd|%.2f
bound|bound_by@codec=planar-rans
status|bound_by_status@codec=planar-rans
COLUMNS

table published $results/published.tsv '' 'llrrrrll>{\raggedright\arraybackslash}p{29mm}' <<'COLUMNS'
rule|paper
paper|paper|cite
table|table
cells|published
compared|compared
within|within
all|within for every set
tolerance|tolerance
worst|largest difference
the others need|what is left needs
COLUMNS

table huffllm-bits "$out/huffllm-bits.tsv" '' 'lllrrrrrrr' <<'COLUMNS'
rule|model
model|model
format|format
quantity|quantity
published|published|%.2f
normal|ours@weights=normal|%.2f
diff.|difference@weights=normal|%+.2f
rows spread|ours@weights=normal, rows spread|%.2f
diff.|difference@weights=normal, rows spread|%+.2f
shipped|ours@weights=gutenberg-llama-4.7m|%.2f
diff.|difference@weights=gutenberg-llama-4.7m|%+.2f
COLUMNS

table huffllm-cuts "$out/huffllm-cuts.tsv" '' 'lllrrrrrrrrl' <<'COLUMNS'
model|model
quantity|quantity
machine|accelerator
GB/s|GB/s
published|published
normal|ours@weights=normal|%.1f
diff.|difference@weights=normal|%+.1f
shipped|ours@weights=gutenberg-llama-4.7m|%.1f
diff.|difference@weights=gutenberg-llama-4.7m|%+.1f
its bits|ours at published bits@weights=normal|%.1f
prompt|ours, whole prompt at once@weights=normal|%.1f
energy|energy
COLUMNS

table double $results/double-compression.tsv '' 'lllrrrrrr' <<'COLUMNS'
stages|stages
$\alpha$|alpha
scale|scale
bits|bits|%.3f
ratio|ratio to INT8|%.3f
zeros \%|zeros %|%.1f
SQNR|SQNR dB|%.1f
perplexity|perplexity|%.2f
KL|KL nats|%.4f
COLUMNS

table bitstack $results/bitstack.tsv '' 'rrrrrr' <<'COLUMNS'
bytes|bytes of memory|count
levels|by level|%.2f
loss|by predicted loss|%.2f
tried|by perplexity|%.2f
unscaled|not scaled|%.2f
SVD|plain SVD|%.0f
COLUMNS

table blocks $results/bitstack-blocks.tsv '' 'rrrrr' <<'COLUMNS'
rows|rows
columns|cols
bytes|bytes|count
published|published
ours|ours|%.3f
COLUMNS

table stated $results/published-systems.tsv '' 'lllrrr' <<'COLUMNS'
system|system
weights there|model
status|status
published|published
ours|ours|%.3f
diff.|difference|%+.2f
COLUMNS

table systems "$out/systems.tsv" '' 'lrrrrrrr' <<'COLUMNS'
system|system
bits|bits|%.3f
side|side bits|%.3f
by rANS|by rans|%.3f
SQNR dB|SQNR dB|%.1f
perplexity|perplexity|%.2f
KL nats|KL nats|%.4f
GB/s|decode GB/s|%.3g
COLUMNS

table quality "$out/quality.tsv" '' 'lrrrrr' <<'COLUMNS'
rule|most
pipeline|pipeline
bits|coded bits|%.3f
plain|plain bits|%.3f
SQNR dB|SQNR dB|%.1f
perplexity|perplexity|%.2f
KL nats|KL nats|%.4f
COLUMNS
