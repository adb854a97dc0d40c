# bits.gp - bars of bits per weight, smallest at the top, each with the entropy bound of its fields.
#
# gnuplot -c bits.gp DATA.tsv OUT ROWS TITLE   writes OUT.svg and OUT.pdf
#
# DATA's columns are found by name.  Colours: Okabe and Ito.
sky = "#56B4E9"; vermillion = "#D55E00"; grey = "#666666"

data = ARG1
rows = int(ARG3)

set datafile separator "\t"
set key autotitle columnhead
set key bmargin center vertical reverse Left samplen 1
set title ARG4 offset 0,-0.4
set xlabel "bits per weight" offset 0,0.3
set xrange [0:*]
set yrange [rows - 0.4:-0.6]
set border 1 lc rgb grey
set xtics 4 nomirror out scale 0.6 tc rgb "black"
set ytics nomirror scale 0 tc rgb "black"

do for [kind in "svg pdf"] {
    if (kind eq "svg") {
        set terminal svg size 480,(130 + 20 * rows) dynamic noenhanced font "DejaVu Sans,13" background "white"
    } else {
        set terminal pdfcairo size 3.4in,(0.92 + 0.142 * rows) noenhanced font "DejaVu Sans,7" fontscale 0.75
    }
    set output sprintf("%s.%s", ARG2, kind)
    set rmargin 12
    plot data using (0):(column("row")):(0):(column("bits_per_weight")):(column("row") - 0.35):(column("row") + 0.35):ytic(stringcolumn("codec")) \
             with boxxyerror fs solid noborder lc rgb sky title "coded: payload, tables and index", \
         data using (column("bound_bits")):(column("row") - 0.45):(0):(0.9) with vectors nohead lc rgb vermillion lw 1.5 title "entropy bound of the fields that the codec codes", \
         data using (column("bits_per_weight")):(column("row")):(sprintf("%.3f (%+.3f)", column("bits_per_weight"), column("bits_per_weight") - column("bound_bits"))) \
             with labels left offset 0.4,0 notitle
    unset output
}
