# exponents.gp - shares of exponents: measured, and by laws fitted tensor by tensor.
#
# gnuplot -c exponents.gp DATA.tsv OUT TITLE   writes OUT.svg and OUT.pdf
#
# DATA's columns are found by name.  Colours: Okabe and Ito.
sky = "#56B4E9"; vermillion = "#D55E00"; grey = "#666666"

data = ARG1
set datafile separator "\t"
set key autotitle columnhead
set key bmargin center horizontal samplen 2 width -1
set title ARG3 offset 0,-0.4
set xlabel "exponent field less the bias" offset 0,0.3
set ylabel "share of weights"
set logscale y 10
set format y "10^{%L}"
set border 3 lc rgb grey
set tics nomirror out scale 0.6 tc rgb "black"
stats data using (column("measured") > 0 ? log10(column("measured")) : NaN) nooutput name "S"
set yrange [10 ** floor(S_min - 0.01):1]
set offsets 0.6, 0.6, 0, 0
set autoscale xfix

do for [kind in "svg pdf"] {
    if (kind eq "svg") {
        set terminal svg size 480,360 dynamic enhanced font "DejaVu Sans,13" background "white"
    } else {
        set terminal pdfcairo size 3.4in,2.55in enhanced font "DejaVu Sans,7" fontscale 0.75
    }
    set output sprintf("%s.%s", ARG2, kind)
    set title ARG3 noenhanced offset 0,-0.4
    plot data using (column("exponent")):(column("measured")) with boxes fs solid noborder lc rgb sky title "measured", \
         data using (column("exponent")):(column("normal_laws")) with linespoints pt 6 ps 0.5 dt 2 lc rgb grey title "normal laws", \
         data using (column("exponent")):(column("best_laws")) with linespoints pt 7 ps 0.35 lw 1.2 lc rgb vermillion title "best laws"
    unset output
}
