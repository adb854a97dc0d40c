#!/bin/sh
# test_targets.sh BUILD - `entropy targets`: pages that reproduce, closed forms in them, mistakes.
set -u
cd "$(dirname "$0")/.."
. tests/cases.sh

same() { for file in "$1"/*.md "$1"/*.tsv; do cmp "$file" "$2/$(basename "$file")" || return 1; done; }

# A value of the row of a workload (a pattern) and a codec.
value() { # FILE COLUMN WORKLOAD CODEC
    awk -F '\t' -v want="$2" -v workload="$3" -v codec="$4" '
        NR == 1 { for (i = 1; i <= NF; i++) column[$i] = i; next }
        $column["workload"] ~ workload && $column["codec"] == codec { print $column[want]; exit }' "$1"
}
near() { awk "BEGIN { exit !(($1) > ($2) * 0.9995 && ($1) < ($2) * 1.0005) }"; }

check 'runs' "$entropy" targets -o "$work/1" -q -t 1
check 'runs on two threads' "$entropy" targets -o "$work/2" -q -t 2
check 'the same pages' same "$work/1" "$work/2"
check 'those of results/targets' same results/targets "$work/1"
number='^|[^|]*|[^|]*|[^|]*| \(paper\|second-hand\|datasheet\|derived\|assumed\) |[^|]*|$'
for target in analyses/targets/*.yaml; do
    page=$(basename "$target" .yaml)
    [ "$page" = host ] && continue
    check "page of $page" grep -q "($page.md)" "$work/1/README.md"
    check "$page: the clock and where it is from" grep -q '| clock_ghz | [0-9.]* | [a-z-]* | [^|]*[a-z]' \
        "$work/1/$page.md"
    check "$page: every number of the file" \
        [ "$(grep -c "$number" "$work/1/$page.md")" -eq "$(grep -o '{ *value:\|^ *value:' "$target" | wc -l)" ]
done

simba=$work/1/huff-llm-simba-64.tsv
# Llama-3-8B has 7504658432 weights in layers (tests/test_reproduce.sh); 64 GB/s
bits=$(value "$simba" bits_per_weight 'token.*Llama' huff-llm)
check 'a token takes its bits over 64 GB/s' near "$(value "$simba" tokens_per_second 'token.*Llama' huff-llm)" \
    "64e9/(7504658432*$bits/8)"
check 'raw is 1' near "$(value "$simba" over_uncoded 'token.*Llama' raw)" 1
check 'the area of 384 decoders' near "$(value "$simba" decoders_mm2 'token.*Llama' huff-llm)" 384*1199.3/1e6
check 'memory is as sure as the derived 512 GB/s' \
    [ "$(value "$simba" bound_by_status 'token.*Llama' huff-llm)" = derived ]
check 'energy is assumed' [ "$(value "$simba" energy_status 'token.*Llama' huff-llm)" = assumed ]
check 'what it cannot decode' grep -q '^- tiered: .*no decoder' "$work/1/huff-llm-simba-64.md"
check 'what does not fit' grep -q 'Not at all: .* holds ' "$work/1/phone.md"
check 'the plot has every codec it can decode' [ "$(wc -l <"$work/1/huff-llm-simba-64-pareto.tsv")" -eq 3 ]

cat >"$work/mine.yaml" <<'YAML'
name: mine
brief: a machine
kind: measured
measured: { command: "entropy bench", date: "2026-01-02", cpu: "a processor" }
clock_ghz: { value: 2, status: measured, command: c, date: "2026-01-02" }
memory: [ { name: M, gbps: { value: 1000, status: measured, command: c, date: "2026-01-02" } } ]
rates:
  - { codec: raw, dtype: BF16, threads: 1, gbps: 10 }
  - { codec: tiered, dtype: BF16, threads: 1, gbps: 5 }
YAML
check 'a measured one' "$entropy" targets "$work/mine.yaml" -o "$work/3" -q
check 'says how' grep -q 'Measured: `entropy bench`, 2026-01-02, a processor' "$work/3/mine.md"
check 'half as fast as raw' near "$(value "$work/3/mine.tsv" over_uncoded 'token.*Llama' tiered)" 0.5
check 'and measured' [ "$(value "$work/3/mine.tsv" bound_by_status 'token.*Llama' tiered)" = measured ]

check 'another config' "$entropy" targets phone -o "$work/4" -q --config datasets/gutenberg-llama-4.7m/config.json
check 'is named' grep -q 'layers of gutenberg-llama-4.7m' "$work/4/phone.tsv"
check 'no folder' fails 2 'folder' "$entropy" targets
check 'no such target' fails 2 'nonsense' "$entropy" targets nonsense -o "$work/5"
check 'a host is measured' fails 2 'calibrate' "$entropy" targets host -o "$work/5"
check 'no such model' fails 2 'nonsense' "$entropy" targets --model nonsense -o "$work/5"
check 'no such config' fails 3 'nonsense' "$entropy" targets phone --config nonsense -o "$work/5"

echo "$passed passed, $failed failed"
[ "$failed" -eq 0 ]
