# mantissa.gp - what each bit of the mantissa lacks of a whole bit, and shares with the exponent.
#
# gnuplot -c mantissa.gp DATA.tsv OUT TITLE   writes OUT.svg and OUT.pdf
#
# DATA's columns are found by name.  Colours: Okabe and Ito.
blue = "#0072B2"; vermillion = "#D55E00"; grey = "#666666"

data = ARG1
set datafile separator "\t"
set key autotitle columnhead
stats data using (column("bit")) nooutput name "B"
set key top right samplen 2
set xlabel "bit of the mantissa, the highest first" offset 0,0.3
set ylabel "bits"
set logscale y 10
set format y "10^{%L}"
set yrange [1e-8:2]
set border 3 lc rgb grey
set tics nomirror out scale 0.6 tc rgb "black"
set title ARG3 noenhanced offset 0,-0.4
set xrange [B_max + 0.4:-0.4]
step = B_max > 12 ? 4 : 1
set xtics step
seen(x) = x > 1e-8 ? x : NaN

do for [kind in "svg pdf"] {
    if (kind eq "svg") {
        set terminal svg size 480,360 dynamic enhanced font "DejaVu Sans,13" background "white"
    } else {
        set terminal pdfcairo size 3.4in,2.55in enhanced font "DejaVu Sans,7" fontscale 0.75
    }
    set output sprintf("%s.%s", ARG2, kind)
    plot data using (column("bit")):(seen(1 - column("entropy"))) with linespoints pt 7 ps 0.6 lc rgb blue title "1 - entropy", \
         data using (column("bit")):(seen(column("information"))) with linespoints pt 5 ps 0.6 lc rgb vermillion title "known from the exponent", \
         data using (column("bit")):(seen(column("chance"))) with lines dt 2 lc rgb grey title "what chance would show"
    unset output
}
