#!/bin/sh
# test_notebooks.sh BUILD - the notebooks say today what they said when they were woven; and the weaver, on one of its own.
set -u
cd "$(dirname "$0")/.."
. tests/cases.sh
build=$(cd "${1:-build}" && pwd)
weave=$build/weave

check "the weaver is built" make --no-print-directory -s BUILD="$build" "$build/weave"

cat >"$work/1-small.c" <<'END'
// %% [markdown] tolerance=0.01
// # A *small* one
//
// | a | b |
// |---|---|
// | 1 | 2 |

// %%
#include <stdio.h>

// %%
int main(void)
{
    puts("<begins>");

    // %%
    for (int i = 0; i < 2; i++)
        printf("%d: 2.50\n", i);

    // %% [markdown]
    // ![a figure](small.svg)
    //
    // Times, and [another one](2-other.md):

    // %% times
    puts("7 ns");
    return 0;
}
END
cat >"$work/expected" <<'END'
<!-- Woven from 1-small.c by `make notebooks`: edit that file, not this one.  tolerance=0.01 -->

# A *small* one

| a | b |
|---|---|
| 1 | 2 |

```c
#include <stdio.h>
```

```c
int main(void)
{
    puts("<begins>");
```

```text
<begins>
```

```c
for (int i = 0; i < 2; i++)
    printf("%d: 2.50\n", i);
```

```text
0: 2.50
1: 2.50
```

![a figure](small.svg)

Times, and [another one](2-other.md):

```c
puts("7 ns");
return 0;
}
```

```text times
7 ns
```

END
mkdir "$work/small"
echo '<svg>"100 %"</svg>' >"$work/small/small.svg"
compiles() { "$weave" "$work/$1.c" >"$work/$1.tangled.c" && ${CC:-cc} -Wall -Wextra -Wpedantic -Werror "$work/$1.tangled.c" -o "$work/$1.run" && "$work/$1.run" >"$work/$1.output"; }
woven() { "$weave" "$work/1-small.c" "$work/1-small.output" "$work/small"; }
as_expected() { grep -v '^\*Measured on ' "$work/small/1-small.md" | diff "$work/expected" -; }
has() { grep -q -e "$2" "$work/small/1-small.$1"; }
check "a notebook compiles and runs" compiles 1-small
check "is woven" woven
check "into Markdown as expected" as_expected
check "that names the machine of its times" has md '^\*Measured on .*; elsewhere these numbers differ\.\*$'
check "HTML has tables and code" sh -c "grep -q '<td>1</td>' '$work/small/1-small.html' && grep -q '&lt;begins&gt;' '$work/small/1-small.html'"
check "holds its figures" has html '<img src="data:image/svg+xml,%3Csvg%3E%22100 %25%22%3C/svg%3E%0A" alt="a figure">'
check "and links to pages" has html '<a href="2-other.html">another one</a>'
check "Jupyter's form has four cells of code" [ "$(grep -c '"cell_type": "code"' "$work/small/1-small.ipynb")" -eq 4 ]
check "with output" has ipynb '"0: 2.50\\n"'
check "and the figure behind the code that drew it" sh -c "awk '/1: 2.50/ { seen = 1 } /svg.xml/ && seen { found = 1 } /cell-5/ { exit !found }' '$work/small/1-small.ipynb'"

# what may differ from run to run, and what may not
differs() { # SED-EXPRESSION
    sed -e "$1" "$work/small/1-small.md" >"$work/changed.md"
    ! cmp -s "$work/small/1-small.md" "$work/changed.md" && "$weave" --compare "$work/small/1-small.md" "$work/changed.md"
}
check "compared with itself" "$weave" --compare "$work/small/1-small.md" "$work/small/1-small.md"
check "a number within the tolerance" differs 's/0: 2.50/0: 2.52/'
check "one beyond it" none differs 's/0: 2.50/0: 2.53/'
check "that is no number" none differs 's/0: 2.50/0: nan/'
check "another time on another machine" differs 's/^7 ns/12.5 ns/; s/Measured on .*/Measured on sand/'
check "a time that is not there" none differs 's/^7 ns/ns/'
check "another word of output" none differs 's/<begins>/<begun>/'
check "of code, though within the tolerance" none differs 's/: 2.50.n/: 2.51\\n/'
check "of text" none differs 's/Times, and/Times and/'
check "an end too soon" none differs '/^7 ns/,$d'
check "and a line too many" none differs '$a\
more'

wrong() { # WORD SED-EXPRESSION
    sed -e "$2" "$work/1-small.c" >"$work/2-wrong.c"
    fails 3 "$1" "$weave" "$work/2-wrong.c"
}
check "text before the first cell" wrong 2-wrong.c:1: '1i\
int x;'
check "code in a cell of Markdown" wrong 2-wrong.c:18: 's/^    for.*/    \/\/ %% [markdown]\n&/'
check "an unknown word of a cell" wrong "'time': a cell is" 's/%% times/%% time/'
printf '<begins>\n\0361\n' >"$work/1-small.output"
check "output with a mark of no cell, or none of times" fails 3 "prints nothing" woven
printf 'no end' >"$work/1-small.output"
check "output that ends within a line" fails 3 "within a line" woven

# the notebooks themselves
CC=gcc notebooks-c/tools/notebooks.sh "$build" check >"$work/verdicts" 2>&1
grep -v '^ok \|^FAILED ' "$work/verdicts"
for notebook in notebooks-c/[0-9]*.c; do
    name=$(basename "$notebook" .c)
    check "$name" grep -qx "ok $name" "$work/verdicts"
done

echo "$passed passed, $failed failed, 0 skipped"
[ $failed -eq 0 ]
