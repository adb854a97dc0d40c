#!/bin/sh
# bench.sh BUILD [NAME] - measures card 0 into results/gpu/NAME: decoding and products on normal weights, beside copies, cuBLAS and
# what the model of an H100 predicts; then what the file that was written predicts for a generated model of other weights.
set -eu
cd "$(dirname "$0")/../.."
build=${1:-build}
entropy=$build/entropy
weights=${WEIGHTS:-2Gi} # of the large model, in Mi or Gi; of BF16 they are twice as many bytes
bytes=$((2 * ${weights%??}))${weights#"${weights%??}"}

command -v nvidia-smi >/dev/null || { echo 'gpu-bench needs a card and its driver: nvidia-smi is not there' >&2; exit 4; }
card=$(nvidia-smi --query-gpu=name --format=csv,noheader -i 0)
name=${2:-$(printf '%s' "$card" | tr -cs 'A-Za-z0-9' '-' | tr A-Z a-z | sed 's/-$//')}
results=${RESULTS:-results}/gpu/$name
work=$(mktemp -d "${TMPDIR:-/tmp}/gpu-bench-XXXXXX")
trap 'rm -rf "$work"' EXIT
mkdir -p "$results"

# the card as found; its settings are left alone
nvidia-smi -i 0 --query-gpu=name,driver_version,vbios_version,pstate,clocks.sm,clocks.mem,clocks.max.sm,clocks.max.mem,power.limit,ecc.mode.current,mig.mode.current \
    --format=csv >"$results/card-before.csv"

"$build/test_gpu" >"$work/test" 2>&1 && "$build/test_gpu_product" >>"$work/test" 2>&1 || { cat "$work/test"; exit 1; }

"$entropy" dataset make normal --weights "$weights" --dtype BF16 -o "$work/normal.safetensors" --quiet
"$entropy" bench "$work/normal.safetensors" --target gpu --target h100-sxm --sample "$bytes" --runs 50 --force --quiet \
    --codec 'tiered block=128k' --codec 'planar-rans block=16k' --codec 'planar-rans block=8k' -o "$results/$name.yaml" >"$results/layers.txt"

"$entropy" targets "$results/$name.yaml" -o "$results" --quiet
rm -f "$results"/*.pdf "$results"/*-pareto.tsv "$results/README.md"

# other weights, and what the file just written says of them
"$entropy" dataset make student --weights 64Mi --dtype BF16 --row-spread 0.3 -o "$work/student.safetensors" --quiet
"$entropy" bench "$work/student.safetensors" --target gpu --target "$results/$name.yaml" --rows 16384 --cols 4096 --runs 50 --quiet \
    --codec 'tiered block=128k' --codec 'planar-rans block=16k' >"$results/predicted.txt"

nvidia-smi -i 0 --query-gpu=pstate,clocks.sm,clocks.mem,temperature.gpu,power.draw,clocks_event_reasons.active --format=csv >"$results/card-after.csv"
sed -i "s|$work/||g" "$results"/*.txt "$results/$name.yaml"
date -u +%Y-%m-%d >"$results/date"
echo "measured: $results"
