# coverage.gp - how often intervals hold the truth, by size of the sample, and the bias of three estimators.
#
# gnuplot -c coverage.gp DATA.tsv OUT.pdf
#
# DATA's columns are found by name.  Colours: Okabe and Ito; every line has marks of its own too.
data = ARG1
set datafile separator "\t"
set datafile missing NaN # rows of other laws and estimators, so that lines go on
set key autotitle columnhead
laws = "'uniform 256' 'uniform 16' 'geometric 1/2' 'zipf 256' 'exponent of a normal' 'wave 16'"
titles = "'256 equal symbols' '16 equal symbols' 'geometric' 'Zipf' 'exponent of a normal' '16 nearly equal'"
array colour[6] = ["#0072B2", "#56B4E9", "#009E73", "#E69F00", "#D55E00", "#666666"]
array mark[6] = [7, 5, 9, 13, 11, 6]
of(k, estimator) = stringcolumn("law") eq word(laws, k) && stringcolumn("estimator") eq estimator ? column("covered_percent") : NaN
bias(law, estimator) = stringcolumn("law") eq law && stringcolumn("estimator") eq estimator ? column("bias") : NaN

set terminal pdfcairo size 6.3in,2.9in enhanced font "DejaVu Sans,8" fontscale 0.85
set output ARG2
set border 3 lc rgb "#666666"
set tics nomirror out scale 0.6 tc rgb "black"
set logscale x
set xrange [70:1.4e6]
set xtics ("100" 100, "1000" 1000, "10^4" 1e4, "10^5" 1e5, "10^6" 1e6)
set xlabel "observations" offset 0,0.4
set multiplot layout 1,2 margins 0.09,0.985,0.27,0.96 spacing 0.12
set ylabel "intervals that hold the truth, %" offset 0.5,0
set yrange [91.5:100]
set object 1 rectangle from graph 0, first 95 - 2 * 0.69 to graph 1, first 95 + 2 * 0.69 fc rgb "#e6e6e6" fs solid noborder behind
set arrow 1 from graph 0, first 95 to graph 1, first 95 nohead lc rgb "black" lw 0.7 dt 2 back
set key at screen 0.015,0.005 left bottom vertical maxrows 2 reverse Left samplen 1.2 width -5 font ",7"
plot for [k = 1:6] data using (column("n")):(of(k, "plugin")) with linespoints lw 1.4 pt mark[k] ps 0.45 lc rgb colour[k] title word(titles, k)
unset object 1
unset arrow 1
set ylabel "bias for the law of Zipf, bits" offset 1,0
set yrange [-1.25:0.1]
set xzeroaxis lc rgb "black" dt 2
set key at graph 0.98,0.04 right bottom vertical maxrows 3 reverse Left samplen 1.6 width -2 font ",8"
names = "plugin miller-madow chao-shen"
plot for [k = 1:3] data using (column("n")):(bias("zipf 256", word(names, k))) with linespoints lw 1.4 pt mark[k] ps 0.45 lc rgb colour[2 * k - 1] title word(names, k)
unset multiplot
