#!/bin/sh
# session.sh ENTROPY WORK [LONG] - a plan through Slurm, inside with-slurm.sh; prints a line a case.
# WORK/plan.yaml is small; its tables are in WORK/plain.
set -u
entropy=$1 work=$2 long=${3:-}
. "$(dirname "$0")/waiting.sh"

"$entropy" submit "$work/plan.yaml" -o "$work/slurm-run" --tasks 6 --time 10 >"$work/submit.out" 2>&1 || cat "$work/submit.out"
say "a plan is submitted as arrays no larger than Slurm allows, and a job after them" grep -q "^jobs [0-9]*:[0-9]*, then merge" "$work/submit.out"
drain 60
say "all jobs end" empty
say "their records are merged" [ "$(ls "$work"/slurm-run/records*.h5)" = "$work/slurm-run/records.h5" ]
say "the tables are those of one run" same "$work/slurm-run" "$work/plain"
say "status knows that all is done" holds "$work/slurm-run" waiting 0
[ -n "$long" ] || exit 0

# cells that take seconds, so that tasks can be met at work
sed 's/weights: 20000, seed: 3/weights: 30000000, seed: 3/' "$work/plan.yaml" >"$work/slow.yaml"
"$entropy" run "$work/slow.yaml" -o "$work/slow-plain" --quiet

submit_slow() { # DIR
    rm -rf "$1"
    "$entropy" submit "$work/slow.yaml" -o "$1" --tasks 3 --time 10 >"$work/submit.out" 2>&1
    tasks=$(sed -n 's/^jobs \([0-9]*\).*/\1/p' "$work/submit.out")
    until_true 20 running "$tasks"
    sleep 0.3
}

submit_slow "$work/killed"
pkill -KILL -f "entropy run .*killed.*--shard 1/3"
drain 60
say "a task that is killed does not keep the others from ending" [ "$(count "$work/killed" waiting)" -lt 18 ]
"$entropy" submit "$work/slow.yaml" -o "$work/killed" --tasks 3 >"$work/submit.out" 2>&1
drain 60
say "submitted again, its share is done" same "$work/killed" "$work/slow-plain"

submit_slow "$work/requeued"
scontrol requeue "${tasks}_1"
drain 90
say "a task that is requeued goes on where it was" same "$work/requeued" "$work/slow-plain"

submit_slow "$work/signalled" # what Slurm sends before the time limit
scancel -b -s USR1 "${tasks}_1"
drain 120
say "before its time limit a task saves its cells and goes back to the queue" same "$work/signalled" "$work/slow-plain"
say "as its log tells" grep -q "signal 10" "$work"/signalled/logs/*_1.log

submit_slow "$work/down"
scontrol update nodename=n1 state=down reason=test
sleep 1
scontrol update nodename=n1 state=resume 2>/dev/null # it may have come back by itself
drain 120
say "a node that fails and comes back loses nothing" same "$work/down" "$work/slow-plain"

submit_slow "$work/cancelled"
scancel "$tasks"
drain 60
say "cancelled tasks do not come back" empty
"$entropy" submit "$work/slow.yaml" -o "$work/cancelled" --tasks 5 >"$work/submit.out" 2>&1
drain 90
say "and the plan goes on with another number of tasks" same "$work/cancelled" "$work/slow-plain"

srun -n3 "$entropy" run "$work/plan.yaml" -o "$work/step" --quiet
say "tasks of srun find their shares" [ "$(ls "$work"/step/records-*-of-3.h5 | wc -l)" = 3 ]
"$entropy" merge "$work/step" --quiet
say "and make the whole" same "$work/step" "$work/plain"
