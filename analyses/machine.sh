#!/bin/sh
# machine.sh BUILD - measures this machine into $RESULTS/machines/$MACHINE: what every codec takes on 1 .. all threads,
# cold and warm, what that predicts for other weights beside what they take, and a choice beside its prediction.
set -eu
cd "$(dirname "$0")/.."
entropy=${1:-build}/entropy
cpu=$(sed -n 's/^model name[^:]*: //p' /proc/cpuinfo | head -1)
name=$(analyses/machine-name.sh)
results=${RESULTS:-results}/machines/$name
model=gutenberg-llama-4.7m
all=$(getconf _NPROCESSORS_ONLN)

work=$(mktemp -d "${TMPDIR:-/tmp}/machine-XXXXXX")
trap 'rm -rf "$work"' EXIT
mkdir -p "$results"

calibrate="bench $model --calibrate -o $results/$name.yaml --runs 3 --seconds 0.5 --force --quiet"
choose="choose $model --latency 3 --codec tiered --codec planar-rans --codec huffman --codec rans --codec rans-top2 -t 1 --verify"
# shellcheck disable=SC2086 # lists of words
"$entropy" $calibrate >"$work/calibration"

# Weights that were not calibrated on, one set a format.
"$entropy" dataset make student --weights 16Mi --dtype BF16 --row-spread 0.3 -o "$work/BF16" --quiet
"$entropy" dataset make laplace --weights 16Mi --dtype F16 --row-spread 0.3 -o "$work/F16" --quiet
"$entropy" dataset make student --weights 16Mi --dtype F32 --row-spread 0.3 -o "$work/F32" --quiet
"$entropy" compress $model -o "$work/packed" --with 'rtn(bits=8,group=0)' --quiet >/dev/null
"$entropy" decompress "$work/packed" --parts -o "$work/I8" --quiet
for threads in 1 $([ "$all" -eq 1 ] || echo "$all"); do
    for dtype in BF16 F16 F32 I8; do
        "$entropy" bench "$work/$dtype" --dtype $dtype --target "$results/$name.yaml" --runs 3 --seconds 0.5 \
            --threads "$threads" --json --quiet
    done
done >"$work/errors"
# shellcheck disable=SC2086
"$entropy" $choose -o "$work/plan" --quiet | sed "s|$work/||g; s|\.verify-[A-Za-z0-9]*||" >"$work/choice"

# A row a codec, format and number of threads: measured, predicted; the measurement's line comes first.
awk '
    function value(key) {
        if (!match($0, "\"" key "\": *(\"[^\"]*\"|[^,}]*)")) return ""
        v = substr($0, RSTART, RLENGTH)
        sub("^\"" key "\": *", "", v)
        gsub("\"", "", v)
        return v
    }
    BEGIN { print "codec\tdtype\tthreads\tbits_per_weight\tmeasured_gbps\tpredicted_gbps\terror_percent\tby" }
    value("predicted") == "false" { measured = value("decode_gbps"); next }
    { printf "%s\t%s\t%s\t%.4f\t%.3f\t%.3f\t%.1f\t%s\n", value("codec"), value("dtype"), value("threads"), value("bits_per_weight"),
             measured, value("decode_gbps"), value("error_percent"), value("limit") }' "$work/errors" >"$results/errors.tsv"

"$entropy" targets "$results/$name.yaml" -o "$results" --quiet
rm -f "$results"/*.pdf "$results"/*-pareto.tsv

# A line a codec, a column a format and number of threads; then medians and the largest of each column.
table() {
    awk -F '\t' '
        function size(x) { return x < 0 ? -x : x }
        NR == 1 { next }
        { column = $2 ", " $3
          if (!(column in count)) columns[c++] = column
          if (!($1 in known)) codecs[n++] = $1
          known[$1] = 1
          error[$1, column] = $7
          i = count[column]++
          while (i > 0 && sorted[column, i - 1] > size($7)) { sorted[column, i] = sorted[column, i - 1]; i-- }
          sorted[column, i] = size($7) }
        END {
            head = "| error, % |"; rule = "|---|"; median = "| **median** |"; largest = "| **largest** |"
            for (j = 0; j < c; j++) {
                k = columns[j]; m = count[k]
                head = head " " k " |"; rule = rule "---:|"
                median = median sprintf(" **%.1f** |", (sorted[k, int((m - 1) / 2)] + sorted[k, int(m / 2)]) / 2)
                largest = largest sprintf(" **%.1f** |", sorted[k, m - 1])
            }
            print head; print rule
            for (i = 0; i < n; i++) {
                line = "| " codecs[i] " |"
                for (j = 0; j < c; j++) line = line " " error[codecs[i], columns[j]] " |"
                print line
            }
            print median; print largest
        }' "$results/errors.tsv"
}

{
    echo "# $name"
    echo
    echo "$cpu, $all core$([ "$all" -eq 1 ] || echo s), measured on $(date -u +%Y-%m-%d) by \`make machine MACHINE=$name\`;"
    echo "$("${CC:-gcc}" --version | head -1). Times are of this machine on that day; [$name.yaml]($name.yaml) is"
    echo "the target that \`--target\` takes, [$name.md]($name.md) what it means for tokens per second."
    echo
    echo "![Bits per weight against decoding]($name-pareto.svg)"
    echo
    echo "## What decoding costs"
    echo
    echo "\`entropy $calibrate\`: cold from memory, warm from the second-level cache, by threads"
    echo "(nothing where a thread would have no block)."
    echo
    echo '```'
    cat "$work/calibration"
    echo '```'
    echo
    echo "## Prediction against measurement"
    echo
    echo "Errors of the speed that the file predicts for weights it was not measured on, by format and threads: BF16 and"
    echo "F32 Student's t with 4 degrees of freedom, F16 Laplace, rows' scales spread by e^0.3; I8 the shipped model by"
    echo "\`rtn(bits=8,group=0)\`. \`entropy bench WEIGHTS --dtype DTYPE --target $name.yaml\`; [errors.tsv](errors.tsv) has the speeds."
    echo
    table
    echo
    echo "## A choice and what it takes"
    echo
    echo "\`entropy $choose -o PLAN\`"
    echo
    echo '```'
    cat "$work/choice"
    echo '```'
} >"$results/README.md"
