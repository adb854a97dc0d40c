# quality.gp - bits per weight against KL divergence and against SQNR, each method coded (filled) and plain (hollow).
#
# gnuplot -c quality.gp DATA.tsv OUT   writes OUT.svg
#
# DATA's columns are found by name.  A family has its colour (Okabe and Ito), its mark and its dashes.
data = ARG1
set datafile separator "\t"
set key autotitle columnhead
families = "watersic-budget watersic step-budget step ecsq entquant gptq rtn lloyd palette levels"
titles = "'watersic, bits shared out' 'watersic' 'step, bits shared out' 'step' 'ecsq' 'entquant' 'gptq, groups of 128' 'rtn, groups of 128' 'lloyd' 'palette' 'nf4, mxfp4, nvfp4'"
n = words(families)
array colour[11] = [0x0072B2, 0x56B4E9, 0xD55E00, 0xE69F00, 0x000000, 0x999999, 0x009E73, 0x666666, 0xCC79A7, 0x8A5A00, 0xB2477F]
array mark[11] = [7, 7, 5, 5, 2, 1, 9, 11, 13, 15, 3]
array dash[11] = [1, 2, 1, 2, 3, 4, 1, 2, 2, 3, 1]
# plain ones have the hollow form of the mark
array hollow[11] = [6, 6, 4, 4, 2, 1, 8, 10, 12, 14, 3]
of(k, column) = stringcolumn("family") eq word(families, k) ? column(column) : NaN
plain(k) = k == 7 || k == 8 || k == 9 || k == 10 || k == 11 # what is stored without a coder as well

set terminal svg size 960,560 dynamic noenhanced font "DejaVu Sans,13" background "white"
set output sprintf("%s.svg", ARG2)
set border 3 lc rgb "#666666"
set tics nomirror out scale 0.6 tc rgb "black"
set xlabel "bits per weight of the whole model" offset 0,0.3
set multiplot layout 1,2 margins 0.085,0.985,0.34,0.97 spacing 0.085
set xrange [1.9:5.3]
set ylabel "KL divergence, nats a token (log scale)" offset 1.5,0
set logscale y 10
set yrange [0.0012:0.7]
set ytics (0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5)
set grid x y lc rgb "#e4e4e4" lt 1
unset key
plot for [k = 1:n - 1] data using (of(k, "coded bits")):(column("KL nats")) with linespoints lw 1.5 pt mark[k] ps 0.7 dt dash[k] lc rgb colour[k], \
     data using (of(n, "coded bits")):(column("KL nats")) with points pt mark[n] ps 0.8 lw 1.4 lc rgb colour[n], \
     for [k = 7:10] data using (of(k, "plain bits")):(column("KL nats")) with points pt hollow[k] ps 0.8 lw 1.3 lc rgb colour[k], \
     data using (of(n, "plain bits")):(column("KL nats")) with points pt 6 ps 0.8 lw 1.3 lc rgb colour[n]
set ylabel "SQNR of the weights, dB" offset 1.5,0
unset logscale y
set ytics autofreq
set yrange [5:31]
set key at screen 0.985,0.012 right bottom vertical maxrows 5 reverse Left samplen 3 width 1 font ",12"
plot for [k = 1:n - 1] data using (of(k, "coded bits")):(column("SQNR dB")) with linespoints lw 1.5 pt mark[k] ps 0.7 dt dash[k] lc rgb colour[k] title word(titles, k), \
     data using (of(n, "coded bits")):(column("SQNR dB")) with points pt mark[n] ps 0.8 lw 1.4 lc rgb colour[n] title word(titles, n), \
     for [k = 7:10] data using (of(k, "plain bits")):(column("SQNR dB")) with points pt hollow[k] ps 0.8 lw 1.3 lc rgb colour[k] notitle, \
     data using (of(n, "plain bits")):(column("SQNR dB")) with points pt 6 ps 0.8 lw 1.3 lc rgb colour[n] notitle, \
     NaN with points pt 7 ps 0.7 lc rgb "black" title "filled: coded by rans", NaN with points pt 6 ps 0.8 lw 1.3 lc rgb "black" title "hollow: as stored plain", \
     20 * log10(2) * x with lines lw 1.4 dt 2 lc rgb "black" title "bound of a normal", \
     20 * log10(2) * x - 10 * log10(pi * exp(1) / 6) with lines lw 1.2 dt 3 lc rgb "black" title "step, high rates"
unset multiplot
