# waiting.sh - what session.sh asks of Slurm and of run folders; to be sourced.
say() { # NAME CONDITION...
    name=$1; shift
    if "$@" >"$work/say.log" 2>&1; then echo "ok Slurm: $name"; else echo "FAILED Slurm: $name"; cat "$work/say.log"; fi
}
until_true() { # SECONDS CONDITION...
    tries=$(($1 * 10)); shift
    until "$@" >/dev/null 2>&1 || [ $tries -eq 0 ]; do tries=$((tries - 1)); sleep 0.1; done
}
empty() { [ -z "$(squeue -h)" ]; }
drain() { until_true "$1" empty; } # SECONDS
running() { [ -n "$(squeue -h -t R -j "$1")" ]; }
same() { # DIR DIR: the tables that must reproduce
    for dir in "$1" "$2"; do "$entropy" report "$dir" --quiet --no-figures || return 1; done
    for table in sizes entropy predictions; do cmp "$1/$table.tsv" "$2/$table.tsv" || return 1; done
}
count() { "$entropy" status "$1" --json | tr ',{}' '\n\n\n' | sed -n "s/^\"$2\"://p"; } # DIR KEY
holds() { [ "$(count "$1" "$2")" = "$3" ]; }
