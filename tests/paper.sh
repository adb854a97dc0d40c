#!/bin/sh
# paper.sh - the report types no measured number: what digits its text has are exact facts listed in paper/exact.txt; every
# command that stands for a number is defined by paper/numbers.list from the committed results, and used; tables, figures and citations exist.
#
# TEXT=FOLDER: another folder than paper/ for the .tex files, to see this test fail (tests/test_paper.sh).
set -u
cd "$(dirname "$0")/.."
text=${TEXT:-paper}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
bad=0
complain() { echo "paper: $*"; bad=1; }

RESULTS=results MACHINE= paper/make.sh "$work" data >"$work/log" 2>&1 || { cat "$work/log"; complain "numbers and tables cannot be made from results/"; }
out=$work/paper

# Digits.  Gone before looking: comments, what LaTeX reads (labels, lengths, files), names that begin with a letter, whole numbers of
# formulas.  A formula that is a number alone is text.
for file in "$text"/*.tex; do
    awk -v file="$file" '
        # Its whole numbers are mathematics, unless it is nothing else; numbers with a point are kept.
        function of_formula(formula,    kept) {
            if (formula ~ /^[-0-9.,\\ ]*$/) return formula
            for (; match(formula, /[0-9]+\.[0-9]+/); formula = substr(formula, RSTART + RLENGTH)) kept = kept " " substr(formula, RSTART, RLENGTH)
            return kept
        }
        FNR == NR { if ($0 !~ /^#/ && NF) { split($0, part, "\t"); allowed[++n] = part[1] } next }
        { line = $0 }
        FNR == 1 { body = line !~ /\\documentclass|^% main.tex/ }
        line ~ /\\begin\{document\}/ { body = 1 }
        { gsub(/\\%/, "\001", line); sub(/%.*/, "", line); gsub(/\001/, "\\%", line) }
        !body { next }
        line ~ /\\begin\{equation\}/ { display = 1 }
        {
            gsub(/\\(cite|ref|eqref|label|input|includegraphics|code|begin|end|setlength|url|bibliography|bibliographystyle)(\[[^]]*\])?\{[^}]*\}(\{[^}]*\})?/, "", line)
            gsub(/\\setlength[\\a-z{}0-9]*/, "", line)
            if (display) line = of_formula(line " =")
            rest = line; line = ""
            while (match(rest, /\$[^$]*\$/)) {
                formula = substr(rest, RSTART + 1, RLENGTH - 2)
                line = line substr(rest, 1, RSTART - 1)
                rest = substr(rest, RSTART + RLENGTH)
                line = line " " of_formula(formula) " "
            }
            line = line rest
            for (i = 1; i <= n; i++) gsub(allowed[i], " ", line)
            gsub(/\\?[A-Za-z][A-Za-z0-9]*(-[A-Za-z0-9]+)*/, " ", line)
            for (; match(line, /[0-9]+([.,][0-9]+)*/); line = substr(line, RSTART + RLENGTH))
                printf "%s:%d: \"%s\" is typed\n", file, FNR, substr(line, RSTART, RLENGTH)
        }
        $0 ~ /\\end\{equation\}/ { display = 0 }' paper/exact.txt "$file"
done >"$work/digits"
[ -s "$work/digits" ] && { cat "$work/digits"; complain "digits that are neither from a run nor in paper/exact.txt"; }

# Commands that stand for numbers.
strip() { sed 's/\([^\\]\)%.*/\1/; s/^%.*//' "$text"/*.tex; }
strip | grep -o '\\[A-Z][A-Za-z]*' | sort -u >"$work/used"
sed -n 's/^\\newcommand{\(\\[A-Za-z]*\)}.*/\1/p' "$out/numbers.tex" | sort -u >"$work/defined"
printf '%s\n' '\Delta' '\Bigl' '\Bigr' '\LaTeX' | sort >"$work/latex"
for name in $(comm -23 "$work/used" "$work/defined" | comm -23 - "$work/latex"); do complain "$name is not in paper/numbers.list"; done
grep -o '{[A-Z][A-Za-z]*}' paper/numbers.list | tr '{}' '\\ ' | sort -u >"$work/parts"
sort -u "$work/used" "$work/parts" | sed 's/ *$//' | sort -u >"$work/needed"
for name in $(comm -13 "$work/needed" "$work/defined"); do complain "$name of paper/numbers.list is not used"; done

# Tables, figures, citations.
for name in $(strip | grep -o '\\input{table-[a-z-]*}' | sed 's/.*{\(.*\)}/\1/'); do
    [ -s "$out/$name.tex" ] || complain "$name is not made by paper/tables.sh"
done
for name in $(strip | sed -n 's/.*\\includegraphics\[[^]]*\]{\([^}]*\)}.*/\1/p'); do
    [ -e "results/$name.svg" ] || [ -e "paper/$name.gp" ] || ls results/machines/*/"$name.svg" >/dev/null 2>&1 ||
        complain "figure $name: not in results/ nor drawn by paper/$name.gp"
done
for key in $(cat "$text"/*.tex "$out"/table-*.tex | grep -o '\\\(cite\|paper\){[a-z][^}]*}' | sed 's/.*{\(.*\)}/\1/' | tr ',' ' '); do
    grep -q "^@[a-z]*{$key," paper/refs.bib || complain "$key is not in paper/refs.bib"
done
[ $bad -eq 0 ] && echo "paper: $(wc -l <"$work/defined") numbers, each from a run"
exit $bad
