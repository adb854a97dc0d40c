#!/bin/sh
# check.sh BUILD - everything that must hold before a change lands; called by `make check`.
#
# Builds with gcc and clang; unit tests on every set of CPU features; address, undefined-behaviour
# and thread sanitizers; the rules as scripts; the program from outside; the demo, twice.
set -u
cd "$(dirname "$0")/.."
build=${1:-build}
export QUIET_TOTAL=1
passed=0 failed=0 skipped=0 broken=

say() { printf '\n== %s\n' "$1"; }
add() { # LABEL PASSED FAILED [SKIPPED]
    passed=$((passed + $2)) failed=$((failed + $3)) skipped=$((skipped + ${4:-0}))
    [ "$3" -eq 0 ] || broken="$broken
  $3 failed: $1"
}

make_in() { # BUILD VARIABLE=VALUE... : a build that must succeed without a warning
    dir=$1; shift
    if ! make -j"$(nproc)" --no-print-directory BUILD="$dir" "$@" all tests >"$dir.log" 2>&1; then
        tail -n 40 "$dir.log"
        echo "build in $dir failed"
        add "build in $dir" 0 1
        return 1
    fi
    rm -f "$dir.log"
}

units() { # BUILD LABEL
    rm -f "$1/unit.count"
    tests/unit.sh "$1" "$2"
    # shellcheck disable=SC2046
    add "unit tests${2:+ [$2]}" $(cat "$1/unit.count" 2>/dev/null || echo 0 1)
}

rule() { # a script that passes or fails as one check
    if "$@"; then add "$*" 1 0; else echo "FAILED: $*"; add "$*" 0 1; fi
}

cases() { # a script that prints its own "N passed, M failed" as its last line
    label="$*"
    "$@" >"$build/cases.out"
    cat "$build/cases.out"
    last=$(tail -n 1 "$build/cases.out")
    # shellcheck disable=SC2046
    set -- $(echo "$last" | sed -n 's/^\([0-9]*\) passed, \([0-9]*\) failed\(, \([0-9]*\) skipped\)\{0,1\}$/\1 \2 \4/p')
    label="$label$(awk '/^FAILED/ { printf "\n    %.200s", $0 }' "$build/cases.out")"
    if [ $# -ge 2 ]; then add "$label" "$@"; else echo "FAILED: no count in '$last'"; add "$label" 0 1; fi
}

say "build with gcc"
if make_in "$build"; then
    say "rules"
    rule tests/layers.sh
    rule tests/headers.sh
    rule tests/symbols.sh "$build"
    rule tests/cites.sh "$build"
    rule tests/paper.sh
    for disabled in "" avx512 avx512,avx2 avx512,avx2,bmi2; do
        say "unit tests, CPU features taken away: ${disabled:-none}"
        ENT_DISABLE_CPU=$disabled units "$build" "${disabled:+without $disabled}"
    done
    say "the program"
    for script in tests/test_*.sh; do
        [ -e "$script" ] && cases "$script" "$build"
    done
    say "the demo, twice: the tables of sizes must not change"
    rule tests/demo-twice.sh "$build"
    say "results: what takes seconds made again, pages and figures of the tables that are there"
    rule tests/check-results.sh "$build" quick
fi

say "build with clang, address and undefined-behaviour sanitizers"
sanitize="-O1 -g -fsanitize=address,undefined -fno-sanitize-recover=all -fno-omit-frame-pointer"
if make_in "$build-asan" CC=clang CFLAGS="$sanitize"; then
    for disabled in "" avx512,avx2,bmi2; do
        ENT_DISABLE_CPU=$disabled ASAN_OPTIONS=detect_leaks=1 units "$build-asan" "asan ubsan${disabled:+, without $disabled}"
    done
    say "replay of the fuzzers' corpora"
    rule tests/fuzz/replay.sh "$build-asan"
fi

say "build with clang, thread sanitizer"
archer=$(ls /usr/lib/llvm-*/lib/libarcher.so 2>/dev/null | tail -n 1)
if make_in "$build-tsan" CC=clang CFLAGS="-O1 -g -fsanitize=thread"; then
    # without archer, OpenMP's own barriers look like races
    TSAN_OPTIONS="ignore_noninstrumented_modules=1 halt_on_error=1" OMP_TOOL_LIBRARIES=$archer OMP_NUM_THREADS=4 \
        ONLY="test_base test_codec test_container test_container_damage test_corpus test_windows test_dataset test_product test_target" units "$build-tsan" tsan
fi

say "in all"
echo "$passed passed, $failed failed, $skipped skipped$broken"
[ $failed -eq 0 ]
