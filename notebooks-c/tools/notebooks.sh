#!/bin/sh
# notebooks.sh BUILD [check] - installs into BUILD/stage, builds each notebook against that as a reader would, runs it and
# weaves BUILD/notebooks/NAME.md, .html and .ipynb; the .md and its figures then replace those beside the notebooks.
# With `check` nothing is replaced: what was woven is compared with what is there, a line "ok NAME" or "FAILED NAME" each,
# and the programs run under the address and undefined-behaviour sanitizers.  ONLY: words, names that begin so are done.
set -eu
cd "$(dirname "$0")/../.."
build=$(cd "$1" && pwd)
mode=${2:-}
stage=$build/stage out=$build/notebooks${mode:+-$mode}
flags="-std=gnu11 -O2 -g -Wall -Wextra -Wpedantic -Werror"
[ -z "$mode" ] || flags="$flags -O1 -fsanitize=address,undefined -fno-sanitize-recover=all"
mkdir -p "$out"
make -s --no-print-directory BUILD="$build" PREFIX="$stage" install >"$out/install.log" 2>&1 || { cat "$out/install.log" >&2; exit 1; }
export PKG_CONFIG_PATH="$stage/lib/pkgconfig" LD_LIBRARY_PATH="$stage/lib" PATH="$stage/bin:$PATH" LC_ALL=C
data=$(pkg-config --variable=datadir libentropy)

woven() { # NAME : whether it is built, runs and is woven; what it leaves lies in $out/NAME
    run=$out/$1
    rm -rf "$run"
    mkdir -p "$run"
    packages="libentropy $(sed -n 's|^// packages: ||p' "notebooks-c/$1.c")"
    "$build/weave" "notebooks-c/$1.c" >"$out/$1.c" &&
        ${CC:-gcc} $flags "$out/$1.c" $(pkg-config --cflags --libs $packages) -lm -o "$out/$1.run" &&
        (cd "$run" && timeout 300 "$out/$1.run" "$data/datasets/gutenberg-llama-4.7m" "$data" >"$out/$1.output") &&
        "$build/weave" "notebooks-c/$1.c" "$out/$1.output" "$run"
}

figures() { sed -n 's/^!\[.*](\([^)]*\.svg\))$/\1/p' "$1"; }

same() { # NAME : as what is kept beside the notebook
    "$build/weave" --compare "notebooks-c/$1.md" "$run/$1.md" || return 1
    for figure in $(figures "$run/$1.md"); do
        for folder in notebooks-c "$run"; do
            grep -q '<svg' "$folder/$figure" || { echo "$folder/$figure: no figure"; return 1; }
        done
    done
}

keep() { # NAME
    cp "$run/$1.md" notebooks-c/
    for figure in $(figures "$run/$1.md"); do cp "$run/$figure" notebooks-c/; done
    for kind in md html ipynb; do mv "$run/$1.$kind" "$out/"; done
}

bad=0
for file in notebooks-c/[0-9]*.c; do
    name=$(basename "$file" .c)
    for only in ${ONLY:-$name}; do
        case $name in "$only"*) ;; *) continue ;; esac
        if ! woven "$name"; then verdict=FAILED
        elif [ -n "$mode" ]; then same "$name" && verdict=ok || verdict=FAILED
        else keep "$name" && verdict=wove
        fi
        [ "$verdict" != FAILED ] || bad=1
        echo "$verdict $name"
    done
done
exit $bad
