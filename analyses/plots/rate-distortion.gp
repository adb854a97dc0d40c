# rate-distortion.gp - bits per weight against SQNR: open as stored plain, filled as coded, with the bound of a normal.
#
# gnuplot -c rate-distortion.gp DATA.tsv OUT   writes OUT.svg and OUT.pdf
#
# DATA's columns are found by name; families by the beginning of the pipeline's, each with its mark.  Colours: Okabe and Ito.
blue = "#0072B2"; vermillion = "#D55E00"; green = "#009E73"; purple = "#CC79A7"; orange = "#E69F00"; sky = "#56B4E9"; grey = "#666666"; silver = "#b8b8b8"

data = ARG1
is(name) = strstrt(stringcolumn("pipeline"), name) == 1
if_is(name, value) = is(name) ? value : NaN
plain = "plain bits"; coded = "coded bits"; sqnr = "SQNR dB"
names = "lloyd rtn nf4 mxfp4 nvfp4 entquant"
mark(i) = int(word("7 9 5 13 11 15", i))
hollow(i) = int(word("6 8 4 12 10 14", i))
colour(i) = word(sprintf("%s %s %s %s %s %s", blue, vermillion, green, purple, orange, silver), i)

set datafile separator "\t"
set key autotitle columnhead
set key top left Left reverse samplen 1.5
set xlabel "bits per weight, scales and levels included" offset 0,0.3
set ylabel "SQNR (dB)" offset 1,0
set xrange [0.4:5.4]
set yrange [1:28]
set border 3 lc rgb grey
set xtics 0.5 nomirror out scale 0.6 tc rgb "black"
set ytics 5 nomirror out scale 0.6 tc rgb "black"
set title "Normal weights: error against size, plain (open) and coded (filled)" offset 0,-0.3

do for [kind in "svg pdf"] {
    if (kind eq "svg") {
        set terminal svg size 640,520 dynamic noenhanced font "DejaVu Sans,13" background "white"
    } else {
        set terminal pdfcairo size 4.6in,3.7in noenhanced font "DejaVu Sans,7" fontscale 0.75
    }
    set output sprintf("%s.%s", ARG2, kind)
    plot [0.4:5.4] 20 * log10(2) * x with lines lc rgb "black" lw 1.2 dt 2 title "bound (Shannon)", \
         data using (if_is("step", column(coded))):(column(sqnr)) with lines lc rgb sky lw 1.5 title "step, coded", \
         for [i = 1:words(names)] data using (is(word(names, i)) && column(plain) < 6 ? column(plain) : NaN):(column(sqnr)):(column(coded) - column(plain)):(0) \
             with vectors nohead lc rgb colour(i) lw 0.5 notitle, \
         for [i = 1:words(names)] data using (is(word(names, i)) && column(plain) < 6 ? column(plain) : NaN):(column(sqnr)) \
             with points pt hollow(i) ps 0.75 lw 1.2 lc rgb colour(i) notitle, \
         for [i = 1:words(names)] data using (if_is(word(names, i), column(coded))):(column(sqnr)) \
             with points pt mark(i) ps 0.75 lc rgb colour(i) title word(names, i), \
         data using (if_is("ecsq", column(coded))):(column(sqnr)) with points pt 2 ps 0.7 lw 1.4 lc rgb "black" title "ecsq, coded"
    unset output
}
