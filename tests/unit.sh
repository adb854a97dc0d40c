#!/bin/sh
# unit.sh BUILD [LABEL] - run every unit test program of a build; a line a program, all of the output
# of one that fails, and the totals in $BUILD/unit.count for check.sh.
set -u
export OMP_WAIT_POLICY=passive # threads that wait do not take the processor from those that work
cd "$(dirname "$0")/.."
build=${1:-build}
label=${2:+ [$2]}
passed=0 failed=0 skipped=0
for program in "$build"/test_*; do
    case $program in *.*) continue ;; esac
    name=$(basename "$program")
    [ -z "${ONLY:-}" ] || case " $ONLY " in *" $name "*) ;; *) continue ;; esac
    start=$(date +%s.%N)
    CMOCKA_MESSAGE_OUTPUT=stdout "$program" >"$build/$name.out" 2>&1
    status=$?
    p=$(grep -c '^\[       OK \]' "$build/$name.out")
    s=$(awk '/^\[  SKIPPED \] [0-9]+ test/ { n = $4 } END { print n + 0 }' "$build/$name.out")
    f=$(awk '/^\[  FAILED  \] [0-9]+ test/ { n = $4 } END { print n + 0 }' "$build/$name.out")
    [ $status -eq 0 ] || [ "$f" -gt 0 ] || f=1 # died: a crash, a sanitizer, a leak
    [ "$((p + f))" -gt 0 ] || f=1              # ran nothing
    printf '%-28s %4d passed %3d failed %3d skipped %6.1f s%s\n' "$name" "$p" "$f" "$s" \
        "$(awk "BEGIN { print $(date +%s.%N) - $start }")" "$label"
    [ "$f" -eq 0 ] || tail -n 60 "$build/$name.out"
    passed=$((passed + p)) failed=$((failed + f)) skipped=$((skipped + s))
done
echo "$passed $failed $skipped" >"$build/unit.count"
[ -n "${QUIET_TOTAL:-}" ] || echo "$passed passed, $failed failed, $skipped skipped"
[ $failed -eq 0 ]
