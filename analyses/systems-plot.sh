#!/bin/sh
# systems-plot.sh TIMES - $RESULTS/systems.svg, and TIMES.svg if there is TIMES.tsv, from the tables; called by systems.sh.  What gnuplot
# cannot do is done here: which points no other beats, and where labels go.
set -eu
results=${RESULTS:-results} times=$1
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
export LC_ALL=C

# system, x, y, front, place of the label, its line's end.  Input: system, x, y; larger y is better where up = 1.
place() { # UP XMIN XMAX YMIN YMAX WIDTH HEIGHT: of the frame, in heights of the text
    awk -F '\t' -v OFS='\t' -v up="$1" -v x0="$2" -v x1="$3" -v y0="$4" -v y1="$5" -v W="$6" -v H="$7" '
        function px(x) { return log(x / x0) / log(x1 / x0) * W }
        function py(y) { return log(y / y0) / log(y1 / y0) * H }
        function overlap(a0, a1, b0, b1) { return a0 < b1 && b0 < a1 ? (a1 < b1 ? a1 : b1) - (a0 > b0 ? a0 : b0) : 0 }
        function cost(i, left, mid,    j, k, c, w) {
            w = wide[i]
            c = 0
            if (left < 0.2 || left + w > W - 0.2 || mid < 0.6 || mid > H - 0.6) c += 1000
            for (j = 1; j <= n; j++) {
                c += 60 * overlap(left - 0.2, left + w + 0.2, X[j] - 0.4, X[j] + 0.4) * overlap(mid - 0.55, mid + 0.55, Y[j] - 0.4, Y[j] + 0.4)
                for (k = 1; k <= 2; k++) # steps of the front
                    if (next_[j]) c += 12 * overlap(left - 0.2, left + w + 0.2, k == 1 ? X[j] : X[next_[j]] - 0.1, X[next_[j]] + 0.1) * \
                                      overlap(mid - 0.5, mid + 0.5, k == 1 || Y[j] < Y[next_[j]] ? Y[j] - 0.1 : Y[next_[j]], k == 1 || Y[j] > Y[next_[j]] ? Y[j] + 0.1 : Y[next_[j]])
                if (j != i && placed[j]) c += 40 * overlap(left - 0.3, left + w + 0.3, L[j], L[j] + wide[j]) * overlap(mid - 0.55, mid + 0.55, M[j] - 0.55, M[j] + 0.55)
            }
            return c
        }
        function choose(i,    k, r, a, dx, dy, left, mid, c, best) {
            best = 1e9
            for (r = 0.75; r < 6; r += 0.45)
                for (k = 0; k < 24; k++) {
                    a = k * 3.14159265 / 12; dx = r * cos(a); dy = r * sin(a)
                    left = dx > 0.2 ? X[i] + dx : dx < -0.2 ? X[i] + dx - wide[i] : X[i] - wide[i] / 2
                    mid = Y[i] + dy
                    c = cost(i, left, mid) + 0.6 * r + (dx < 0 ? 0.15 : 0)
                    if (c < best - 1e-9) { best = c; L[i] = left; M[i] = mid }
                }
            placed[i] = 1
        }
        { n++; name[n] = $1; x[n] = $2; y[n] = $3; X[n] = px($2); Y[n] = py($3); wide[n] = 0.64 * length($1) }
        END {
            for (i = 1; i <= n; i++) {
                front[i] = 1
                for (j = 1; j <= n; j++) {
                    good = up ? y[j] >= y[i] : y[j] <= y[i]; better = up ? y[j] > y[i] : y[j] < y[i]
                    if (x[j] <= x[i] && good && (x[j] < x[i] || better)) front[i] = 0
                }
            }
            for (i = 1; i <= n; i++)
                for (j = 1; j <= n && front[i]; j++)
                    if (front[j] && x[j] > x[i] && (!next_[i] || x[j] < x[next_[i]])) next_[i] = j
            for (pass = 1; pass <= 6; pass++) for (i = 1; i <= n; i++) choose(i)
            for (i = 1; i <= n; i++) {
                ex = X[i] < L[i] ? L[i] : X[i] > L[i] + wide[i] ? L[i] + wide[i] : X[i]
                ey = Y[i] < M[i] - 0.4 ? M[i] - 0.4 : Y[i] > M[i] + 0.4 ? M[i] + 0.4 : M[i]
                if ((ex - X[i]) ^ 2 + (ey - Y[i]) ^ 2 < 1) { ex = X[i]; ey = Y[i] }
                print name[i], x[i], y[i], front[i], x0 * exp(L[i] / W * log(x1 / x0)), y0 * exp(M[i] / H * log(y1 / y0)),
                    x0 * exp(ex / W * log(x1 / x0)), y0 * exp(ey / H * log(y1 / y0))
            }
        }' | sort -t "$(printf '\t')" -k4,4nr -k2,2g
}

head='system\tx\ty\tfront\tlabel x\tlabel y\tline x\tline y\n'
{
    printf "$head"
    awk -F '\t' -v OFS='\t' 'NR > 1 { print $1, $2, ($7 > 0 ? $7 : 0.0002) }' $results/systems.tsv | place 0 0.8 13 0.00015 8 58 40
} >"$work/quality"
bound=$(awk -F '\t' 'NR == 1 { for (i = 1; i <= NF; i++) at[$i] = i; next } $at["codec"] == "planar-rans" { print $at["bound_bits"]; exit }' $results/demo/sizes.tsv)
gnuplot -c analyses/plots/systems.gp "$work/quality" $results/systems "0.8 13 0.00015 8" 'KL divergence, nats a token' kl "$bound"
[ -e "$times.tsv" ] || exit 0
{
    printf "$head"
    awk -F '\t' -v OFS='\t' '/^#/ || $1 == "system" { next } FNR == NR { speed[$1] = $3; next } { print $1, $2, speed[$1] }' \
        "$times.tsv" $results/systems.tsv | place 1 0.8 13 0.02 60 58 40
} >"$work/decode"
gnuplot -c analyses/plots/systems.gp "$work/decode" "$times" "0.8 13 0.02 60" 'decoding, GB/s of BF16, one thread' gbps "$bound" \
    "$(awk -F '\t' '!/^#/ && $4 > 0 { print $3 / $4 }' "$times.tsv" | sort -g | awk '{ x[NR] = $1 } END { print (x[int((NR + 1) / 2)] + x[int(NR / 2) + 1]) / 2 }')"
