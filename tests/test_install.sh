#!/bin/sh
# test_install.sh BUILD - what is installed: a program built against it outside of the tree, the manual, completion, the
# Debian package; and that it goes away again.
set -u
cd "$(dirname "$0")/.."
. tests/cases.sh
build=$(cd "${1:-build}" && pwd)
root=$work/root
model=datasets/gutenberg-llama-4.7m/model.safetensors

quietly() { make --no-print-directory -s BUILD="$build" "$@"; }
installed() { LD_LIBRARY_PATH="$root/opt/lib" ENT_DATA="$root/opt/share/libentropy" "$@"; }

check "make install" quietly install DESTDIR="$root" PREFIX=/opt H5PLUGINDIR=/opt/lib/hdf5/plugins
check "the program runs from there" installed "$root/opt/bin/entropy" list codecs
check "and has its data" installed "$root/opt/bin/entropy" stats gutenberg-llama-4.7m

export PKG_CONFIG_PATH="$root/opt/lib/pkgconfig" PKG_CONFIG_SYSROOT_DIR="$root"
flags=$(pkg-config --cflags --libs libentropy)
cp tests/outside/exponents.c "$work/"
# shellcheck disable=SC2086
check "a program outside of the tree is built by pkg-config's flags" sh -c "cd '$work' && ${CC:-cc} -std=c11 -Wall -Wextra -Wpedantic -Werror exponents.c $flags -o exponents"
check "it runs" installed "$work/exponents" "$model"
installed "$work/exponents" "$model" >"$work/mine"
build/entropy stats "$model" --json --tensors 2>/dev/null >"$work/theirs" || "$entropy" stats "$model" --json --tensors >"$work/theirs"
check "and says what the program says" awk -v theirs="$work/theirs" '
    BEGIN {
        while ((getline line <theirs) > 0)
            if (line ~ /"scope":"tensor"/ && line ~ /"field":"exponent"/ && line ~ /"estimator":"plugin"/) {
                name = bits = line
                sub(/.*"name":"/, "", name); sub(/".*/, "", name)
                sub(/.*"bits":/, "", bits); sub(/[,}].*/, "", bits)
                expected[name] = bits
            }
    }
    { n++; if (!($1 in expected) || ($2 - expected[$1]) ^ 2 > 1e-8) bad = 1 }
    END { exit bad || n < 10 }' "$work/mine"
sed -n '/^```c$/,/^```$/{ /^```/!p; }' libentropy/include/README.md >"$work/first.c"
# shellcheck disable=SC2086
check "so is the first program of the headers' page" sh -c "cd '$work' && ${CC:-cc} -std=c11 -Wall -Wextra -Wpedantic -Werror first.c $flags -o first"
check "which codes a model and reads a tensor back" sh -c "LD_LIBRARY_PATH='$root/opt/lib' '$work/first' '$model' '$work/first.h5' >'$work/mine'"
"$entropy" compress "$model" -o "$work/second.h5" --codec "BF16: exponent=huffman rest=raw" --json --quiet >"$work/theirs"
check "and tells the bits that the program tells" grep -q "\"bits_per_weight\":$(cut -c 1-5 "$work/mine")" "$work/theirs"
printf '#include <entropy/entropy.h>\nint main() { return 0; }\n' >"$work/h.cc"
for compiler in g++ clang++; do
    command -v $compiler >/dev/null || continue
    # shellcheck disable=SC2046
    check "$compiler takes the public headers" $compiler -fsyntax-only "$work/h.cc" $(pkg-config --cflags libentropy)
done

# ---- the manual ---------------------------------------------------------------------------------------------------------
commands=$("$entropy" --help | sed -n '/^Commands:/,/^$/s/^  \([a-z][a-z]*\) .*/\1/p')
pages=0 options=0 missing=
for command in $commands; do
    page=$root/opt/share/man/man1/entropy-$command.1
    [ -s "$page" ] && pages=$((pages + 1))
    for option in $("$entropy" "$command" --help | grep -o -- '^ \+\(-., \)\?--[a-z-]*' | grep -o -- '--[a-z-]*'); do
        options=$((options + 1))
        sed 's/\\-/-/g' "$page" | grep -q -e "$option" || missing="$missing $command:$option"
    done
    sed -n '/^## '"$command"'$/,/^## /p' analyses/examples.txt | grep -q '^    ' || missing="$missing $command:examples"
done
check "every command has its page" [ "$pages" -eq "$(echo "$commands" | wc -w)" ]
check "with each of $options options, and examples" [ -z "$missing" ]
if command -v man >/dev/null && command -v groff >/dev/null; then
    check "that man shows without a warning" sh -c "for page in '$root'/opt/share/man/man1/*.1; do man --warnings=all -l \"\$page\" 2>&1 >/dev/null; done | wc -l | grep -qx 0"
fi
# the commands of the examples are ones that the program takes: their options exist
unknown=$(sed -n 's/^    entropy \([a-z]*\) /\1 /p' analyses/examples.txt | while read -r command rest; do
    for option in $(echo "$rest" | grep -o -- ' --[a-z-]*'); do
        "$entropy" "$command" --help | grep -q -e "$option" || echo "$command $option"
    done
done)
check "the options of its examples exist" [ -z "$unknown" ]

# and they work, each section's in a folder with the files that it names; but for what takes long, and Slurm
examples=$work/examples
mkdir -p "$examples/hf/hub/models--org--name/refs" "$examples/hf/hub/models--org--name/snapshots/1" "$examples/files"
(
    cd "$examples/files" || exit 1
    "$entropy" dataset make normal -o model.safetensors --weights 64k --quiet
    "$entropy" dataset make student -o changed.safetensors --weights 64k --quiet
    for name in original a b c; do cp model.safetensors $name.safetensors; done
    cp model.safetensors "$examples/hf/hub/models--org--name/snapshots/1/"
    printf 1 >"$examples/hf/hub/models--org--name/refs/main"
    printf 'name: folder\nmodels: [model.safetensors]\ncodecs: [huffman]\ntargets: [host]\nmeasures: [size]\n' >plan.yaml
)
section() { # COMMAND FILE... : its examples, in a folder with these files besides; says what failed
    command=$1; shift
    rm -rf "$examples/here" && cp -r "$examples/files" "$examples/here"
    [ $# -eq 0 ] || cp -r "$@" "$examples/here/"
    sed -n '/^## '"$command"'$/,/^## /s/^    entropy //p' analyses/examples.txt | (cd "$examples/here" && while read -r line; do
        case $line in *--gap | *--interval* | "bench model.safetensors --threads 1" | "quality gutenberg"* | submit* | reproduce*) continue ;; esac
        HF_HOME=$examples/hf ENT_DATA=$root/opt/share/libentropy sh -c "'$entropy' $line" </dev/null >"$examples/out" 2>&1 || echo "$line: $(tail -n 1 "$examples/out")"
    done)
}
check "coded for the examples" "$entropy" compress "$examples/files/model.safetensors" -o "$examples/model.h5" --quiet
check "and run" sh -c "cd '$examples/files' && '$entropy' run plan.yaml -o '$examples/folder' --quiet"
for command in entropy $commands; do
    case $command in
        decompress | verify | inspect) wrong=$(section "$command" "$examples/model.h5") ;;
        status | merge | report) wrong=$(section "$command" "$examples/folder") ;;
        *) wrong=$(section "$command") ;;
    esac
    check "the examples of $command" [ -z "$wrong" ]
done

# ---- completion -----------------------------------------------------------------------------------------------------------
if command -v bash >/dev/null; then
    complete_words() { # WORD... : what would complete the last
        PATH="$(dirname "$entropy"):$PATH" bash -c 'source "$0"
            COMP_WORDS=("$@") COMP_CWORD=$(($# - 1)); _entropy; printf "%s\n" "${COMPREPLY[@]}"' "$root/opt/share/bash-completion/completions/entropy" "$@"
    }
    check "completion knows commands" [ "$(complete_words entropy decom)" = decompress ]
    check "options" [ "$(complete_words entropy compress --bud)" = "--budget" ]
    check "codecs" [ "$(complete_words entropy bench --codec dflo)" = dfloat11 ]
    check "systems and transforms" [ "$(complete_words entropy compress --with nvf | sort | uniq -c | wc -l)" -eq 1 ]
    check "lists" [ "$(complete_words entropy list est)" = estimators ]
    check "models" [ "$(complete_words entropy stats gutenb)" = gutenberg-llama-4.7m ]
    check "and files" [ "$(complete_words entropy stats analyses/examp)" = analyses/examples.txt ]
    differs=
    for command in $commands; do
        complete_words entropy "$command" -- | sort -u >"$work/completed"
        sed -n 's/\\-/-/g; /^\.TP$/{ n; s/\\-/-/g; s/^\.B //p; }' "$root/opt/share/man/man1/entropy-$command.1" | grep -o -- '--[a-z-]*' | sort -u |
            cmp -s - "$work/completed" || differs="$differs $command"
    done
    check "of every command the options that its page has" [ -z "$differs" ]
fi

# The other shells ask the same function: their own part of it alone is looked at.
zsh_words() { # completion functions run within zsh's line editor: what they give it is printed here
    PATH="$(dirname "$entropy"):$PATH" zsh -f -c 'compdef() { }
        compadd() { shift; print -l -- "${(M)@:#$words[CURRENT]*}" }
        _files() { print -l -- $words[CURRENT]*(N) }
        source $0; words=("$@"); CURRENT=$#; _entropy' "$root/opt/share/zsh/site-functions/_entropy" "$@"
}
fish_words() { HOME=$work PATH="$(dirname "$entropy"):$PATH" fish -N -c "source '$root/opt/share/fish/vendor_completions.d/entropy.fish'; complete -C '$*'"; }
for shell in zsh fish; do
    command -v $shell >/dev/null || continue
    check "$shell completes commands" [ "$(${shell}_words entropy decom)" = decompress ]
    check "$shell completes options" [ "$(${shell}_words entropy compress --bud)" = "--budget" ]
    check "$shell completes codecs" [ "$(${shell}_words entropy bench --codec dflo)" = dfloat11 ]
    check "$shell completes files" [ "$(${shell}_words entropy stats analyses/examp | sed '/^$/d')" = analyses/examples.txt ]
done

# ---- and away ---------------------------------------------------------------------------------------------------------------
check "make uninstall" quietly uninstall DESTDIR="$root" PREFIX=/opt H5PLUGINDIR=/opt/lib/hdf5/plugins
check "leaves no file" [ -z "$(find "$root" -type f -o -type l)" ]

# ---- the Debian package -----------------------------------------------------------------------------------------------------
if command -v dpkg-shlibdeps >/dev/null && command -v dpkg-deb >/dev/null; then
    unset PKG_CONFIG_PATH PKG_CONFIG_SYSROOT_DIR
    check "make deb" quietly deb
    deb=$(ls "$build"/libentropy_*.deb)
    check "names what it needs" sh -c "dpkg-deb -f '$deb' Depends | grep -q libhdf5 && dpkg-deb -f '$deb' Depends | grep -q libgsl"
    mkdir -p "$work/deb/var/lib/dpkg/updates" "$work/deb/var/lib/dpkg/info"
    : >"$work/deb/var/lib/dpkg/status"; : >"$work/deb/var/lib/dpkg/available"
    into="dpkg --force-not-root --force-depends --force-script-chrootless --root=$work/deb --log=$work/dpkg.log"
    check "installs" sh -c "$into -i '$deb'"
    check "runs" env LD_LIBRARY_PATH="$work/deb/usr/lib" ENT_DATA="$work/deb/usr/share/libentropy" "$work/deb/usr/bin/entropy" stats gutenberg-llama-4.7m
    check "and is removed" sh -c "$into -P libentropy"
    check "without a trace" [ -z "$(find "$work/deb/usr" -type f 2>/dev/null)" ]
    rm -f "$deb"
else
    echo "skipped: the Debian package (needs dpkg-dev)"; skipped=1
fi

echo "$passed passed, $failed failed, ${skipped:-0} skipped"
[ $failed -eq 0 ]
