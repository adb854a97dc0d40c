#!/bin/sh
# calibration-page.sh - the page $RESULTS/calibration.md from $RESULTS/calibration.tsv; called by `make calibration`.
set -eu
cd "$(dirname "$0")/.."
table=${RESULTS:-results}/calibration.tsv
export LC_ALL=C

cat <<END
# Entropies of rounded weights

\`make calibration\` computes the entropy of exponent, mantissa and word of weights of a known law, rounded to the nearest
number of a format: from the exact mass of every number, by this library's formats, fields, counts and plug-in estimate.
[calibration.tsv](calibration.tsv) sets it beside figures that were computed apart from this library, by quadrature too, to 4
decimals (3 for 8-bit formats). $(awk -F '\t' 'NR > 1 { n++; d = $8 < 0 ? -$8 : $8; if (d > 0.005) more++ }
    END { printf "%s of the %d differs by more than 0.005 bits:", more ? more : "None", n }' "$table")

| law | log2 of its scale | format | rows | greatest difference, bits |
|---|---|---|---:|---:|
END
awk -F '\t' '
    NR == 1 { next }
    {
        key = $1 "\t" ($4 ~ /^F8/) "\t" $4
        if (!(key in rows)) { order[++n] = key; law[key] = $1; format[key] = $4; low[key] = high[key] = $2; narrow[key] = wide[key] = $3 }
        rows[key]++
        d = $8 < 0 ? -$8 : $8 + 0
        if (d > most[key]) most[key] = d
        if ($2 + 0 < low[key]) low[key] = $2
        if ($2 + 0 > high[key]) high[key] = $2
        if ($3 > 0 && (narrow[key] == 0 || $3 < narrow[key])) narrow[key] = $3
        if ($3 + 0 > wide[key]) wide[key] = $3
    }
    END {
        for (i = 1; i <= n; i++) {
            k = order[i]
            scale = low[k] == high[k] ? low[k] : low[k] " to " high[k]
            if (wide[k] > 0) scale = scale ", log-normal by " narrow[k] " to " wide[k]
            printf "| %s | %s | %s | %d | %.4f |\n", law[k], scale, format[k], rows[k], most[k]
        }
    }' "$table"
cat <<'END'

A mixture has normal weights whose deviation is log-normal, within 3 of the latter's deviations, as the figures have it (all of
it would add 0.004 at most, 0.006 at 0.7). Weights drawn by `entropy dataset make` have these entropies as well (`tests/test_dataset.c`).
END
