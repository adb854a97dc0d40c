# demo.gp - what the demo says in one picture: what the bits of a weight hold, and how small and fast codecs are.
#
# gnuplot -c demo.gp FIELDS.tsv CODECS.tsv LABELS.tsv OUT STORED HELD BOUND   writes OUT.svg
#
# FIELDS: row, field, bits stored, bits held.  CODECS: codec, bits per weight, decode speed over memcpy, kind (ours, published, other).
# LABELS: text, and where, of points that lie apart (beside them) or in a row (at one end).
# STORED, HELD: bits of a weight; BOUND: the order-0 entropy that codecs of exponents are up against.  Colours: Okabe and Ito.
blue = "#0072B2"; sky = "#56B4E9"; vermillion = "#D55E00"; grey = "#666666"
fields = ARG1; codecs = ARG2; labels = ARG3; bound = ARG7 + 0

set datafile separator "\t"
set key autotitle columnhead
unset key
set terminal svg size 830,400 dynamic noenhanced font "DejaVu Sans,13" background "white"
set output sprintf("%s.svg", ARG4)
set multiplot
set border 1 lc rgb grey
set tics nomirror out scale 0.6 tc rgb "black"
set tmargin at screen 0.83
set bmargin at screen 0.15

# what the bits hold
set lmargin at screen 0.105
set rmargin at screen 0.36
set label 1 sprintf("A %s-bit weight holds %s bits", ARG5, ARG6) at screen 0.015, screen 0.945 left font ",16"
set xrange [0:8.2]
set yrange [2.55:-0.75]
set xtics 0,2,8
set ytics scale 0
set xlabel "bits: stored (grey), held (blue)" offset 0,0.3
plot fields using (0):(column("row")):(0):(column("stored")):(column("row") - 0.3):(column("row") + 0.3):ytic(stringcolumn("field")) \
         with boxxyerror fs solid noborder fc rgb "#dddddd", \
     fields using (0):(column("row")):(0):(column("held")):(column("row") - 0.3):(column("row") + 0.3) with boxxyerror fs solid noborder fc rgb blue, \
     fields using (0):(column("row") - 0.3):(sprintf("%.2f of %d", column("held"), column("stored"))) with labels left offset 0,0.55 tc rgb "black"

# how small and how fast
unset label
set lmargin at screen 0.46
set rmargin at screen 0.985
set border 3 lc rgb grey
set label 1 "Coded that small, decoded faster than copied" at screen 0.41, screen 0.945 left font ",16"
set logscale x 10
set xrange [0.055:6.5]
set yrange [9.6:16.8]
set xtics (0.1, 0.2, 0.5, 1, 2, 5)
set ytics scale 0.6 autofreq 10,1,16
set xlabel "decode speed / speed of memcpy (log scale)" offset 0,0.3
set ylabel "bits per weight" offset 1.2,0
set arrow 1 from graph 0, first bound to graph 1, first bound nohead lc rgb vermillion lw 1 dt 4 back
set label 3 sprintf("entropy of the fields: %.2f", bound) at graph 0.01, first bound offset 0,-0.75 tc rgb vermillion
set object 1 rectangle from first 1, graph 0 to graph 1, graph 1 fs solid 0.13 noborder fc rgb sky behind
set label 4 "faster than memcpy" at first 1.06, graph 1 offset 0,0.5 left tc rgb "#00507d"
set label 5 "slower" at first 0.95, graph 1 offset 0,0.5 right tc rgb grey
kind(k, value) = stringcolumn("kind") eq k ? value : NaN
plot codecs using (kind("other", column("speed"))):(column("bits_per_weight")) with points pt 6 ps 0.55 lw 1.2 lc rgb grey, \
     codecs using (kind("published", column("speed"))):(column("bits_per_weight")) with points pt 4 ps 0.7 lw 1.4 lc rgb "black", \
     codecs using (kind("ours", column("speed"))):(column("bits_per_weight")) with points pt 7 ps 1 lc rgb blue, \
     labels using (column("bits_per_weight") < 15 ? kind("published", column("speed")) : NaN):(column("bits_per_weight")):(stringcolumn("text")) with labels left offset 0.8,0 tc rgb "black", \
     labels using (column("bits_per_weight") < 15 ? NaN : kind("published", column("speed"))):(column("bits_per_weight")):(stringcolumn("text")) with labels right offset -0.8,0 tc rgb "black", \
     labels using (kind("row", column("speed"))):(column("bits_per_weight")):(stringcolumn("text")) with labels right offset 0.7,0.9 tc rgb "black", \
     labels using (kind("ours", column("speed"))):(column("bits_per_weight")):(stringcolumn("text")) with labels center offset 0,-1.1 tc rgb blue font ",15"
unset multiplot
unset output
