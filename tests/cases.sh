# cases.sh - what the scripts share that count cases of the program from outside; to be sourced with BUILD in $1.
#
# Gives $entropy, a folder $work that goes away at exit, and the counters $passed and $failed.
entropy=$(cd "${1:-build}" && pwd)/entropy
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
passed=0 failed=0

check() { # NAME CONDITION...
    name=$1; shift
    if "$@" >"$work/log" 2>&1; then
        passed=$((passed + 1)); echo "ok $name"
    else
        failed=$((failed + 1)); echo "FAILED $name: $*"; tail -n 5 "$work/log"
    fi
}
status() { # EXPECTED COMMAND... : output in $work/out, errors in $work/err
    expected=$1; shift
    "$@" >"$work/out" 2>"$work/err"
    [ $? -eq "$expected" ]
}
fails() { # STATUS WORD COMMAND... : exits with it and says it
    want=$1 word=$2; shift 2
    "$@" >"$work/out" 2>&1
    [ $? -eq "$want" ] && grep -q -e "$word" "$work/out"
}
none() { ! "$@"; }
