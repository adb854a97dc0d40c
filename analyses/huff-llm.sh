#!/bin/sh
# huff-llm.sh BUILD - reproduces Huff-LLM's tables into $RESULTS/huff-llm and draws its cuts beside ours.
set -eu
cd "$(dirname "$0")/.."
results=${RESULTS:-results}/huff-llm

mkdir -p $results
"${1:-build}/entropy" reproduce huff-llm -o $results --quiet
# One row a published cell: ours from the least to the most over the sets of weights.
awk -F '\t' '
    FNR == 1 { for (i = 1; i <= NF; i++) column[$i] = i; next }
    {
        quantity = $column["quantity"]; sub(/ cut, %/, "", quantity)
        label = $column["model"] ", " quantity
        if ($column["accelerator"] != "") label = label ", " $column["accelerator"] " " $column["GB/s"] " GB/s"
        ours = $column["ours"]
        if (!(label in published)) { order[n++] = label; least[label] = most[label] = ours }
        published[label] = $column["published"]
        if (ours + 0 < least[label] + 0) least[label] = ours
        if (ours + 0 > most[label] + 0) most[label] = ours
    }
    END {
        print "row\tcell\tpublished\tours_least\tours_most"
        for (i = 0; i < n; i++) {
            l = order[i]
            printf "%d\t%s\t%s\t%s\t%s\n", i, l, published[l], least[l], most[l]
        }
    }' $results/table6.tsv $results/table7.tsv $results/study256.tsv >$results/cells.tsv
if command -v gnuplot >/dev/null; then
    gnuplot -c analyses/plots/published.gp $results/cells.tsv $results/cells "$(($(wc -l <$results/cells.tsv) - 1))"
else
    echo "no gnuplot on this machine: the tables are there, the figure is not" >&2
fi
