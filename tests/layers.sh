#!/bin/sh
# layers.sh - a file includes only from the layers below its own (see libentropy/README.md).
set -eu
cd "$(dirname "$0")/.."

allowed() { # module -> modules whose headers it may include
    case $1 in
        base) echo "base" ;;
        count | field | weights) echo "$1 base" ;;
        stats | dependence | fit) echo "dependence fit stats count field weights base" ;; # one room, three headers
        transform | bitstack) echo "transform bitstack count field weights base" ;; # one room, two headers
        coder) echo "coder count base" ;; # no more: the HDF5 plugin links it alone
        codec) echo "codec stats transform coder count field weights base" ;;
        target | cam) echo "target cam codec stats transform coder count field weights base" ;; # likewise
        gpu) echo "gpu codec stats transform coder count field weights base" ;;
        pack) echo "pack container filter codec stats transform coder count field weights base" ;;
        filter) echo "filter codec stats transform coder count field weights base" ;;
        container) echo "container filter codec stats transform coder count field weights base" ;;
        quality) echo "$1 codec stats transform coder count field weights base" ;;
        *) echo "" ;;
    esac
}

bad=0
for file in libentropy/*/*.[ch] libentropy/*/*.cu libentropy/include/entropy/*.h; do
    case $file in
        libentropy/include/entropy/entropy.h) continue ;;
        libentropy/include/entropy/*) module=$(basename "$file" .h) ;;
        *) module=$(basename "$(dirname "$file")") ;;
    esac
    may=$(allowed "$module")
    [ -n "$may" ] || { echo "$file: module '$module' has no layer in layers.sh"; bad=1; continue; }
    used=$(sed -n -e 's|^ *# *include <entropy/\([a-z]*\)\.h>.*|\1|p' -e 's|^ *# *include "\([a-z]*\)/[^"]*".*|\1|p' "$file")
    for u in $used; do
        case " $may " in
            *" $u "*) ;;
            *) echo "$file: a file of '$module' may not include from '$u'"; bad=1 ;;
        esac
    done
done
[ $bad -eq 0 ] && echo "layers: every include goes downward"
exit $bad
