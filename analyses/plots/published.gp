# published.gp - published cuts and ours, a row each: a ring is the paper's, the bar ours over our sets of weights.
#
# gnuplot -c published.gp DATA.tsv OUT ROWS   writes OUT.svg
#
# DATA's columns are found by name.  Colours: Okabe and Ito.
blue = "#0072B2"; vermillion = "#D55E00"; grey = "#666666"

data = ARG1
rows = int(ARG3)

set datafile separator "\t"
set key autotitle columnhead
set bmargin 7
set key bmargin center vertical Left reverse samplen 1.5
set xlabel "less than uncoded, %" offset 0,0.6
set xrange [-1:36]
set yrange [rows - 0.4:-0.6]
set border 1 lc rgb grey
set xtics 5 nomirror out scale 0.6 tc rgb "black"
set ytics nomirror scale 0 tc rgb "black"
set grid x lc rgb "#dddddd" lt 1

set terminal svg size 640,(110 + 22 * rows) dynamic noenhanced font "DejaVu Sans,13" background "white"
set output sprintf("%s.svg", ARG2)
plot data using (column("ours_least")):(column("row")):(column("ours_most") - column("ours_least")):(0):ytic(stringcolumn("cell")) \
         with vectors nohead lc rgb blue lw 6 title "ours, over the sets of weights", \
     data using (column("ours_least")):(column("row")) with points pt 5 ps 0.5 lc rgb blue notitle, \
     data using (column("published")):(column("row")) with points pt 6 ps 1.1 lw 2 lc rgb vermillion title "published (second-hand)"
unset output
