#!/bin/sh
# quality.sh BUILD [sizes|page] - quantizers on the shipped model, coded and not, into $RESULTS/quality.tsv, .md and .svg; then
# double-compression.sh.  Calibrated on sequences that are not measured.  The same bytes each time: OpenBLAS adds in an order that
# depends on the processor, unless it is told what to take it for.
set -eu
cd "$(dirname "$0")/.."
build=${1:-build}
entropy=$build/entropy
results=${RESULTS:-results}
part=${2:-all}
lines='
'
model=datasets/gutenberg-llama-4.7m
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
export LC_ALL=C OPENBLAS_CORETYPE=Haswell
calibration=$work/calibration.h5

# run ARGUMENT... : a row of quality.tsv for each trial, its family in front
run() {
    family=$1; shift
    "$entropy" quality $model --quiet --json --sequences 40 --calibration "$calibration" "$@" >"$work/lines"
    awk -v family="$family" '
        function get(key) { # of a line of JSON
            if (!match($0, "\"" key "\": *(\"[^\"]*\"|[^,}]*)")) return ""
            value = substr($0, RSTART, RLENGTH); sub(/^"[^"]*": *"?/, "", value); sub(/"$/, "", value)
            return value
        }
        function number(key, digits) { return get(key) == "null" ? "" : sprintf("%.*f", digits, get(key)) }
        /"pipeline"/ && !/"tensor"/ {
            budget = get("budget_bits"); label = get("pipeline") (budget == "null" ? "" : " in " budget " bits")
            printf "%s\t%s\t%s\t%s\t%.1f\t%s\t%s\t%s\t%s\n", family, label, number("plain_bits_per_weight", 3),
                number("bits_per_weight", 3), 100 * get("zeros"), number("sqnr_db", 2), number("perplexity", 2),
                number("kl_nats", 4), number("predicted_kl_nats", 4)
        }' "$work/lines"
}

# each FORMAT VALUE... : --with for each value
each() {
    format=$1; shift
    for value; do printf -- '--with\n'; printf "$format\n" "$value"; done
}

sizes() {
    "$entropy" quality $model --quiet --skip 400 --sequences 256 --calibrate "$calibration" --second --sensitivity=16 >/dev/null
    rates='1.96 2.46 2.96 3.46 3.96 4.96' # less than round numbers by what the coder takes beyond the entropy
    budgets=2.25,2.5,3,3.5,4,5
    {
        printf 'family\tpipeline\tplain bits\tcoded bits\tzeros %%\tSQNR dB\tperplexity\tKL nats\tpredicted\n'
        IFS=$lines
        run step $(IFS=' '; each 'step(bits=%s)' $rates)
        run step-middles $(IFS=' '; each 'step(bits=%s,lean=0)' $rates)
        run watersic0 $(IFS=' '; each 'watersic(bits=%s,spread=0)' $rates)
        run watersic $(IFS=' '; each 'watersic(bits=%s)' $rates)
        run step-budget --with 'step(bits=2:0.25:7)' --budget $budgets
        run watersic-budget --with 'watersic(bits=2:0.5:5)' --budget $budgets
        run rtn $(each 'rtn(bits=%s,group=128)' 2 3 4 5 6)
        run rtn-search $(each 'rtn(bits=%s,group=128,search=1)' 2 3 4 5)
        run gptq $(each 'gptq(bits=%s,group=128,search=1)' 2 3 4 5)
        run rtn32 $(each '%s(bits=2,group=32,symmetric=0,search=1)' rtn gptq)
        run lloyd $(each 'lloyd(bits=%s)' 2 3 4 5)
        run palette $(each 'palette(bits=%s,by=1)' 2 3 4 5)
        run ecsq $(IFS=' '; each 'ecsq(bits=%s)' $rates)
        run entquant $(IFS=' '; each 'entquant(bits=%s)' $rates)
        run levels --with nf4 --with mxfp4 --with nvfp4
    } >$results/quality.tsv
}

if [ "$part" = all ] || [ "$part" = sizes ]; then
    (sizes)
    analyses/double-compression.sh "$build" "$calibration"
fi
analyses/quality-page.sh <$results/quality.tsv >$results/quality.md
analyses/double-compression-page.sh >$results/double-compression.md
if command -v gnuplot >/dev/null; then
    gnuplot -c analyses/plots/quality.gp $results/quality.tsv $results/quality
else
    echo "no gnuplot on this machine: the tables are there, the figure is not" >&2
fi
