#!/bin/sh
# symbols.sh BUILD - every global name of the library begins with ent_, and the shared library
# exports exactly what the public headers declare.
set -eu
cd "$(dirname "$0")/.."
build=${1:-build}
bad=0
foreign=$(nm -g --defined-only "$build/libentropy.a" | awk 'NF == 3 { print $3 }' | grep -v '^ent_' || true)
[ -z "$foreign" ] || { echo "globals without the prefix:"; echo "$foreign"; bad=1; }
nm -D --defined-only "$build/libentropy.so" | awk '$3 ~ /^ent_/ { print $3 }' | sort >"$build/exported"
cat libentropy/include/entropy/*.h | tr '\n' ' ' | grep -o 'ENT_API[^;]*;' | grep -o 'ent_[a-z0-9_]*\( *(\|\[\)' | tr -d ' ([' | sort -u >"$build/declared"
undeclared=$(comm -23 "$build/exported" "$build/declared")
[ -z "$undeclared" ] || { echo "exported but not declared ENT_API:"; echo "$undeclared"; bad=1; }
missing=$(comm -13 "$build/exported" "$build/declared")
[ -z "$missing" ] || { echo "declared ENT_API but not defined:"; echo "$missing"; bad=1; }
[ $bad -eq 0 ] && echo "symbols: $(wc -l <"$build/exported") exported, all declared, all prefixed"
exit $bad
