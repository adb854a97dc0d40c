#!/bin/sh
# check-results.sh BUILD [quick|all] - makes what is in results/ again, elsewhere, and says of each file whether it came out the same.
#
# quick: tables that take seconds, and every page and figure from the tables that are there.  all: every table, page and figure, from
# nothing.  Times are not made again: what rests on them is drawn from those in results/machines.  Tables marked "sums" hold sums of
# floating-point products, which are the same on every x86-64 processor with AVX2 (quality.sh says how); on others their numbers
# may differ by 2 % or one in the last digit.  The last line counts files.
set -u
cd "$(dirname "$0")/.."
build=${1:-build}
subset=${2:-all}
entropy=$build/entropy
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
export RESULTS="$work/results" MACHINE=xeon-sapphire-rapids-2 LC_ALL=C
unset STORIES

# A pattern of files a line, the first that fits counts: how it is compared, and what makes it (of quick runs after the slash).
#   bytes    the same bytes everywhere
#   sums     the same bytes where OpenBLAS can be told in which order to add
#   drawn    a figure: the same bytes by the same gnuplot
#   times    not made again
#   text     written by hand
#   stories  made with STORIES=FOLDER alone, a model that does not come with the sources
made() {
    cat <<'END'
gpu/*.tsv times -
demo/*.svg drawn demo
demo/* bytes demo
huff-llm/README.md text -
huff-llm/*.svg drawn huff-llm/huff-llm
huff-llm/* bytes huff-llm/huff-llm
targets/*.svg drawn targets/targets
targets/* bytes targets/targets
machines/*/demo.svg drawn demo-plot/demo-plot
machines/*/systems.md bytes systems/systems-page
machines/*/systems.svg drawn systems/systems-page
machines/*/better-codecs.md bytes better-codecs/better-codecs-page
machines/*/better-codecs.svg drawn better-codecs/better-codecs-page
machines/*/bitstack.md bytes bitstack/bitstack-page
machines/* times -
systems.tsv sums systems
systems.md sums systems/systems-page
systems.svg drawn systems/systems-page
better-codecs*.tsv bytes better-codecs
better-codecs.md bytes better-codecs/better-codecs-page
bitstack-blocks.tsv bytes published/published
bitstack-stories*.tsv stories -
bitstack*.tsv sums bitstack
bitstack.md sums bitstack/bitstack-page
bitstack.svg drawn bitstack/bitstack-page
quality.tsv sums quality
double-compression*.tsv sums quality
quality.md sums quality/quality-page
double-compression.md sums quality/quality-page
quality.svg drawn quality/quality-page
rate-distortion.tsv bytes rate-distortion/rate-distortion
rate-distortion.md bytes rate-distortion/rate-distortion
rate-distortion.svg drawn rate-distortion/rate-distortion
formats.md times -
calibration.tsv bytes calibration/calibration
calibration.md bytes calibration/calibration
deltas.tsv bytes deltas/deltas
coverage.tsv bytes coverage
coverage.md bytes coverage/coverage-page
dependence.tsv bytes dependence
published*.tsv bytes published/published
published.md bytes published/published
*.md text -
END
}

make_step() { # of made's third column
    case $1 in
        demo) MACHINE=here analyses/demo.sh "$build" ;;
        demo-plot) analyses/demo-plot.sh "$RESULTS/demo" "$RESULTS/machines/$MACHINE/demo" ;;
        calibration | deltas | coverage) "${MAKE:-make}" --no-print-directory BUILD="$build" RESULTS="$RESULTS" "$1" ;;
        coverage-page) analyses/coverage-page.sh >"$RESULTS/coverage.md" ;;
        huff-llm | targets | rate-distortion | quality | dependence | published) "analyses/$1.sh" "$build" ;;
        *-page) "analyses/${1%-page}.sh" "$build" page ;;
        *) "analyses/$1.sh" "$build" sizes ;;
    esac
}

# The differences of two texts' numbers: the largest, relative, or "text" where anything else differs.
apart() {
    awk '
        FNR == NR { line[FNR] = $0; lines = FNR; next }
        function split_numbers(text, out,    n, rest) { # into number, text, number ...
            n = 0
            while (match(text, /[0-9]+(\.[0-9]+)?/)) {
                out[++n] = substr(text, 1, RSTART - 1); out[++n] = substr(text, RSTART, RLENGTH); text = substr(text, RSTART + RLENGTH)
            }
            out[++n] = text
            return n
        }
        {
            n = split_numbers(line[FNR], a); m = split_numbers($0, b)
            if (n != m) { other = 1; next }
            for (i = 1; i <= n; i++) {
                if (i % 2) { if (a[i] != b[i]) other = 1; continue }
                point = index(a[i], "."); last = point ? 10 ^ -(length(a[i]) - point) : 1
                d = a[i] - b[i]; if (d < 0) d = -d
                if (d <= 1.01 * last) continue
                d /= a[i] > b[i] ? a[i] : b[i]
                if (d > most) most = d
            }
        }
        END { if (other || lines != FNR) print "text"; else printf "%.4f\n", most }' "$1" "$2"
}

drawn_by() { sed -n 's/.*<desc>Produced by \(GNUPLOT [^<]*[0-9]\) *<.*/\1/p' "$1" | head -1; }

same=0 differ=0 left=0
compare() { # FILE HOW STEP
    file=$1 how=$2
    case $how in
        times) verdict='not made again: times of a machine'; left=$((left + 1)) ;;
        text) verdict='not made: text written by hand'; left=$((left + 1)) ;;
        stories) verdict='not made again: needs STORIES=FOLDER'; left=$((left + 1)) ;;
        *)
            if [ "$how" = unknown ]; then
                verdict='DIFFERS: nothing makes it'; differ=$((differ + 1))
            elif [ "$3" = - ]; then
                verdict='not made again in this subset'; left=$((left + 1))
            elif cmp -s "results/$file" "$RESULTS/$file"; then
                verdict=same; same=$((same + 1))
            elif [ ! -e "$RESULTS/$file" ]; then
                if [ "$how" = drawn ] && ! command -v gnuplot >/dev/null; then verdict='not drawn: no gnuplot'; left=$((left + 1))
                else verdict='DIFFERS: it was not made'; differ=$((differ + 1)); fi
            elif [ "$how" = drawn ] && [ "$(drawn_by "results/$file")" != "$(drawn_by "$RESULTS/$file")" ]; then
                verdict="not compared: drawn by $(drawn_by "results/$file")"; left=$((left + 1))
            else
                distance=$(apart "results/$file" "$RESULTS/$file")
                if [ "$how" = sums ] && [ -z "$avx2" ] && [ "$distance" != text ] && awk "BEGIN { exit !($distance <= 0.02) }"; then
                    verdict="same within $distance of each number"; same=$((same + 1))
                else
                    verdict="DIFFERS: $(diff "results/$file" "$RESULTS/$file" | sed -n '/^[<>]/p' | sed -n '1p;/^>/{p;q;}' | cut -c1-100 | tr '\n\t' '| ')"
                    differ=$((differ + 1))
                fi
            fi ;;
    esac
    printf '%-55s %s\n' "$file" "$verdict"
}

avx2=$(grep -om1 'avx2' /proc/cpuinfo 2>/dev/null)

# file, how, step: of every file in results that is kept
(cd results && find . -type f | sed 's|^\./||' | sort) | while IFS= read -r file; do
    if git check-ignore -q "results/$file" 2>/dev/null; then continue; fi
    made | while read -r pattern how step; do
        # shellcheck disable=SC2254 # a pattern
        case $file in $pattern) echo "$file $how $step"; break ;; esac
    done | grep . || echo "$file unknown -"
done | awk -v quick="$([ "$subset" = quick ] && echo 1)" '
    { n = split($3, s, "/"); print $1, $2, quick ? (n > 1 ? s[2] : "-") : s[1] }' >"$work/files"

# What is to be made is not there before.
cp -r results "$RESULTS"
awk '$3 != "-" { print $1 }' "$work/files" | (cd "$RESULTS" && xargs rm -f)

# The page of systems reads the table of better-codecs, and what is published is compared with all others.
awk '$3 != "-" && !seen[$3]++ { if ($3 ~ /^systems/) late = $3; else if ($3 == "published") last = $3; else print $3 }
    END { if (late) print late; if (last) print last }' "$work/files" >"$work/steps"
while IFS= read -r step; do
    start=$(date +%s)
    if make_step "$step" >"$work/log" 2>&1; then
        printf '== %s: %s s\n' "$step" $(($(date +%s) - start))
    else
        printf '== %s FAILED\n' "$step"; tail -n 5 "$work/log"; differ=$((differ + 1))
    fi
done <"$work/steps"

while read -r file how step; do compare "$file" "$how" "$step"; done <"$work/files"

# What is made and not there; what the demo measured here aside.
(cd "$RESULTS" && find . -type f | sed 's|^\./||' | grep -v '^machines/here/' | sort) >"$work/made"
while IFS= read -r file; do
    if [ -e "results/$file" ] || git check-ignore -q "results/$file" 2>/dev/null; then continue; fi
    printf '%-55s DIFFERS: made, and not there\n' "$file"; differ=$((differ + 1))
done <"$work/made"
echo "results: $same same, $differ differ, $left not compared"
[ "$differ" -eq 0 ]
