# better-codecs.gp - bits per weight against decode speed for codecs that use contexts, above what context mixing reaches.
#
# gnuplot -c better-codecs.gp DATA.tsv OUT MODEL FLOOR BOUND   writes OUT.svg and OUT.pdf: MODEL's rows, lines at FLOOR and BOUND bits
#
# DATA's columns are found by name.  Colours: Okabe and Ito.
blue = "#0072B2"; vermillion = "#D55E00"; grey = "#666666"

data = ARG1; floor_bits = ARG4 + 0; bound = ARG5 + 0
of_model(value) = stringcolumn("model") eq ARG3 ? value : NaN

set datafile separator "\t"
set key autotitle columnhead
unset key
set logscale x 10
set xrange [0.001:400]
set yrange [floor_bits - 0.03:floor_bits + 0.27]
set xlabel "decoding, GB/s of weights, one thread" offset 0,0.3
set ylabel "bits per weight" offset 1,0
set title sprintf("%s: what contexts are worth, and what they cost", ARG3) offset 0,-0.3
set border 3 lc rgb grey
set tics nomirror out scale 0.6 tc rgb "black"
set xtics (0.001, 0.01, 0.1, 1, 10)
set format x "%g"
set format y "%.2f"
set arrow 1 from graph 0, first floor_bits to graph 1, first floor_bits nohead lc rgb vermillion lw 0.8 dt 4 back
set label 1 sprintf("as low as context mixing gets: %.2f", floor_bits) at graph 0.99, first floor_bits offset 0,-0.6 right tc rgb vermillion
set arrow 2 from graph 0, first bound to graph 1, first bound nohead lc rgb grey lw 0.8 dt 2 back
set label 2 sprintf("entropy of exponents without contexts: %.2f", bound) at graph 0.01, first bound offset 0,0.6 left tc rgb grey
# long names stand on the left of their points
longer(name) = strlen(name) > 25

do for [kind in "svg pdf"] {
    if (kind eq "svg") {
        set terminal svg size 640,400 dynamic noenhanced font "DejaVu Sans,13" background "white"
    } else {
        set terminal pdfcairo size 4.6in,2.9in noenhanced font "DejaVu Sans,7" fontscale 0.75
    }
    set output sprintf("%s.%s", ARG2, kind)
    plot data using (of_model(column("decode GB/s"))):(column("bits a weight")) with points pt 7 ps 0.6 lc rgb blue, \
         data using (of_model(column("decode GB/s"))):(column("bits a weight")):(longer(stringcolumn("codec")) ? "" : stringcolumn("codec")) \
             with labels left offset 0.7,0.4 font ",11" tc rgb "black", \
         data using (of_model(column("decode GB/s"))):(column("bits a weight")):(longer(stringcolumn("codec")) ? stringcolumn("codec") : "") \
             with labels right offset -0.8,0 font ",11" tc rgb "black"
    unset output
}
