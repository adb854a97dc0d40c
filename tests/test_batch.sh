#!/bin/sh
# test_batch.sh BUILD - plans in many processes: workers that crash, hang or want too much; kills and stops at any moment;
# shards and processes side by side; merges.  KILLS=N: so many kills at random moments (preset 8).  With Slurm's programs
# and root, a plan through a Slurm of its own; LONG=1: all of it.
set -u
cd "$(dirname "$0")/.."
. tests/cases.sh
. tests/cluster/waiting.sh
kills=${KILLS:-8}

plan() { # FILE WEIGHTS
    cat >"$1" <<END
name: batch
generated:
  - { name: large, make: normal, dtype: BF16, weights: $2, seed: 3 }
  - { name: small, make: laplace, dtype: BF16, weights: 20000, seed: 4 }
codecs: [raw, huffman, tiered, planar-rans]
targets: [host, huff-llm-systolic-64]
measures: [stats, size, predict]
END
}
no_litter() { find "$1" -name '*.part'; [ -z "$(find "$1" -name '*.part')" ]; }
started() { # DIR: runs the plan there, waits for its worker; $run and $worker
    folder=$1; shift
    "$entropy" run "$work/plan.yaml" -o "$folder" --threads 1 "$@" >"$work/run.out" 2>&1 &
    run=$!
    tries=0
    until worker=$(pgrep -P $run) || [ $tries -gt 200 ]; do tries=$((tries + 1)); sleep 0.01; done
}
some_done() { [ "$(count "$1" done)" -gt 0 ]; }
ended() { wait $run; [ $? -eq "$1" ]; }

plan "$work/plan.yaml" 2000000
begun=$(date +%s%N)
check "a plan runs" status 0 "$entropy" run "$work/plan.yaml" -o "$work/whole" --threads 1
took=$((($(date +%s%N) - begun) / 1000000)) # milliseconds
check "all its cells are done" holds "$work/whole" waiting 0

# ---- isolation ---------------------------------------------------------------------------------------------------------
started "$work/crash"
kill -SEGV "$worker"
check "a crash of a worker is a failure" ended 4
check "with its reason" grep -q "crashed: signal 11" "$work/run.out"
check "of one cell, and the others are done" holds "$work/crash" failed 1
check "no file of the worker stays" no_litter "$work/crash"
check "status tells the reason" status 0 "$entropy" status "$work/crash"
check "in words" grep -q "crashed: signal 11" "$work/out"
check "merging says that it failed" status 1 "$entropy" merge "$work/crash"
check "tried again, it is done" status 0 "$entropy" run "$work/plan.yaml" -o "$work/crash" --retry-failed
check "and all is as without the crash" same "$work/crash" "$work/whole"

started "$work/hang" --cell-seconds 1
kill -STOP "$worker"
check "a cell that takes too long is a failure" ended 4
check "with its reason" grep -q "took more than 1 seconds" "$work/run.out"
check "of one cell" holds "$work/hang" failed 1
check "memory has a limit" status 4 "$entropy" run "$work/plan.yaml" -o "$work/memory" --cell-memory 1M
check "that all cells meet" holds "$work/memory" failed 18
check "and that does not stay" status 0 "$entropy" run "$work/plan.yaml" -o "$work/memory" --retry-failed --quiet
check "in any table" same "$work/memory" "$work/whole"

# ---- stops and kills ---------------------------------------------------------------------------------------------------
started "$work/stop"
kill -TERM $run
check "a stop ends with status 75" ended 75
check "and says what is left" grep -q "are left" "$work/run.out"
check "no worker outlives it" none kill -0 "$worker"
check "the same command goes on" status 0 "$entropy" run "$work/plan.yaml" -o "$work/stop"
check "to the same tables" same "$work/stop" "$work/whole"

killed=0 attempts=0
while [ $killed -lt "$kills" ] && [ $attempts -lt $((20 * kills)) ]; do
    attempts=$((attempts + 1)) # one that comes too late is tried again, at another moment
    started "$work/kill"
    sleep "$(awk -v n=$attempts -v took="$took" 'BEGIN { srand(n); printf "%.3f", took / 1000 * rand() * rand() }')"
    kill -KILL $run 2>/dev/null && killed=$((killed + 1))
    wait $run 2>/dev/null
    [ "$(count "$work/kill" waiting)" = 0 ] && rm -rf "$work/kill"
done
check "so many kills in time" [ $killed -eq "$kills" ]
"$entropy" run "$work/plan.yaml" -o "$work/kill" --quiet >"$work/log" 2>&1
check "$kills kills at random moments, and it goes on to the same tables" same "$work/kill" "$work/whole"
check "without litter" no_litter "$work/kill"

# ---- many processes ----------------------------------------------------------------------------------------------------
for n in 1 2 3 4; do
    "$entropy" run "$work/plan.yaml" -o "$work/together" --threads 1 >"$work/together.$n" &
done
wait
done_by_all=$(cat "$work"/together.? | sed -n 's/.*: \([0-9]*\) cells done.*/\1/p' | awk '{ n += $1 } END { print n }')
check "four processes in one folder do every cell once" [ "$done_by_all" = 18 ]
check "their records merge" status 0 "$entropy" merge "$work/together"
check "into one file" [ "$(ls "$work"/together/records*.h5)" = "$work/together/records.h5" ]
check "with the same tables" same "$work/together" "$work/whole"
for shards in 3 7; do
    for shard in $(seq $shards); do
        "$entropy" run "$work/plan.yaml" -o "$work/shards-$shards" --shard "$shard/$shards" --quiet >"$work/log" 2>&1
    done
    check "$shards shards merge" status 0 "$entropy" merge "$work/shards-$shards"
    check "to the same tables" same "$work/shards-$shards" "$work/whole"
done
SLURM_ARRAY_TASK_ID=4 SLURM_ARRAY_TASK_MIN=3 SLURM_ARRAY_TASK_COUNT=2 "$entropy" run "$work/plan.yaml" -o "$work/array" --quiet
check "an array task finds its share" ls "$work/array/records-2-of-2.h5"
check "jobs at once" status 0 "$entropy" run "$work/plan.yaml" -o "$work/jobs" --jobs 3
check "make the same tables" same "$work/jobs" "$work/whole"

sed 's/measures:.*/measures: [stats]\nparts: 5/' "$work/plan.yaml" >"$work/parts.yaml"
for shard in 1 2 3; do "$entropy" run "$work/parts.yaml" -o "$work/parts" --shard $shard/3 --quiet; done
check "statistics in parts" holds "$work/parts" done 10
check "are kept apart" [ "$(ls "$work"/parts/counts-*.jsonl | wc -l)" = 10 ]
"$entropy" report "$work/parts" --quiet --no-figures
check "and add up to those of the whole" cmp "$work/parts/entropy.tsv" "$work/whole/entropy.tsv"
check "they merge" status 0 "$entropy" merge "$work/parts"
"$entropy" report "$work/parts" --quiet --no-figures
check "to the same" cmp "$work/parts/entropy.tsv" "$work/whole/entropy.tsv"
check "and the counts go" none ls "$work"/parts/counts-*.jsonl

plan "$work/plan.yaml" 20000000 # long enough to be met at work
started "$work/busy"
check "what is at work is not merged" fails 2 "at work" "$entropy" merge "$work/busy"
check "nor begun anew" fails 2 "at work" "$entropy" run "$work/plan.yaml" -o "$work/busy" --fresh
until_true 20 some_done "$work/busy"
kill -TERM $run; wait $run
check "merging an incomplete run says so" fails 1 "are not there" "$entropy" merge "$work/busy"
plan "$work/plan.yaml" 2000000

mkdir "$work/disagree"
sed 's/generated:/models: [MODEL]\ngenerated:/' "$work/plan.yaml" | sed "s|MODEL|$work/model.safetensors|" >"$work/file.yaml"
for seed in 1 2; do
    "$entropy" dataset make normal -o "$work/model.safetensors" --weights 5000 --seed $seed --force --quiet >"$work/log" 2>&1 ||
        "$entropy" dataset make normal -o "$work/model.safetensors" --weights 5000 --seed $seed >"$work/log" 2>&1
    "$entropy" run "$work/file.yaml" -o "$work/seed-$seed" --quiet >"$work/log" 2>&1
    cp "$work/seed-$seed/records.h5" "$work/disagree/records-$seed.h5"
    rm -f "$work/model.safetensors"
done
check "records that disagree are not merged" fails 1 "differs" "$entropy" merge "$work/disagree"
check "and stay" ls "$work/disagree/records-1.h5" "$work/disagree/records-2.h5"

# ---- a full disk -------------------------------------------------------------------------------------------------------
if [ "$(id -u)" -eq 0 ] && mkdir "$work/disk" && mount -t tmpfs -o size=600k tmpfs "$work/disk" 2>/dev/null; then
    plan "$work/plan.yaml" 20000
    "$entropy" run "$work/plan.yaml" -o "$work/roomy" --quiet
    dd if=/dev/zero of="$work/disk/full" bs=1k 2>/dev/null
    check "a full disk is a failure of the system" status 4 "$entropy" run "$work/plan.yaml" -o "$work/disk/run"
    check "that says so" grep -q "No space left" "$work/err"
    rm "$work/disk/full"
    check "with space again the run goes on" status 0 "$entropy" run "$work/plan.yaml" -o "$work/disk/run" --retry-failed
    check "to the same tables" same "$work/disk/run" "$work/roomy"
    umount "$work/disk"
else
    echo "skipped: a full disk (needs root and mount)"; skipped=1
fi

# ---- submitting --------------------------------------------------------------------------------------------------------
plan "$work/plan.yaml" 20000
check "a dry run submits nothing" status 0 "$entropy" submit "$work/plan.yaml" -o "$work/dry" --tasks 4 --time 10 --dry-run
check "and shows the commands" grep -q "sbatch --parsable --array=1-4 .*/task.sh 0" "$work/out"
check "whose scripts are valid" sh -n "$work/dry/task.sh"
check "rates give hours" status 0 "$entropy" submit "$work/plan.yaml" -o "$work/dry" --tasks 4 --rates "$work/whole" --dry-run
check "of nodes" grep -q "node-hours" "$work/out"
check "commands for others are printed" status 0 "$entropy" submit "$work/plan.yaml" -o "$work/other" --tasks 3 --print-commands
sh "$work/out" >"$work/log" 2>&1
"$entropy" run "$work/plan.yaml" -o "$work/plain" --quiet
check "and do the plan" status 0 "$entropy" merge "$work/other"
check "as one run does" same "$work/other" "$work/plain"
check "a name that a script cannot hold is refused" fails 2 "job script" "$entropy" submit "$work/plan.yaml" -o "$work/a b" --dry-run
if command -v sbatch >/dev/null && command -v munged >/dev/null && [ "$(id -u)" -eq 0 ] && unshare --net --pid --fork --mount-proc true 2>/dev/null; then
    if tests/cluster/with-slurm.sh sh tests/cluster/session.sh "$entropy" "$work" "${LONG:-}" >"$work/slurm" 2>&1; then :; fi
    grep -E '^(ok|FAILED)' "$work/slurm"
    passed=$((passed + $(grep -c '^ok' "$work/slurm")))
    failed=$((failed + $(grep -c '^FAILED' "$work/slurm")))
    if grep -q '^FAILED' "$work/slurm" || ! grep -q '^ok' "$work/slurm"; then
        tail -n 20 "$work/slurm"
        grep -q '^FAILED' "$work/slurm" || failed=$((failed + 1))
    fi
else
    echo "skipped: Slurm (needs root, slurm-wlm, munge, iproute2)"; skipped=$((${skipped:-0} + 1))
fi

echo "$passed passed, $failed failed, ${skipped:-0} skipped"
[ $failed -eq 0 ]
