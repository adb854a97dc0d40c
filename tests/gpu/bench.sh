#!/bin/sh
# bench.sh BUILD [NAME] - measures card 0 into results/gpu/NAME: decoding and products on normal weights, beside copies, cuBLAS and
# what the model of an H100 predicts; then what the file that was written predicts for a generated model of other weights.
# Then its kernels under compute-sanitizer, where there is one.
#
# WEIGHTS=2Gi: of the large model, in Ki, Mi or Gi; of BF16 they are twice as many bytes.  SHAPE='--rows R --cols C': that matrix
# alone, for a trial of this script, as RUNS=50 and STUDENT=64Mi, weights of the generated model.  LIMIT=300: seconds of each table, at
# most, so that a kernel that hangs does not take the rest along.
#
# Some minutes, of which the card's are few: what takes longest comes last, and a first layer is written at once.
set -eu
cd "$(dirname "$0")/../.."
build=${1:-build}
entropy=$build/entropy
weights=${WEIGHTS:-2Gi}
tiered='BF16: exponent=tiered(tiers=3) rest=raw block=16k'
bytes=$((2 * ${weights%??}))${weights#"${weights%??}"}

command -v nvidia-smi >/dev/null || { echo 'gpu-bench needs a card and its driver: nvidia-smi is not there' >&2; exit 4; }
card=$(nvidia-smi --query-gpu=name --format=csv,noheader -i 0)
name=${2:-$(printf '%s' "$card" | tr -cs 'A-Za-z0-9' '-' | tr A-Z a-z | sed 's/-$//')}
results=${RESULTS:-results}/gpu/$name
work=$(mktemp -d "${TMPDIR:-/tmp}/gpu-bench-XXXXXX")
trap 'rm -rf "$work"' EXIT
mkdir -p "$results"
rm -f "$results/$name.yaml" "$results/$name.tsv" "$results"/*.txt
began=$(date +%s)
say() { printf '%4d s: %s\n' $(($(date +%s) - began)) "$1"; }
bad=0
measure() { # NAME ARGUMENT... : the table into a file.  A card that fails on the way leaves the rows before that.
    table=$1; shift
    say "$table"
    timeout "${LIMIT:-300}" "$entropy" bench "$@" --target gpu --runs "${RUNS:-50}" --force --quiet >"$results/$table.txt" && return
    echo "gpu-bench: $table: not to the end (status $?)" >&2
    bad=1
}

# cuBLAS where the loader does not look: beside the toolkit or in Python's packages
if ! ldconfig -p 2>/dev/null | grep -q 'libcublasLt\.so\.1[23]'; then
    for folder in /usr/local/cuda/lib64 $(python3 -c 'import os, sys
for path in sys.path:
    for at, _, files in os.walk(os.path.join(path, "nvidia")):
        if any(f.startswith("libcublasLt.so.1") for f in files): print(at)' 2>/dev/null); do
        ls "$folder"/libcublasLt.so.1[23]* >/dev/null 2>&1 || continue
        LD_LIBRARY_PATH=$folder${LD_LIBRARY_PATH:+:$LD_LIBRARY_PATH}
        export LD_LIBRARY_PATH
        break
    done
fi

# the card as found, idle; its settings are left alone, and its state at work is in the table
nvidia-smi -i 0 --query-gpu=name,driver_version,vbios_version,pstate,clocks.sm,clocks.mem,clocks.max.sm,clocks.max.mem,power.limit,ecc.mode.current,mig.mode.current \
    --format=csv >"$results/card.csv" || :

say 'tests of the kernels'
for test in test_gpu test_gpu_product; do
    timeout 120 "$build/$test" >"$work/test" 2>&1 && continue
    echo "gpu-bench: $test fails: what follows is of kernels that are wrong somewhere" >&2
    grep -v -e OK -e RUN "$work/test" | tail -n 40 >&2
    bad=1
done

"$entropy" dataset make normal --weights "$weights" --dtype BF16 -o "$work/normal.safetensors" --quiet
# shellcheck disable=SC2086
measure first-layer "$work/normal.safetensors" ${SHAPE:---rows 4096 --cols 4096} --codec "$tiered" --codec 'planar-rans block=16k'
# shellcheck disable=SC2086
measure layers "$work/normal.safetensors" --target h100-sxm --sample "$bytes" ${SHAPE:-} \
    --codec "$tiered" --codec 'tiered block=16k' --codec 'planar-rans block=16k' --codec 'planar-rans block=8k' -o "$results/$name.yaml"

# other weights, and what the file just written says of them
"$entropy" dataset make student --weights "${STUDENT:-64Mi}" --dtype BF16 --row-spread 0.3 -o "$work/student.safetensors" --quiet
# shellcheck disable=SC2086
[ ! -e "$results/$name.yaml" ] || measure predicted "$work/student.safetensors" --target "$results/$name.yaml" ${SHAPE:---rows 16384 --cols 4096} \
    --codec "$tiered" --codec 'planar-rans block=16k'
for file in "$results"/*.txt "$results/$name.yaml"; do
    [ ! -e "$file" ] || sed -i "s|$work/||g; s|$results/||g" "$file"
done

say 'compute-sanitizer'
tests/gpu/sanitize.sh "$build" >"$results/sanitizer.txt" || bad=1
cat "$results/sanitizer.txt"
say "measured: $results"
exit $bad
