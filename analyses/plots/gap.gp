# gap.gp - what each codec spends above the entropy bound of its fields, and on what; smallest size at the top.
#
# gnuplot -c gap.gp DATA.tsv OUT TITLE ROWS   writes OUT.svg and OUT.pdf
#
# DATA's columns are found by name.  Model: code lengths, rounded shares; coder: states, padding; kept_raw: as it is.
# Hollow: negative, so much saved.  Colours: Okabe and Ito.
sky = "#CDE6F5"; grey = "#666666"

data = ARG1
rows = int(ARG4)
parts = "model coder kept_raw tables index"
colours = "#0072B2 #D55E00 #009E73 #CC79A7 #E69F00"
names = "model coder kept_raw tables index"
marks = "7 5 9 11 13" # and hollow where negative
least = 1e-5

set datafile separator "\t"
set key autotitle columnhead
set key bmargin center horizontal maxrows 2 samplen 1 noenhanced
set title ARG3 noenhanced offset 0,0.3
set xlabel "bits a weight; right: size = bound + gap" offset 0,0.6
set logscale x 10
set xrange [least:20]
set format x "10^{%L}"
set mxtics 1
set yrange [rows - 0.4:-0.6]
set border 1 lc rgb grey
set xtics nomirror out scale 0.6 tc rgb "black" least,100
set ytics nomirror scale 0 tc rgb "black" noenhanced
plus(x) = x >= least ? x : NaN

do for [kind in "svg pdf"] {
    if (kind eq "svg") {
        set terminal svg size 620,(160 + 21 * rows) dynamic enhanced font "DejaVu Sans,13" background "white"
    } else {
        set terminal pdfcairo size 4.4in,(1.13 + 0.15 * rows) enhanced font "DejaVu Sans,7" fontscale 0.75
    }
    set output sprintf("%s.%s", ARG2, kind)
    set rmargin 27
    plot data using (least):(column("row")):(least):(plus(column("bits") - column("bound"))):(column("row") - 0.38):(column("row") + 0.38):ytic(stringcolumn("codec")) \
             with boxxyerror fs solid noborder lc rgb sky title "gap", \
         for [i = 1:words(parts)] data using (plus(column(word(parts, i)))):(column("row")) with points pt int(word(marks, i)) ps 0.65 lc rgb word(colours, i) title word(names, i), \
         for [i = 1:words(parts)] data using (plus(-column(word(parts, i)))):(column("row")) with points pt int(word(marks, i)) - 1 ps 0.8 lc rgb word(colours, i) notitle, \
         data using (20):(column("row")):(sprintf("%.3f = %.3f %s %.4f", column("bits"), column("bound"), column("bits") < column("bound") ? "-" : "+", abs(column("bits") - column("bound")))) \
             with labels left offset 0.6,0 notitle
    unset output
}
