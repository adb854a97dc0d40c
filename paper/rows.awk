# rows.awk - tables with tabs, read by column name: shared by numbers.awk and table.awk.
#
# A condition is "column=value", "column!=value", "column~regex", "column<number" or "column>number"; several are joined
# by ";", and "" holds for every row.

function fail(text) { print "paper: " text >"/dev/stderr"; failed = 1; exit 1 }

# Reads a file once: cell[file, row, column name], columns[file, i], rows[file].  Lines that begin with "#" are notes.
function load(file,    line, name, n, i, value, status) {
    if (file in rows) return
    rows[file] = 0
    while ((status = (getline line <file)) > 0) {
        if (line ~ /^#/) continue
        n = split(line, value, "\t")
        if (!(file in width)) {
            width[file] = n
            for (i = 1; i <= n; i++) { columns[file, i] = value[i]; known[file, value[i]] = 1 }
            continue
        }
        rows[file]++
        for (i = 1; i <= width[file]; i++) cell[file, rows[file], columns[file, i]] = value[i]
    }
    close(file)
    if (status < 0 || !(file in width)) fail("cannot read " file)
}

function holds(file, row, condition,    part, n, i, at, sign, name, wanted, value) {
    n = split(condition, part, ";")
    for (i = 1; i <= n; i++) {
        match(part[i], /!=|[=~<>]/)
        at = RSTART; sign = substr(part[i], at, RLENGTH)
        name = substr(part[i], 1, at - 1); wanted = substr(part[i], at + RLENGTH)
        if (!at || !((file, name) in known)) fail(file " has no column '" name "' (" condition ")")
        value = cell[file, row, name]
        if (sign == "=" && value != wanted) return 0
        if (sign == "!=" && value == wanted) return 0
        if (sign == "~" && value !~ wanted) return 0
        if (sign == "<" && (value == "" || value + 0 >= wanted + 0)) return 0
        if (sign == ">" && (value == "" || value + 0 <= wanted + 0)) return 0
    }
    return 1
}

# A number as LaTeX shows it, or a text with its special characters kept.
function tex(value) {
    if (value ~ /^-[0-9.]+$/) return "$-$" substr(value, 2)
    if (value ~ /^[0-9.]+e[-+][0-9]+$/) return scientific(value)
    gsub(/[%&#_$]/, "\\\\&", value)
    gsub(/\^/, "\\^{}", value)
    gsub(/~/, "\\textasciitilde{}", value)
    return value
}

function scientific(value,    at) {
    at = index(value, "e")
    return "$" substr(value, 1, at - 1) "\\cdot 10^{" substr(value, at + 1) + 0 "}$"
}

# 4737792 as 4\,737\,792; four digits stay together.
function grouped(digits,    text) {
    if (length(digits) < 5) return digits
    for (; length(digits) > 3; digits = substr(digits, 1, length(digits) - 3)) text = "\\," substr(digits, length(digits) - 2) text
    return digits text
}

# By a format of printf, where the value is a number; "count": digits in threes; "cite": a key of refs.bib, shown by the
# command \paper of main.tex.
function shown(value, format) {
    if (format == "cite") return value ~ /[0-9][0-9][0-9][0-9]/ ? "\\paper{" value "}" : value
    if (format == "count") return grouped(value)
    if (format == "" || value !~ /^[-+]?[0-9]/) return tex(value)
    value = sprintf(format, value)
    if (value ~ /^[-+][0.]+$/) value = substr(value, 2) # nothing has no sign
    return tex(value)
}
