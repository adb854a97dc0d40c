# pareto.gp - bits per weight against decode speed, a labelled point a codec.
#
# gnuplot -c pareto.gp DATA.tsv OUT "SLOW FAST FLOOR MOST BOUND" TITLE XLABEL NAME-OF-1
#
# writes OUT.svg and OUT.pdf.
#
# DATA's columns are found by name.  Labels were placed for a frame of 2.85 x 2.25 inches, text of 7
# points and these two scales (pareto.c): change them together.  Colours: Okabe and Ito.
blue = "#0072B2"; vermillion = "#D55E00"; green = "#009E73"; grey = "#666666"

data = ARG1
floor_bits = (word(ARG3, 3) + 0); most_bits = (word(ARG3, 4) + 0); bound = (word(ARG3, 5) + 0)

set datafile separator "\t"
set key autotitle columnhead
unset key
set logscale x 10
set xrange [(word(ARG3, 1) + 0):(word(ARG3, 2) + 0)]
set nonlinear y via (y < floor_bits ? -sqrt(floor_bits - y) : sqrt(y - floor_bits)) inverse (y < 0 ? floor_bits - y * y : floor_bits + y * y)
set yrange [floor_bits:most_bits]
set xlabel ARG5 offset 0,0.3
set ylabel "bits per weight (sqrt scale)" offset 1,0
set title ARG4 offset 0,0.1
set border 3 lc rgb grey
set tics nomirror out scale 0.6 tc rgb "black"
set xtics (0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 20, 50)
set format x "%g"
if (word(ARG3, 2) / word(ARG3, 1) < 2.5) { do for [i = 1:30] { set xtics add (sprintf("%g", i / 10.) i / 10.) } }

# whole bits, and the first half and tenths above the bound where there is room for them
set ytics 1
if (bound > 0) {
    set ytics add (sprintf("%.1f", ceil(bound * 10) / 10.) ceil(bound * 10) / 10., \
                   sprintf("%.1f", ceil(bound * 10 + 1.5) / 10.) ceil(bound * 10 + 1.5) / 10.)
    set arrow 1 from graph 0, first bound to graph 1, first bound nohead lc rgb vermillion lw 0.8 dt 4 back
    set label 1 sprintf("least entropy bound: %.2f", bound) at graph 0.01, first bound offset 0,-0.6 tc rgb vermillion front
}
set arrow 2 from first 1, first (bound > 0 ? bound : floor_bits) to first 1, graph 1 nohead lc rgb green lw 0.8 dt 2 back
if (log(word(ARG3, 2) + 0) < 0.15 * log(word(ARG3, 2) / word(ARG3, 1))) {
    set label 2 ARG6 at graph 1, graph 1 offset 0,0.5 right tc rgb green
} else {
    set label 2 ARG6 at 1, graph 1 offset 0,0.5 center tc rgb green
}

do for [kind in "svg pdf"] {
    if (kind eq "svg") {
        set terminal svg size 480,410 dynamic noenhanced font "DejaVu Sans,13" background "white"
    } else {
        set terminal pdfcairo size 3.4in,2.9in noenhanced font "DejaVu Sans,7" fontscale 0.75
    }
    set output sprintf("%s.%s", ARG2, kind)
    set lmargin at screen 0.14
    set rmargin at screen 0.98
    set bmargin at screen 0.14
    set tmargin at screen 0.88
    plot data using (column("front") == 1 ? column("speed") : NaN):(column("bits_per_weight")) with fsteps lc rgb blue lw 1.5, \
         data using (column("speed")):(column("bits_per_weight")):(column("line_speed") - column("speed")):(column("line_bits") - column("bits_per_weight")) \
             with vectors nohead lc rgb "#999999" lw 0.6, \
         data using (column("speed")):(column("front") == 1 ? NaN : column("bits_per_weight")) with points pt 6 ps 0.5 lw 1.2 lc rgb grey, \
         data using (column("speed")):(column("front") == 1 ? column("bits_per_weight") : NaN) with points pt 7 ps 0.6 lc rgb blue, \
         data using (column("label_speed")):(column("label_bits")):(stringcolumn("codec")) with labels left
    unset output
}
