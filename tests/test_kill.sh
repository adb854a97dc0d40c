#!/bin/sh
# test_kill.sh BUILD - compress and decompress killed at random moments, and without room: what is under the final name is what
# was there before, or the complete new file; of several files, all old, all new, or none that opens.  KILLS=N: so many of each
# kind (preset 15).
set -u
cd "$(dirname "$0")/.."
. tests/cases.sh

w=$work kills=${KILLS:-15} seed=1
now() { date +%s.%N; }
program() { "$entropy" "$@" --quiet --threads 1 >"$w/said" 2>&1; }

# Moments from the start of a run to some time after its end, half of them near that, in seconds; the first is at once.
moments() { # SECONDS
    seed=$((seed + 1))
    awk -v n="$kills" -v most="$1" -v seed="$seed" 'BEGIN { srand(seed); for (i = 0; i < n; i++) printf "%.4f\n", i ? most * (i % 2 ? 1.2 * rand() : 0.7 + 0.5 * rand()) : 0.0001 }'
}
# The state of a file: none, old, new, or wrong.
state() { # FILE GOOD
    if [ ! -e "$1" ]; then echo none
    elif cmp -s "$1" "$w/old"; then echo old
    elif cmp -s "$1" "$2"; then echo new
    else echo wrong; fi
}
count() { grep -c "^$1\$" "$w/states"; }

# killed NAME FOLDER GOOD COMMAND... : files of FOLDER must be as in GOOD, the command writes them again and again.
killed() {
    what=$1 folder=$2 good=$3
    shift 3
    rm -rf "$folder"
    mkdir "$folder"
    start=$(now)
    check "$what" program "$@" --force
    end=$(now)
    : >"$w/states"
    wrong=0 killed=0
    for moment in $(moments "$(echo "$end $start" | awk '{ print $1 - $2 }')"); do
        rm -rf "$folder"
        mkdir "$folder"
        before=none
        if [ $((killed % 2)) -eq 1 ]; then # an older file, to be overwritten
            before=old
            for file in "$good"/*; do cp "$w/old" "$folder/${file##*/}"; done
        fi
        killed=$((killed + 1))
        timeout -s KILL "$moment" "$entropy" "$@" --force --quiet --threads 1 >"$w/said" 2>&1
        for file in "$good"/*; do
            after=$(state "$folder/${file##*/}" "$file")
            echo "$after" >>"$w/states"
            [ "$after" = "$before" ] || [ "$after" = new ] || wrong=$((wrong + 1))
        done
        find "$folder" -type f ! -name '*.part-*' | while read -r file; do
            [ -e "$good/${file##*/}" ] || echo stray >>"$w/states" # a name that is no one's
        done
    done
    echo "$killed kills of $what: files $(count none) not there, $(count old) old, $(count new) new, $(count wrong) wrong"
    check "$what, killed" [ $((wrong + $(count stray))) -eq 0 ]
    check "$what, killed: once more, beside what kills have left" program "$@" --force
    for file in "$good"/*; do check "$what, killed: then ${file##*/} is right" cmp "$file" "$folder/${file##*/}"; done
}

"$entropy" dataset make normal -o "$w/model" --weights 1Mi --quiet >"$w/said"
"$entropy" dataset make normal -o "$w/base" --weights 1Mi --seed 2 --quiet >"$w/said"
echo 'what was there before' >"$w/old"
codec=arithmetic-adaptive # as slow as is wanted here
mkdir "$w/packed" "$w/plain" "$w/told" "$w/shards"
program compress "$w/model" -o "$w/packed/x" --codec $codec
cp "$w/model" "$w/plain/x"
program compress "$w/model" -o "$w/told/x" --codec $codec --base "$w/base"
killed compress "$w/out1" "$w/packed" compress "$w/model" -o "$w/out1/x" --codec $codec
killed decompress "$w/out2" "$w/plain" decompress "$w/packed/x" -o "$w/out2/x"
killed 'compress --base' "$w/out3" "$w/told" compress "$w/model" -o "$w/out3/x" --codec $codec --base "$w/base"

# Several files.  A folder with an older model, to be overwritten: never a mixture that opens.  An empty one: all or nothing.
"$entropy" dataset make normal -o "$w/shards/a.safetensors" --weights 300k --quiet >"$w/said"
printf '\020\0\0\0\0\0\0\0{"__metadata__":' >"$w/shards/b.safetensors"
safetensors='{"b":{"dtype":"U8","shape":[6],"data_offsets":[0,6]}}'
{
    # shellcheck disable=SC2059
    printf "\\$(printf %03o ${#safetensors})\0\0\0\0\0\0\0%sabcdef" "$safetensors"
} >"$w/shards/b.safetensors"
"$entropy" inspect "$w/shards/a.safetensors" --json | sed -n 's/.*"tensor":"\([^"]*\)".*/"\1":"a.safetensors",/p' | tr -d '\n' >"$w/names"
printf '{"weight_map":{%s"b":"b.safetensors"}}' "$(cat "$w/names")" >"$w/shards/model.safetensors.index.json"
program compress "$w/shards" -o "$w/shards.h5" --codec $codec

"$entropy" dataset make normal -o "$w/shards.old.safetensors" --weights 300k --seed 3 --quiet >"$w/said"
mkdir "$w/before"
cp "$w/shards/"* "$w/before"
cp "$w/shards.old.safetensors" "$w/before/a.safetensors"
sed 's/^{"weight_map"/{"metadata":{},"weight_map"/' "$w/shards/model.safetensors.index.json" >"$w/before/model.safetensors.index.json"
check 'the older model opens' program inspect "$w/before"
same_folder() { diff -r -x '*.part-*' "$1" "$2" >"$w/said"; }
killed_shards() { # BEFORE : what is in the folder first
    : >"$w/states"
    start=$(now)
    check 'decompress of shards' program decompress "$w/shards.h5" -o "$w/out4" --force
    end=$(now)
    for moment in $(moments "$(echo "$end $start" | awk '{ print $1 - $2 }')"); do
        rm -rf "$w/out4" "$w"/out4.part-*
        cp -r "$1" "$w/out4"
        timeout -s KILL "$moment" "$entropy" decompress "$w/shards.h5" -o "$w/out4" --force --quiet --threads 1 >"$w/said" 2>&1
        if same_folder "$w/out4" "$1"; then echo old
        elif same_folder "$w/out4" "$w/shards"; then echo new
        elif ! program inspect "$w/out4" && [ ! -e "$w/out4/model.safetensors.index.json" ]; then echo none
        else echo wrong; fi >>"$w/states"
    done
    echo "$kills kills of decompress into a folder of $(ls "$1" | wc -l) files: $(count old) old, $(count new) new, $(count none) without index, $(count wrong) mixtures"
    check 'decompress of shards, killed' [ "$(count wrong)" -eq 0 ]
    check 'decompress of shards, killed: once more, beside what kills have left' program decompress "$w/shards.h5" -o "$w/out4" --force
    check 'decompress of shards, killed: then it is right' same_folder "$w/out4" "$w/shards"
}
killed_shards "$w/before"
mkdir "$w/nothing"
killed_shards "$w/nothing"
check 'into an empty folder all or nothing' [ "$(count none)" -eq 0 ]

# The moments between the names are too short to be hit: the program is stopped at each call that gives or takes one.
if command -v strace >/dev/null && strace -o "$w/trace" true 2>/dev/null; then
    for call in unlink rename; do
        for nth in 1 2 3 4; do
            rm -rf "$w/out4"
            cp -r "$w/before" "$w/out4"
            strace -f -o "$w/trace" -e trace=$call -e inject=$call:signal=KILL:when=$nth \
                "$entropy" decompress "$w/shards.h5" -o "$w/out4" --force --quiet --threads 1 >"$w/said" 2>&1
            if same_folder "$w/out4" "$w/before" || same_folder "$w/out4" "$w/shards"; then continue; fi
            check "killed at $call $nth: no model" fails 3 '' "$entropy" inspect "$w/out4"
        done
    done
else
    echo "skipped: kills at each name given or taken (needs strace, and leave to use it)"; skipped=1
fi

# ---- no room: files of this process may have so many blocks of 512 bytes, as on a disk that is full

full() { # NAME FILE BLOCKS-OF-512-NEEDED COMMAND... : at several places
    what=$1 file=$2 needed=$3 bad=0
    shift 3
    for part in 0 1 3 7 9; do
        rm -f "$w/full/"*
        for old in no yes; do
            [ $old = no ] || cp "$w/old" "$file"
            (
                trap '' XFSZ
                ulimit -f $((needed * part / 10))
                "$entropy" "$@" --force --quiet --threads 1 >/dev/null 2>"$w/full.err"
            )
            [ $? -eq 4 ] || bad=$((bad + 1))
            if [ $old = no ]; then [ -z "$(ls -A "$w/full")" ] || bad=$((bad + 1))
            else { cmp -s "$file" "$w/old" && [ "$(ls -A "$w/full" | wc -l)" -eq 1 ]; } || bad=$((bad + 1)); fi
        done
    done
    check "$what without room: status 4, no file, an older one stays" [ $bad -eq 0 ]
}
mkdir "$w/full"
blocks() { echo $(($(wc -c <"$1") / 512)); }
full compress "$w/full/x" "$(blocks "$w/packed/x")" compress "$w/model" -o "$w/full/x" --codec $codec
full 'compress --base' "$w/full/x" "$(blocks "$w/told/x")" compress "$w/model" -o "$w/full/x" --codec $codec --base "$w/base"
full decompress "$w/full/x" "$(blocks "$w/model")" decompress "$w/packed/x" -o "$w/full/x"
full 'decompress --keep-going' "$w/full/x" "$(blocks "$w/model")" decompress "$w/packed/x" -o "$w/full/x" --keep-going
tensor=$("$entropy" inspect "$w/model" --json | sed -n 's/.*"tensor":"\([^"]*\)".*/\1/p' | head -n 1)
full 'decompress --tensor' "$w/full/x.npy" 2048 decompress "$w/packed/x" -o "$w/full/x.npy" --tensor "$tensor"
if [ "$(id -u)" -eq 0 ] && mount -t tmpfs -o size=256k none "$w/full" 2>/dev/null; then
    check 'a full disk: keep going does not' fails 4 'No space' "$entropy" decompress "$w/packed/x" -o "$w/full/x" --keep-going
    check 'nothing is left' [ -z "$(ls -A "$w/full")" ]
    umount "$w/full"
fi

echo "$passed passed, $failed failed, ${skipped:-0} skipped"
[ $failed -eq 0 ]
