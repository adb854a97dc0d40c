# table.awk - rows of a table as a LaTeX tabular.
#
# align=lrr awk -v file=TSV -v where=CONDITION -f rows.awk -f table.awk COLUMNS >NAME.tex
#
# A line of COLUMNS: heading (LaTeX), column, format.  "column@name=value" is the column's value in the row that has `value`
# in the column `name` and agrees in all columns that have no "@": a long table is shown wide.
# A line "rule", column: space where that column changes.

BEGIN { FS = "\t" }
/^#/ || !NF { next }
$1 == "rule" { gap = $2; next }
{
    heading[++n] = $1; format[n] = $3
    at = index($2, "@")
    from[n] = at ? substr($2, 1, at - 1) : $2
    pick[n] = at ? substr($2, at + 1) : ""
}
END {
    if (failed) exit 1
    load(file)
    for (i = 1; i <= n; i++) if (!((file, from[i]) in known)) fail(file " has no column '" from[i] "'")
    print "% written by paper/table.awk from " file (where == "" ? "" : ", where " where) "; do not edit."
    print "\\begin{tabular}{@{}" ENVIRON["align"] "@{}}\n\\toprule"
    for (i = 1; i <= n; i++) printf "%s%s", heading[i], i < n ? " & " : " \\\\\n\\midrule\n"
    for (row = 1; row <= rows[file]; row++) {
        if (!holds(file, row, where)) continue
        key = ""
        for (i = 1; i <= n; i++) if (pick[i] == "") key = key SUBSEP cell[file, row, from[i]]
        if (!(key in first)) { order[++lines] = key; first[key] = row }
        for (i = 1; i <= n; i++)
            if (pick[i] != "" && holds(file, row, pick[i])) picked[key, i] = cell[file, row, from[i]]
    }
    if (!lines) fail(file ": no row where " where)
    for (line = 1; line <= lines; line++) {
        key = order[line]; row = first[key]
        if (gap != "" && line > 1 && cell[file, row, gap] != cell[file, first[order[line - 1]], gap]) print "\\addlinespace"
        for (i = 1; i <= n; i++) {
            value = pick[i] == "" ? cell[file, row, from[i]] : picked[key, i]
            printf "%s%s", value == "" || value == "-" ? "--" : shown(value, format[i]), i < n ? " & " : " \\\\\n"
        }
    }
    print "\\bottomrule\n\\end{tabular}"
}
