# systems.gp - bits per weight of published systems against what they lose or how fast they decode, a labelled point each.
#
# gnuplot -c systems.gp DATA OUT "XMIN XMAX YMIN YMAX" YLABEL kl|gbps BOUND [MEMCPY]   writes OUT.svg: lines at BOUND bits and MEMCPY GB/s
#
# DATA has the places of labels for a frame of 58 x 40 heights of the text and these ranges (systems-plot.sh).  Colours: Okabe and Ito.
blue = "#0072B2"; grey = "#666666"
data = ARG1
set datafile separator "\t"
set key autotitle columnhead
unset key
set terminal svg size 860,600 dynamic noenhanced font "DejaVu Sans,13" background "white"
set output sprintf("%s.svg", ARG2)
set lmargin at screen 0.1
set rmargin at screen 0.985
set bmargin at screen 0.1
set tmargin at screen 0.945
set border 3 lc rgb grey
set tics nomirror out scale 0.6 tc rgb "black"
set logscale xy
set xrange [(word(ARG3, 1) + 0):(word(ARG3, 2) + 0)]
set yrange [(word(ARG3, 3) + 0):(word(ARG3, 4) + 0)]
set xlabel "bits per weight of the whole model, everything counted (log scale)" offset 0,0.3
set ylabel sprintf("%s (log scale)", ARG4) offset 2.5,0
set xtics (1, 1.5, 2, 2.5, 3, 3.5, 4, 5, 6, 7, 8, 10, 12)
if (ARG5 eq "kl") {
    set ytics ("0" 0.0002, 0.0005, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5)
    set label 1 "exact" at graph 0.01, first 0.0002 offset 0,0.6 tc rgb grey
    set arrow 1 from graph 0, first 0.0002 to graph 1, first 0.0002 nohead lc rgb "#bbbbbb" dt 3 back
} else {
    set arrow 1 from graph 0, first ARG7 + 0 to graph 1, first ARG7 + 0 nohead lc rgb "#009E73" dt 2 back
    set label 1 "memcpy, median" at graph 0.01, first ARG7 + 0 offset 0,0.6 tc rgb "#007a58"
    set ytics (0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 20, 50)
}
set arrow 2 from first ARG6 + 0, graph 0 to first ARG6 + 0, graph 1 nohead lc rgb "#D55E00" dt 4 back
set label 2 sprintf("entropy of the stored fields: %.2f", ARG6 + 0) at first ARG6 + 0, graph 1 right offset 3,0.6 tc rgb "#D55E00"
plot data using (column("front") == 1 ? column("x") : NaN):(column("front") == 1 ? column("y") : NaN) with steps lc rgb blue lw 1.5, \
     data using (column("x")):(column("y")):(column("line x") - column("x")):(column("line y") - column("y")) with vectors nohead lc rgb "#999999" lw 0.6, \
     data using (column("x")):(column("front") == 1 ? NaN : column("y")) with points pt 6 ps 0.6 lw 1.3 lc rgb grey, \
     data using (column("x")):(column("front") == 1 ? column("y") : NaN) with points pt 7 ps 0.65 lc rgb blue, \
     data using (column("label x")):(column("label y")):(stringcolumn("system")) with labels left
