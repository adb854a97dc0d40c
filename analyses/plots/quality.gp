# quality.gp - bits per weight against perplexity and against SQNR, each method coded and uncoded.
#
# gnuplot -c quality.gp DATA.tsv OUT   writes OUT.svg
#
# DATA's columns are found by name.  Colours: Okabe and Ito.
data = ARG1
set datafile separator "\t"
set key autotitle columnhead
families = "watersic-budget watersic step-budget step gptq rtn levels"
titles = "'watersic, bits shared out' 'watersic' 'step, bits shared out' 'step' 'gptq, groups of 128' 'rtn, groups of 128' 'nf4, mxfp4, nvfp4'"
array colour[7] = [0x0072B2, 0x56B4E9, 0xD55E00, 0xE69F00, 0x009E73, 0x666666, 0xCC79A7]
of(k, column) = stringcolumn("family") eq word(families, k) ? column(column) : NaN

set terminal svg size 960,470 dynamic noenhanced font "DejaVu Sans,13" background "white"
set output sprintf("%s.svg", ARG2)
set border 3 lc rgb "#666666"
set tics nomirror out scale 0.6 tc rgb "black"
set xlabel "bits per weight of the whole model" offset 0,0.3
set multiplot layout 1,2 margins 0.065,0.985,0.32,0.955 spacing 0.075
set xrange [1.9:5.3]
set ylabel "perplexity" offset 1.5,0
set yrange [35.4:44]
unset key
# filled: coded; hollow: as stored plain
plot for [k = 1:6] data using (of(k, "coded bits")):(column("perplexity")) with linespoints lw 1.6 pt 7 ps 0.55 lc rgb colour[k], \
     data using (of(7, "coded bits")):(column("perplexity")) with points pt 7 ps 0.7 lc rgb colour[7], \
     for [k = 5:7] data using (of(k, "plain bits")):(column("perplexity")) with points pt 6 ps 0.75 lw 1.4 lc rgb colour[k]
set ylabel "SQNR of the weights, dB" offset 1.5,0
set yrange [5:31]
set key at screen 0.985,0.015 right bottom vertical maxrows 4 reverse Left samplen 1.5 width 1 font ",12"
plot for [k = 1:6] data using (of(k, "coded bits")):(column("SQNR dB")) with linespoints lw 1.6 pt 7 ps 0.55 lc rgb colour[k] title word(titles, k), \
     data using (of(7, "coded bits")):(column("SQNR dB")) with points pt 7 ps 0.7 lc rgb colour[7] title word(titles, 7), \
     for [k = 5:7] data using (of(k, "plain bits")):(column("SQNR dB")) with points pt 6 ps 0.75 lw 1.4 lc rgb colour[k] notitle, \
     NaN with points pt 7 ps 0.7 lc rgb "black" title "coded by rans", NaN with points pt 6 ps 0.75 lw 1.4 lc rgb "black" title "as it is", \
     20 * log10(2) * x with lines lw 1.2 dt 2 lc rgb "black" title "bound of a normal", \
     20 * log10(2) * x - 10 * log10(pi * exp(1) / 6) with lines lw 1.2 dt 3 lc rgb "black" title "step, high rates"
unset multiplot
