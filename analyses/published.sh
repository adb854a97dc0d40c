#!/bin/sh
# published.sh BUILD - every published table that is set beside ours: how many of its cells, how many come out within what, and
# what the others would need; into results/published.tsv and .md.  Counts what the other results hold, and runs `entropy reproduce
# bitstack`, which needs no weights.
set -eu
cd "$(dirname "$0")/.."
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
export LC_ALL=C
results=${RESULTS:-results}

"${1:-build}/entropy" reproduce bitstack -o "$work" --quiet
cp "$work/blocks.tsv" $results/bitstack-blocks.tsv

# cells PAPER TABLE FILE TOLERANCE UNIT CONDITION NEEDS: FILE has a row a cell and set of weights; a cell is told from others by
# all columns but those that are ours.
cells() {
    awk -F '\t' -v OFS='\t' -v paper="$1" -v table="$2" -v tolerance="$4" -v unit="$5" -v needs="$7" '
        FNR == 1 { for (i = 1; i <= NF; i++) name[i] = $i; next }
        {
            key = ""
            for (i = 1; i <= NF; i++) {
                row[name[i]] = $i
                if (name[i] !~ /^(weights|ours.*|difference|bytes)$/) key = key SUBSEP $i
            }
            if (row["published"] == "" || !('"$6"')) next
            off = row["difference"] < 0 ? -row["difference"] : row["difference"] + 0
            if (!(key in seen)) { seen[key] = 1; all[key] = 1; n++ }
            if (!(row["status"] in mark)) { mark[row["status"]] = 1; marks = marks (marks == "" ? "" : ", ") row["status"] }
            if (off <= tolerance * 1.0001) any[key] = 1; else all[key] = 0
            if (off > worst) worst = off
        }
        END {
            for (key in seen) { every += all[key]; some += key in any }
            print paper, table, n + 0, marks, n + 0, some + 0, every + 0, tolerance " " unit, sprintf("%.3g", worst), needs
        }' "$3"
}

# against SYSTEM column of results/systems.tsv
awk -F '\t' -v OFS='\t' '
    FNR == 1 { for (i = 1; i <= NF; i++) column[FILENAME, $i] = i; next }
    FILENAME !~ /published\/systems/ { ours[$1] = $(column[FILENAME, "bits"]); next }
    FNR == 2 { print "system", "model", "published", "status", "ours", "difference" }
    { print $1, $2, $3, $4, ours[$1], sprintf("%.3f", ours[$1] - $3) }' $results/systems.tsv analyses/published/systems.tsv >"$work/systems.tsv"
cp "$work/systems.tsv" $results/published-systems.tsv
awk -F '\t' -v OFS='\t' 'NR == 1 { print "cell", "published", "status", "ours", "difference"; next }
    { sub(/^\+/, "", $8); print $1 " " $2 " " $3 " " $4 " " $5, $7, "computed apart", $6, $8 }' $results/calibration.tsv >"$work/calibration.tsv"

stand_in='checkpoints, for their own bits; here weights of their kind'
{
    printf 'paper\ttable\tpublished\tstatus\tcompared\twithin\twithin for every set\ttolerance\tlargest difference\twhat is left needs\n'
    cells yubeaton2025huffllm '1, entropies' $results/huff-llm/table1.tsv 0.1 bits 1 "$stand_in"
    cells yubeaton2025huffllm '5, bits' $results/huff-llm/table5.tsv 0.06 bits 'row["quantity"] == "coded, bits"' "$stand_in"
    cells yubeaton2025huffllm '5, ratios' $results/huff-llm/table5.tsv 0.01 '' 'row["quantity"] == "ratio"' "$stand_in"
    cells yubeaton2025huffllm '6, latency' $results/huff-llm/table6.tsv 3 points 1 'the cells that no text at hand shows'
    cells yubeaton2025huffllm '7, energy' $results/huff-llm/table7.tsv 3 points 'row["energy"] == "tested"' 'its energy constants (two more cells calibrate ours)'
    cells yubeaton2025huffllm '256 GB/s' $results/huff-llm/study256.tsv 3 points 1 -
    cells yubeaton2025huffllm 'area, share' $results/huff-llm/area.tsv 0.1 points 'row["quantity"] ~ /over elements, %/' 'what else a decoder holds (areas of one are inputs)'
    cells wang2025bitstack '6, bytes of blocks' $results/bitstack-blocks.tsv 0.005 MiB 1 -
    # Nothing of these three can be compared without the models.
    awk -F '\t' -v OFS='\t' 'NR > 1 { n[$1]++ } END { for (t = 1; t <= 3; t++)
        print "wang2025bitstack", t ", perplexity", n[t], "second-hand", 0, 0, 0, "-", "-", "checkpoints of 7 to 70 billion weights" }' analyses/published/bitstack.tsv
    # The published stages alone: the largest ratio that costs 1 % of perplexity at most.
    awk -F '\t' -v OFS='\t' -v published="$(awk -F '\t' 'NR == 2 { print $2 }' analyses/published/double-compression.tsv)" '
        NR == 1 { for (i = 1; i <= NF; i++) c[$i] = i }
        NR == 2 { base = $(c["perplexity"]) }
        $(c["stages"]) ~ /INT8/ && $(c["perplexity"]) <= 1.01 * base && $(c["ratio to INT8"]) > best { best = $(c["ratio to INT8"]) }
        END { print "wang2024", "ratio at 1 % of loss", 1, "paper", 1, 0, 0, "0.1", sprintf("%.3g", published - best), "a checkpoint with outliers in its activations" }' $results/double-compression.tsv
    cells various 'bits of systems' $results/published-systems.tsv 0.1 bits 1 'checkpoints; an index that GPUs need (DFloat11)'
    cells here 'entropies by quadrature' "$work/calibration.tsv" 0.005 bits 1 -
} >$results/published.tsv
{
    printf '# Published tables beside ours\n\n'
    printf 'Written by `make published` from the other results. A cell is a published number that a text at hand shows; *within* counts the cells that\n'
    printf 'come within the tolerance for at least one set of weights, the next column those that do for every one.\n\n'
    awk -f analyses/markdown.awk $results/published.tsv
} >$results/published.md
