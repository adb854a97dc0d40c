#!/bin/sh
# systems.sh BUILD [sizes|speeds|page] - every published system (`entropy list systems`) on the shipped model: sizes and losses into
# $RESULTS/systems.tsv, the same bytes each time; speeds of this machine into $RESULTS/machines/$MACHINE/systems.tsv; then pages and figures.
# One part alone where it is named.  Calibrated on sequences that are not measured; evopress searches on others still.
set -eu
cd "$(dirname "$0")/.."
entropy=${1:-build}/entropy
part=${2:-all}
model=datasets/gutenberg-llama-4.7m
results=${RESULTS:-results}
machine=$(analyses/machine-name.sh)
times=$results/machines/$machine/systems
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
export LC_ALL=C
tab=$(printf '\t')

# keys of the JSON lines of a file, tab-separated, a line each; null is empty
keys() {
    awk -v keys="$2" '
        function get(key,    value) {
            if (!match($0, "\"" key "\": *(\"([^\"\\\\]|\\\\.)*\"|[^,}]*)")) return ""
            value = substr($0, RSTART, RLENGTH); sub(/^"[^"]*": *"?/, "", value); sub(/"$/, "", value)
            return value == "null" ? "" : value
        }
        { n = split(keys, key, " "); for (i = 1; i <= n; i++) printf "%s%s", get(key[i]), i < n ? "\t" : "\n" }' "$1"
}

"$entropy" list systems --json --quiet >"$work/list"
keys "$work/list" 'name pipeline codec allocation published status left_out' >"$work/rows"
calibrate() { "$entropy" quality $model --quiet --skip 400 --sequences 256 --calibrate "$work/calibration.h5" --second "$@" >/dev/null; }

# Systems without a coder of their own are measured as they are stored, and coded by rans.
uncoded() { [ -n "$(printf '%s\n' "$1" | cut -f2)" ] && [ -z "$(printf '%s\n' "$1" | cut -f3)" ]; }

sizes() {
    set --
    while IFS= read -r row; do
        name=${row%%"$tab"*}
        set -- "$@" --with "$name"
        if uncoded "$row"; then set -- "$@" --with "$name => raw"; fi
    done <"$work/rows"
    "$entropy" quality $model --quiet --json --sequences 40 --calibration "$work/calibration.h5" --generations 12 "$@" >"$work/lines"
    grep '"pipeline"' "$work/lines" >"$work/quality"
    keys "$work/quality" 'pipeline bits_per_weight side_bits_per_weight sqnr_db perplexity kl_nats' >"$work/measured"
    printf 'system\tbits\tside bits\tby rans\tSQNR dB\tperplexity\tKL nats\tpublished\tstatus\tleft out\n'
    awk -F '\t' -v OFS='\t' '
        function number(x, digits) { return sprintf("%.*f", digits, x) }
        FNR == NR { raw = sub(/ => raw$/, "", $1); bits[$1, raw] = $2; side[$1, raw] = $3; sqnr[$1] = $4; ppl[$1] = $5; kl[$1] = $6; next }
        {
            raw = ($1, 1) in bits
            print $1, number(bits[$1, raw], 3), number(side[$1, raw], 3), raw ? number(bits[$1, 0], 3) : "-",
                sqnr[$1] == "" ? "exact" : number(sqnr[$1], 2), number(ppl[$1], 2), number(kl[$1], 4), $5, $6, $7 == "" ? "-" : $7
        }' "$work/measured" "$work/rows"
}

# Of the pipelines of an allocation encoding tries all, and decoding is that of 3 bits for all.
speed() { # WITH : encode, decode and memcpy GB/s
    "$entropy" bench $model --quiet --json --calibration "$work/calibration.h5" --runs 3 --with "$1" >"$work/bench"
    keys "$work/bench" 'encode_gbps decode_gbps memcpy_gbps'
}
speeds() {
    printf '# %s, one thread; %s; %s\n' "$(sed -n 's/^model name[^:]*: *//p' /proc/cpuinfo | head -1)" \
        "$("$entropy" --version | sed -n 's/^compiler  *//p')" "$(date +%F)"
    printf 'system\tencode GB/s\tdecode GB/s\tdecode/memcpy\n'
    while IFS= read -r row; do
        name=${row%%"$tab"*} with=${row%%"$tab"*}
        if uncoded "$row"; then with="$name => raw"; fi
        all=$(speed "$with") one=$all
        if [ -n "$(printf '%s\n' "$row" | cut -f4)" ]; then
            one=$(speed "$(printf '%s\n' "$row" | awk -F '\t' '{ gsub(/=[0-9.]+:[0-9.]+:[0-9.]+/, "=3", $2); print $2 " => " ($3 == "" ? "raw" : $3) }')")
        fi
        printf '%s\t%s\t%s\n' "$name" "$all" "$one" |
            awk -F '\t' -v OFS='\t' '{ print $1, sprintf("%.3g", $2), sprintf("%.3g", $6), sprintf("%.3g", $6 / $7) }'
    done <"$work/rows"
}

times_page() {
    printf '# What published systems take to decode\n\n![Bits per weight against decoding](systems.svg)\n\n'
    sed -n 's/^# \(.*\)$/\1; `make systems MACHINE='"$machine"'`. Neighbours share that machine./p' "$times.tsv"
    cat <<'END'
Matrix by matrix in memory, GB/s of the model's 16-bit words; encoding includes quantizing, decoding the transforms backwards to
BF16; [sizes and losses](../../systems.md).

END
    awk -f analyses/markdown.awk "$times.tsv"
    cat <<'END'

Of l-greco and evopress encoding tries all levels for each matrix and leaves the search out (l-greco's takes no time to speak of,
evopress's three seconds a generation on two cores), and decoding is that of 3 bits for all. Of double-compression encoding tries
eleven exponents.
END
}

if [ "$part" = all ] || [ "$part" = sizes ]; then
    export OPENBLAS_CORETYPE=Haswell # see quality.sh
    calibrate --sensitivity=16
    sizes >"$work/sizes.tsv"
    cp "$work/sizes.tsv" $results/systems.tsv
    unset OPENBLAS_CORETYPE
fi
if [ "$part" = all ] || [ "$part" = speeds ]; then
    mkdir -p "$results/machines/$machine"
    calibrate
    speeds >"$work/times.tsv"
    cp "$work/times.tsv" "$times.tsv"
fi
if [ -e "$times.tsv" ]; then times_page >"$times.md"; fi
"$entropy" stats $model --dependence --quiet >"$work/dependence"
analyses/systems-page.sh "$work/dependence" >"$work/page.md"
cp "$work/page.md" $results/systems.md
if command -v gnuplot >/dev/null; then
    analyses/systems-plot.sh "$times"
else
    echo "no gnuplot on this machine: the tables are there, the figures are not" >&2
fi
