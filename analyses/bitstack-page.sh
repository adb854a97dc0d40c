#!/bin/sh
# bitstack-page.sh - the page $RESULTS/bitstack.md from the tables beside it; called by bitstack.sh.
set -eu
cd "$(dirname "$0")/.."
results=${RESULTS:-results}/bitstack
export LC_ALL=C

table() { awk -f analyses/markdown.awk "$1"; }
plain() { sed -n 's/^# uncompressed:	//p' "$1"; }
# wins FILE COLUMN COLUMN... : at how many sizes the first column is less than all the others
wins() {
    awk -F '\t' -v columns="$*" '
        BEGIN { n = split(columns, c, " ") }
        NR == 1 || /^#/ { next }
        { for (i = 3; i <= n; i++) if ($c[2] >= $c[i]) next; won++ }
        END { print won + 0 }' "$1"
}
sizes() { grep -vc -e '^#' -e '^bytes' "$1"; }
# gains FILE A B: the least and the most by which column A is below column B
gains() {
    awk -F '\t' -v a="$2" -v b="$3" '
        NR == 1 || /^#/ { next }
        { d = $b - $a; if (least == "" || d < least) least = d; if (most == "" || d > most) most = d }
        END { printf "%.2f to %.2f", least, most }' "$1"
}
# bits FILE PART COLUMN
bits() { awk -F '\t' -v part="$2" -v column="$3" '$1 == part { print $column }' "$1"; }

cat <<END
# BitStack: one file for every size of memory

![Perplexity against bytes of memory](bitstack.svg)

gutenberg-llama-4.7m, embedding and norms as they are (2.10 MB of the bytes below), every other matrix in 4 levels of rank 2: 1.2 bits a weight
and level. Perplexity on sequences 0 to 15 of its text (4096 tokens), $(plain $results.tsv) uncompressed; calibrated on sequences 400 to
431, sorted on 600 and 601. \`make bitstack\` makes the tables, this page and the figure again, byte for byte, and what a
large matrix takes into [machines/](machines/) ([one is there](machines/xeon-sapphire-rapids-2/bitstack.md)).

END
table $results.tsv
cat <<END

- *By level*: level by level, matrices as they lie in the model. *By perplexity*: as published, each block of a level tried
  alone; 105 evaluations here. *By predicted loss*: errors of layers' outputs, weighed by what the model minds each matrix;
  35 evaluations for any number of levels, and the least perplexity of the three at $(wins $results.tsv 3 2 4) of the $(sizes $results.tsv) sizes. No standard errors were
  worked out.
- *Not scaled*: by level, columns all alike; scaling by the inputs is better at $(wins $results.tsv 2 5) of the sizes, by $(gains $results.tsv 2 5).
- *Plain SVD*, of as many bytes a level: useless; the signs are what counts.

Does coding the parts pay? Bits a weight of all 4 levels, by planar-rans and rans, tables and headers apart:

END
table $results-coding.tsv
cat <<END

Signs are noise. Factors lose a tenth of their bits, in the exponents: with the signs that is $(awk -F '\t' 'NR > 1 { plain += $2; coded += $4 } END { printf "%.1f", 100 * (plain - coded) / plain }' $results-coding.tsv) % of the blocks at rank 2.

## An exact copy

\`bitstack(levels=L,rank=2,scale=1) exact\` stores the rest too: the differences of words in order of their values
(\`libentropy/transform/exact.c\`), and gives the identical file back. Coded bits a weight of the matrices, by rans on words; 0 levels
are the codec alone:

END
table $results-exact.tsv
cat <<END

So it does not pay as compression: each level costs 1.2 bits and spares $(awk -F '\t' '
    NR == 2 { left = $4; next }
    NR > 2 { printf "%s%.2f", (NR > 3 ? ", then " : ""), (left - $3) / ($1 - level); left = $3; level = $1 }' $results-exact.tsv). Signs and factors are noise
that the rest cannot use twice. It is for one file that is read coarse by some and exact by others; the rest needs all levels, so
such a file is loaded whole or not at all, and no stack.

END
[ -e $results-stories.tsv ] || exit 0
cat <<END
## Another model

stories260k (BF16, embedding and norms as they are, 66.9 kB of the bytes below), 6 levels of rank 1, 1.4 bits a weight and level. Perplexity
on 14 of its sequences of 512 tokens (7154 predicted), $(plain $results-stories.tsv) uncompressed; calibrated on 6 others, sorted on 2 more. \`make bitstack
STORIES=FOLDER\`, where the folder holds model-bf16.safetensors, config.json and sample_48x256.u16; tables in \`bitstack-stories.tsv\` and
\`bitstack-stories-coding.tsv\`.

END
table $results-stories.tsv
cat <<END

- *By predicted loss* with 35 evaluations is better than *by perplexity* with 175 at $(wins $results-stories.tsv 3 4) of the $(sizes $results-stories.tsv) sizes, and better
  than *by level* at $(wins $results-stories.tsv 3 2). Its one constant, the root of what a matrix alone costs, was chosen on the model above. No standard
  errors were worked out.
- *Scaling* by the inputs is better at $(wins $results-stories.tsv 2 5) of the sizes.
- Coding: signs $(bits $results-stories-coding.tsv signs 4) bits for $(bits $results-stories-coding.tsv signs 2), left factors $(bits $results-stories-coding.tsv left 4) for $(bits $results-stories-coding.tsv left 2): tables cost more than such small parts save.
END
