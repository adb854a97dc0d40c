# numbers.awk - numbers.list as LaTeX commands, one a number, each with the file and row that it came from.
#
# awk -f rows.awk -f numbers.awk numbers.list >numbers.tex
#
# A line of the list: name, file, condition, column, format.  A column is a name, or one of "max", "min", "sum", "mean",
# "median" or "count" with ":name" behind it, over all rows for which the condition holds; a name alone wants exactly one.
# "@/" before a file is the folder `out`, where make.sh leaves tables made of others.  With "=" in place of a file the condition is an expression in which {Name} stands for the value of an earlier line;
# abs(x), log2(x), sqrt(x) and pow(x, y) may be used.

function sorted(list, n,    i, j, x) {
    for (i = 2; i <= n; i++) {
        x = list[i]
        for (j = i - 1; j >= 1 && list[j] > x; j--) list[j + 1] = list[j]
        list[j + 1] = x
    }
}

function of_rows(file, condition, column,    how, at, i, n, list, x, sum) {
    sub(/^@/, out, file)
    sub(/^results/, results, file)
    at = index(column, ":")
    how = at ? substr(column, 1, at - 1) : ""
    if (how !~ /^(max|min|sum|mean|median|count)$/) how = ""
    if (how != "") column = substr(column, at + 1)
    load(file)
    if (!((file, column) in known)) fail(file " has no column '" column "'")
    for (i = 1; i <= rows[file]; i++)
        if (holds(file, i, condition) && (how == "" || cell[file, i, column] != "")) {
            list[++n] = how == "" ? cell[file, i, column] : cell[file, i, column] + 0
            sum += list[n]
        }
    if (how == "count") return n + 0
    if (!n) fail(file ": no row where " condition)
    if (how == "") { if (n > 1) fail(file ": " n " rows where " condition); return list[1] }
    if (how == "sum") return sum
    if (how == "mean") return sum / n
    sorted(list, n)
    if (how == "min") return list[1]
    if (how == "max") return list[n]
    return n % 2 ? list[(n + 1) / 2] : (list[n / 2] + list[n / 2 + 1]) / 2
}

function of_expression(text, where,    program, value, name) {
    while (match(text, /\{[A-Za-z]+\}/)) {
        name = substr(text, RSTART + 1, RLENGTH - 2)
        if (!(name in raw)) fail(where ": {" name "} is not defined before it")
        text = substr(text, 1, RSTART - 1) "(" raw[name] ")" substr(text, RSTART + RLENGTH)
    }
    program = "awk 'function abs(x) { return x < 0 ? -x : x } function log2(x) { return log(x) / log(2) } " \
              "function pow(x, y) { return x ^ y } BEGIN { printf \"%.12g\", " text " }'"
    value = ""
    program | getline value
    close(program)
    if (value == "") fail(where ": cannot compute " text)
    return value
}

BEGIN { FS = "\t"; print "% numbers.tex - written by paper/numbers.awk from numbers.list; do not edit." }
/^#/ || !NF { next }
{
    if (NF < 4 || $1 !~ /^[A-Z][A-Za-z]*$/) fail("numbers.list:" FNR ": name, file, condition, column, format")
    if ($1 in raw) fail("numbers.list:" FNR ": " $1 " is there twice")
    raw[$1] = $2 == "=" ? of_expression($3, "numbers.list:" FNR) : of_rows($2, $3, $4)
    printf "\\newcommand{\\%s}{%s\\xspace}%% %s: %s: %s\n", $1, shown(raw[$1], $5), $2, $3, $4
}
