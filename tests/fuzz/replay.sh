#!/bin/sh
# replay.sh BUILD - runs the fuzz targets of this build over their corpora: what was found once stays
# fixed.  `make tests` builds them.
set -eu
cd "$(dirname "$0")/../.."
build=${1:-build}
bad=0
for source in tests/fuzz/fuzz_*.c; do
    name=$(basename "$source" .c | sed s/fuzz_//)
    "$build/replay_$name" "tests/fuzz/corpus/$name" || { echo "replay_$name: failed"; bad=1; }
done
exit $bad
