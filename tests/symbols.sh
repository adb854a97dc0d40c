#!/bin/sh
# symbols.sh BUILD - every global name of the library begins with ent_, and the shared library
# exports exactly what the public headers declare; the HDF5 filter shows HDF5 its two functions and needs
# neither HDF5 nor GSL, OpenBLAS or OpenMP.
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
shown=$(nm -D --defined-only "$build/plugin/libh5entropy.so" | awk '{ print $3 }' | sort | tr '\n' ' ')
[ "$shown" = "H5PLget_plugin_info H5PLget_plugin_type " ] || { echo "the filter exports: $shown"; bad=1; }
heavy=$(nm -D --undefined-only "$build/plugin/libh5entropy.so" | awk '{ print $2 }' | grep -E '^(H5|gsl_|cblas_|LAPACKE_|omp_|GOMP_)' || true)
[ -z "$heavy" ] || { echo "the filter needs:"; echo "$heavy"; bad=1; }
[ $bad -eq 0 ] && echo "symbols: $(wc -l <"$build/exported") exported, all declared, all prefixed"
exit $bad
