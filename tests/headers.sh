#!/bin/sh
# headers.sh - each public header compiles alone, as C11 and as C++, and stays a page or two long.
set -eu
cd "$(dirname "$0")/.."
bad=0
for header in libentropy/include/entropy/*.h; do
    name=entropy/$(basename "$header")
    echo "#include <$name>" | ${CC:-gcc} -std=c11 -Wall -Wextra -Wpedantic -Wconversion -Werror -Ilibentropy/include -x c -fsyntax-only - ||
        { echo "$header: does not compile alone as C11"; bad=1; }
    if command -v g++ >/dev/null; then
        echo "#include <$name>" | g++ -std=c++17 -Wall -Wextra -Werror -Ilibentropy/include -x c++ -fsyntax-only - ||
            { echo "$header: does not compile alone as C++"; bad=1; }
    fi
    lines=$(wc -l <"$header")
    [ "$lines" -le 240 ] || { echo "$header: $lines lines, the budget is 240"; bad=1; }
done
[ $bad -eq 0 ] && echo "headers: each compiles alone, none is over budget"
exit $bad
