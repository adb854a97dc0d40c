#!/bin/sh
# double-compression-page.sh - the page $RESULTS/double-compression.md from its tables; called by double-compression.sh.
set -eu
cd "$(dirname "$0")/.."
results=${RESULTS:-results}/double-compression

cat <<'END'
# Double Compression: where 2.2 comes from, or fails

Wang et al. (2024) multiply each column of a matrix by max|x|^alpha of its input, quantize to INT8, prune by the input's magnitude times the
code and code what is left: 2.2 times on top of INT8, 40 % less memory, about 1 % of accuracy. How alpha is chosen, what shares a scale
and how much is pruned is not said: here are the candidates. gutenberg-llama-4.7m, sequences 0 to 39 of its text measured,
perplexity unpacked 35.56; 400 to 655 for calibration. Bits a weight of the whole model, everything counted, coded by rans;
the ratio is 8 over them. `make quality` makes all of this again, byte for byte.

END
awk -f analyses/markdown.awk $results.tsv
echo
cat <<'END'
- **alpha.** By the layer's output error alpha stays near 0 and saves nothing. By size it is 1 in every layer. The difference is what rescaling
  can save: little with a scale a row, more with one scale a matrix, as its step follows the loudest column.
- **Scale.** One scale a matrix instead of one a row saves more than rescaling does, at no visible loss: a coarser grid.
- **Pruning** saves most and costs most. To come to 2.2 this way more than half of the weights must go, and the perplexity with them.
- **A coarser grid instead.** The same rescaling and one scale with INT6 in place of INT8 comes near 2.2 with a fraction of the loss of pruning:
  the ratio is that of a step too fine to begin with. A uniform step with its bits shared out among matrices, and watersic, are at
  2.2 for about 1 %.
- **So** 2.2 at 1 % is there, but not by these stages on these weights: matrices whose largest weight is 10 standard deviations leave INT8 codes of
  5.7 bits, 42 standard deviations 3.65 (H = log2(4.13 sigma / step)): 2.2 needs outliers that this model's matrices lack, or a coarser step.

## Layer by layer

Alpha by size, one scale a matrix, without and with pruning: [double-compression-layers.tsv](double-compression-layers.tsv). Code bits are the
entropy of an INT8 code, first with alpha = 0.

END
awk -F '\t' '
    function short(name) { sub(/^model\.(layers\.)?/, "", name); sub(/\.weight$/, "", name); return name }
    function alpha(text) { match(text, /alpha=[0-9.]*/); return substr(text, RSTART + 6, RLENGTH - 6) }
    NR == 1 { print "| matrix | alpha | code bits, alpha = 0 | code bits | zeros % | coded | output error | pruned: zeros % | coded | output error |"
              print "|---|---|---|---|---|---|---|---|---|---|"; next }
    $1 !~ /prune/ { n++; row[n] = sprintf("| %s | %s | %s | %s | %s | %s | %s |", short($2), alpha($3), $4, $5, $6, $7, $9) }
    $1 ~ /prune/ { m++; row[m] = row[m] sprintf(" %s | %s | %s |", $6, $7, $9) }
    END { for (i = 1; i <= n; i++) print row[i] }' $results-layers.tsv
cat <<'END'

## Coders

Codes by each coder, one scale a matrix, bits a weight of the whole model. tiered is made for few symbols: INT8 codes have too many.

END
awk -F '\t' '
    NR == 1 { next }
    !($1 in at) { at[$1] = ++stages; stage[stages] = $1 }
    { if (!($2 in seen)) { seen[$2] = 1; coder[++coders] = $2 }; bits[$1, $2] = $3 }
    END {
        line = "| pipeline |"; rule = "|---|"
        for (c = 1; c <= coders; c++) { line = line " " coder[c] " |"; rule = rule "---|" }
        print line; print rule
        for (s = 1; s <= stages; s++) {
            line = "| " stage[s] " |"
            for (c = 1; c <= coders; c++) line = line " " bits[stage[s], coder[c]] " |"
            print line
        }
    }' $results-coders.tsv
cat <<'END'

## Memory against latency: the share that is coded

The paper codes only a share of the model where decoding is slow. `entropy choose` gives the largest share of each coder that modelled machines
decode within 1.05 of the time of reading INT8 plain (rescaled, 30 % pruned; a plain weight is 8 bits). 40 % less memory than INT8 would be
a share of 73 % at 2.2: (1 - 1/2.2) x 0.73. Where decoding keeps up with memory the share is all, and a coded model is read faster than a plain one;
where it does not, hardly any of it may be coded.

END
awk -f analyses/markdown.awk $results-share.tsv
