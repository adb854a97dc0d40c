#!/bin/sh
# test_gpu.sh BUILD - the command that measures a card, and what `make gpu-bench` makes of it, with the emulation in a card's
# place and times that are made up (tests/gpu/card.h).
set -u
cd "$(dirname "$0")/.."
. tests/cases.sh
build=$(cd "${1:-build}" && pwd)
export ENT_GPU_LIBRARY="$build/libentropy_gpu_emulated.so" RESULTS="$work/results" OMP_WAIT_POLICY=passive
model=datasets/gutenberg-llama-4.7m/model.safetensors
got=$work/results/gpu/emulation

# what there is of a driver's program here
mkdir "$work/bin"
cat >"$work/bin/nvidia-smi" <<'END'
#!/bin/sh
case "$*" in *--query-gpu=name\ *) echo emulation ;; *) echo 'name, clocks.sm [MHz]'; echo 'emulation, 345 MHz' ;; esac
END
cat >"$work/bin/compute-sanitizer" <<'END'
#!/bin/sh
case "$* " in *"${SANITIZER_FINDS:-nothing}"*) echo '========= Invalid __global__ read'; exit 86 ;; esac
END
chmod 755 "$work/bin"/*
measured() { PATH="$work/bin:$PATH" WEIGHTS=64Ki STUDENT=64Ki RUNS=3 SHAPE='--rows 32 --cols 512' tests/gpu/bench.sh "$build"; }

check 'a card is measured from end to end' measured
check 'with all that is promised' ls "$got/emulation.yaml" "$got/emulation.tsv" "$got/first-layer.txt" "$got/layers.txt" "$got/predicted.txt" "$got/card.csv" "$got/sanitizer.txt"
rows() { [ "$(wc -l <"$1")" -eq "$2" ]; }
check 'a row for each operation' rows "$got/emulation.tsv" $((1 + 2 + 5 + 4 * 11))
verified() { awk -F '\t' 'NR == 1 { for (i = 1; i <= NF; i++) if ($i == "verified") at = i; next } $at == 1 { n++ } END { exit n != NR - 1 }' "$1"; }
check 'each of them verified' verified "$got/emulation.tsv"
check 'which way cuBLAS was the fastest' grep -q '^cuBLAS  *8 vectors  *32 x 512  *1 ' "$got/layers.txt"
check 'the state of the card at work is told' grep -q 'ECC on, 700 W at most; reading: multiprocessors at 1.50 GHz, memory at 2.600 GHz, 300 W' "$got/layers.txt"
check 'the file is a target, whose predictions stand beside others' grep -q 'emulation, us' "$got/predicted.txt"
check 'no path of the machine is left' none grep -q -e "$work" "$got/emulation.yaml" "$got/layers.txt"
check 'and are numbers' grep -q '^decode  *planar-rans block=16k .* [0-9.]*  *-*[0-9]*$' "$got/predicted.txt"
found() { [ "$(grep -c 'nothing found$' "$got/sanitizer.txt")" -eq 6 ]; }
check 'the sanitizer found nothing' found
check 'a race is told' env PATH="$work/bin:$PATH" SANITIZER_FINDS='racecheck --error-exitcode 86' sh -c "! tests/gpu/sanitize.sh '$build' >'$work/race'"
check 'and where' grep -q '^racecheck of test_gpu: FAULTS' "$work/race"

wrong() { CARD_IS_WRONG=1 "$entropy" bench "$model" --target gpu --rows 32 --cols 512 --runs 3 --quiet -o "$work/wrong.yaml" >"$work/wrong.txt" 2>"$work/err"; }
check 'a wrong result is an error' none wrong
check 'that says which' grep -q '8 vectors of 32 x 512, batch 1: the result is wrong' "$work/err"
check 'after the rows before it' rows "$work/wrong.txt" 5
check 'and no file is written' none ls "$work/wrong.yaml" "$work/wrong.tsv"
broken() { CARD_IS_WRONG=1 measured; }
check 'a card that is wrong is measured as far as it is right' none broken
check 'its rows are kept, no file of an earlier run is' sh -c "grep -q '^read' '$got/layers.txt' && [ ! -e '$got/emulation.yaml' ]"

check 'JSON lines' sh -c "'$entropy' bench $model --target gpu --rows 32 --cols 512 --runs 4 --json --quiet >'$work/json' && grep -c '\"clock_ghz\":1.5' '$work/json' | grep -qx 29"
check 'a library that is none' fails 4 'of another build' env ENT_GPU_LIBRARY="$build/libentropy.so" "$entropy" bench "$model" --target gpu
check 'no card' fails 4 'make gpu' env ENT_GPU_LIBRARY="$work/none.so" "$entropy" bench "$model" --target gpu

echo "$passed passed, $failed failed"
[ $failed -eq 0 ]
