#!/bin/sh
# test_profile.sh BUILD - the profile, a moment a kernel: every row is complete, every kernel makes what plain C makes.
set -u
cd "$(dirname "$0")/.."
build=${1:-build}
passed=0 failed=0
check() { # WHAT COMMAND... : one check
    what=$1; shift
    if "$@"; then echo "ok $what"; passed=$((passed + 1)); else echo "FAILED: $what"; failed=$((failed + 1)); fi
}
table=$(mktemp)
trap 'rm -f "$table"' EXIT
run() { "$build/profile" 0.001 >"$table"; }
check "builds" make --no-print-directory BUILD="$build" "$build/profile"
check "runs, and every kernel agrees with plain C" run
check "every row is complete" awk -F'\t' 'NF != 9 || $3 <= 0 && NR > 1 { bad = 1 } END { exit bad || NR < 2 }' "$table"
for coder in $("$build/entropy" list coders | awk 'NR > 1 { print $1 }'); do
    check "$coder is there" grep -q "^$coder decode	plain	" "$table"
done
echo "$passed passed, $failed failed"
[ $failed -eq 0 ]
