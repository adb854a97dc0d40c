#!/bin/sh
# targets.sh BUILD - a page for each modelled target into $RESULTS/targets.
set -eu
cd "$(dirname "$0")/.."
results=${RESULTS:-results}/targets

rm -rf $results
mkdir -p $results
"${1:-build}/entropy" targets -o $results --quiet
rm -f $results/*.pdf $results/*-pareto.tsv
