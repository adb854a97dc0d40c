#!/bin/sh
# fuzz.sh BUILD - runs every tests/fuzz/fuzz_*.c for SECONDS_EACH (20) seconds under libFuzzer, with
# address and undefined-behaviour checks; one line each, status 1 when there is a finding.  What was
# found is in BUILD-fuzz/findings, and runs again with BUILD-fuzz/fuzz_NAME FILE.
set -eu
cd "$(dirname "$0")/../.."
build=${1:-build}-fuzz
seconds=${SECONDS_EACH:-20}
clang=${CLANG:-clang}
command -v "$clang" >/dev/null || { echo "fuzz.sh: needs clang (apt-get install clang)" >&2; exit 4; }

# the macro (a custom of fuzzers) passes over the checksums of HDF5's metadata, which no fuzzer gets right
flags='-O1 -g -DFUZZING_BUILD_MODE_UNSAFE_FOR_PRODUCTION -fsanitize=fuzzer-no-link,address,undefined -fno-sanitize-recover=all'
targets=
for source in tests/fuzz/fuzz_*.c; do
    name=$(basename "$source" .c)
    targets="$targets $build/$name"
done
make --no-print-directory CC="$clang" BUILD="$build" CFLAGS="$flags" $targets

mkdir -p "$build/findings"
bad=0
for target in $targets; do
    name=$(basename "$target" | sed s/fuzz_//)
    mkdir -p "$build/corpus/$name"
    log=$build/$name.log
    status=0
    "$target" -max_total_time="$seconds" -max_len=4096 -timeout=10 -rss_limit_mb=2048 -print_final_stats=1 \
        -artifact_prefix="$build/findings/$name-" "$build/corpus/$name" "tests/fuzz/corpus/$name" >"$log" 2>&1 || status=$?
    runs=$(sed -n 's/^stat::number_of_executed_units: *//p' "$log")
    if [ $status -eq 0 ]; then
        echo "fuzz $name: ${runs:-0} executions, nothing found"
    else
        echo "fuzz $name: ${runs:-?} executions, FINDING (status $status), see $log:"
        grep -m 5 -e 'does not hold' -e 'ERROR:' -e 'runtime error' -e 'Test unit written' "$log" || tail -5 "$log"
        bad=1
    fi
done
exit $bad
