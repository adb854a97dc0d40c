#!/bin/sh
# sanitize.sh BUILD - the tests of the kernels on card 0 under NVIDIA's compute-sanitizer: accesses outside of memory, races in
# shared memory, barriers that not all threads reach.  A line a run; fails when one has found something.
#
# SECONDS_EACH=45: of each of the six runs, at most.  One that was cut short, or could not run, says so.
set -eu
cd "$(dirname "$0")/../.."
build=${1:-build}
seconds=${SECONDS_EACH:-45}
PATH=$PATH:/usr/local/cuda/bin
command -v compute-sanitizer >/dev/null || { echo 'compute-sanitizer is not here: nothing was checked'; exit 0; }
log=$(mktemp)
trap 'rm -f "$log"' EXIT
bad=0
for tool in memcheck racecheck synccheck; do
    for test in test_gpu_product test_gpu; do
        status=0
        timeout "$seconds" compute-sanitizer --tool $tool --error-exitcode 86 "$build/$test" >"$log" 2>&1 || status=$?
        case $status in
            0) echo "$tool of $test: nothing found" ;;
            86) echo "$tool of $test: FAULTS"; grep '^=========' "$log" | head -n 40; bad=1 ;;
            124) echo "$tool of $test: not done within $seconds s" ;;
            *) echo "$tool of $test: did not run to its end: status $status"; tail -n 3 "$log" ;;
        esac
    done
done
exit $bad
