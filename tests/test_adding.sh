#!/bin/sh
# test_adding.sh BUILD - does what libentropy/ADDING.md says to a copy of the sources: a coder, two formats, a transform, an
# estimator, a law, a context, a codec, a system and a target are added, built without a warning, listed, tested and used.
set -u
cd "$(dirname "$0")/.."
. tests/cases.sh
from=$PWD build=$(cd "${1:-build}" && pwd)
folder=$(basename "$build")

# Only what changes is built again: objects come along, older than what is written now.
mkdir -p "$work/tree/$folder"
tar -c --exclude=./.git --exclude="./build*" --exclude="./$folder" --exclude=./results . | tar -x -C "$work/tree"
(cd "$build" && find . -name '*.[od]' -o -name build.h | tar -c -T -) | tar -x -C "$work/tree/$folder"
cd "$work/tree" || exit 1

# A block of the page with a file behind its language is that file, or goes where the next words say.
apply() {
    awk '
        function put(    line, done, found, out) {
            if (where == "") { printf "%s", block >file; close(file); return }
            while ((getline line <file) > 0) {
                found = !done && where != "at" && index(line, text) && index(line, text) == match(line, /[^ ]/)
                if (found && where == "before") out = out block
                out = out line "\n"
                if (found && where == "after") out = out block
                done = done || found
            }
            close(file)
            if (where == "at") { out = out block; done = 1 }
            if (!done) { print "no line of " file " begins with " text; bad = 1 }
            printf "%s", out >file
            close(file)
        }
        /^```$/ && file { put(); file = ""; next }
        /^```[a-z]+ / { file = $2; where = $3; text = $0; sub(/^[^ ]* [^ ]* [^ ]* /, "", text); block = ""; blocks++; next }
        file { block = block $0 "\n" }
        END { exit bad || blocks < 21 }' libentropy/ADDING.md
}
check "every block of the page finds its place" apply

quietly() { make --no-print-directory -j"$(nproc)" BUILD="$folder" "$@"; }
tests="test_coder test_coder_hostile test_oracle test_format test_split test_transform test_stats test_fit test_dependence test_systems"
# shellcheck disable=SC2046
check "all builds without a warning" quietly "$folder/entropy" $(for t in $tests; do echo "$folder/$t"; done)
[ $failed -eq 0 ] || { tail -n 30 "$work/log"; echo "$passed passed, $failed failed"; exit 1; }
entropy=$work/tree/$folder/entropy
for family in coders:rank-gamma formats:F8_E3M4 readers:darknet transforms:sign estimators:krichevsky-trofimov laws:uniform \
    contexts:parity codecs:rank-gamma systems:binary-weight-network; do
    check "${family%:*} have ${family#*:}" sh -c "'$entropy' list ${family%:*} | grep -q '^${family#*:} '"
done
for t in $tests; do check "$t" "$folder/$t"; done
check "what is cited is known" tests/cites.sh "$folder"
check "layers hold" tests/layers.sh

# ---- one use of each ------------------------------------------------------------------------------------------------------
model=datasets/gutenberg-llama-4.7m/model.safetensors
check "the coder, by its codec: the identical file" sh -c "'$entropy' compress $model -o coded.h5 --codec rank-gamma --quiet &&
    '$entropy' decompress coded.h5 -o back.safetensors --quiet && cmp back.safetensors $model"
{
    printf '\223NUMPY\001\000\166\000%-117s\n' "{'descr': '|V1', 'fortran_order': False, 'shape': (4096,), }"
    head -c 4096 "$model"
} >words.npy
check "the number format" sh -c "'$entropy' stats words.npy --dtype F8_E3M4 --json | grep '\"dtype\":\"F8_E3M4\"' | grep -q '\"field\":\"exponent\"'"
{
    printf '\000\000\000\000\002\000\000\000\005\000\000\000\000\000\000\000\000\000\000\000'
    head -c 40000 "$model"
} >net.weights
check "the file format: 10000 weights" sh -c "'$entropy' inspect net.weights --json | grep -q '\"elements\":10000'"
check "which come back as they were" sh -c "'$entropy' compress net.weights -o net.h5 --quiet && '$entropy' decompress net.h5 -o net.back --quiet && cmp net.back net.weights"
head -c 40001 net.weights >cut.weights
check "and are refused when cut" fails 3 "cut short" "$entropy" inspect cut.weights
# signs of normal weights lose 1 - 2 / pi of the squares: 4.40 dB
"$entropy" dataset make normal -o normal.safetensors --weights 262144 --quiet
check "the transform, by the system: 1 - 2 / pi is lost" sh -c "'$entropy' compress normal.safetensors -o signs.h5 --with binary-weight-network --quiet &&
    '$entropy' decompress signs.h5 -o signs.safetensors --quiet &&
    '$entropy' quality signs.safetensors --against normal.safetensors --json |
    sed -n 's/.*\"sqnr_db\":\\([0-9.]*\\).*/\\1/p' | awk '{ n++; if (\$1 < 4.35 || \$1 > 4.45) bad = 1 } END { exit bad || !n }'"
check "the estimator" sh -c "'$entropy' stats $model --estimator krichevsky-trofimov --json | grep -q '\"estimator\":\"krichevsky-trofimov\"'"
check "the law" sh -c "'$entropy' stats normal.safetensors --fits --json | grep -q '\"law\":\"uniform\"'"
check "the context" sh -c "'$entropy' stats $model --dependence --context parity --json | grep -q '\"context\":\"parity\"'"
check "the target" "$entropy" cost "$model" --target mine.yaml

cd "$from" || exit 1
echo "$passed passed, $failed failed"
[ $failed -eq 0 ]
