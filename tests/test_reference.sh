#!/bin/sh
# test_reference.sh BUILD - the reference that doxygen makes of the headers: whole, without a warning, and it fails when a text
# is missing or names what there is not.
set -u
cd "$(dirname "$0")/.."
. tests/cases.sh
build=$(cd "${1:-build}" && pwd)
if ! command -v doxygen >/dev/null; then
    echo "skipped: the reference (needs doxygen)"
    echo "0 passed, 0 failed, 1 skipped"
    exit 0
fi

changed() { # SED-SCRIPT : the reference of headers that are changed so
    rm -rf "$work/headers" && cp -r libentropy/include "$work/headers"
    sed -i "$1" "$work/headers/entropy/count.h" && analyses/reference.sh "$work/changed" "$work/headers"
}

check "every public name has a text" analyses/reference.sh "$work/reference"
check "and nothing is said about it" [ ! -s "$work/log" ]
named() { sed -n 's/.*<name>\(.*\)<\/name>.*/\1/p' "$work/reference/names.xml" | sort -u; }
nm -D --defined-only "$build/libentropy.so" | awk '$3 ~ /^ent_/ { print $3 }' | sort -u >"$work/exported"
sed -n 's/^\(typedef \)\{0,1\}\(struct\|enum\) \(ent_[a-z0-9_]*\) {.*/\3/p' libentropy/include/entropy/*.h | sort -u >"$work/types"
check "all $(wc -l <"$work/exported") exported names are in it" [ -z "$(named | comm -13 - "$work/exported")" ]
check "all $(wc -l <"$work/types") structs and enums" [ -z "$(named | comm -13 - "$work/types")" ]
missing=
for header in libentropy/include/entropy/*.h; do
    grep -q "entropy/$(basename "$header")" libentropy/include/README.md || missing="$missing $header"
done
check "the page of headers has every header" [ -z "$missing" ]
check "a comment cut out is missed" fails 1 "ent_normalize.*not documented" changed '/^\/\* Counts to integer frequencies/,/\*\//d'
check "a struct's too" fails 1 "ent_counts is not documented" changed '/^\/\* A histogram/d'
check "so is a name that there is not" fails 1 "ent_counts_fre'" changed 's/by ent_counts_free,/by ent_counts_fre,/'

echo "$passed passed, $failed failed"
[ $failed -eq 0 ]
