# layers.gp - a heat map: a row a role, a column a layer.
#
# gnuplot -c layers.gp DATA.tsv OUT TITLE "ROLES LAST-LAYER ALL-IN-LAYERS" "LOW HIGH"   writes OUT.svg and OUT.pdf
#
# DATA's columns are found by name; layer -1 is what is in no layer, drawn to the left.  Places beyond the range of
# colours (of few weights) have its ends.
data = ARG1
roles = int(word(ARG4, 1)); last = int(word(ARG4, 2)); first = int(word(ARG4, 3))
low = (word(ARG5, 1) + 0); high = (word(ARG5, 2) + 0)
few = last < 12 # room for a number in each place
left = first ? -0.5 : -1.7

set datafile separator "\t"
set key autotitle columnhead
unset key
set title ARG3 noenhanced offset 0,-0.4
set xlabel "layer" offset 0,0.3
set xrange [left:last + 0.5]
set yrange [roles - 0.5:-0.5]
set cbrange [low:high]
set palette defined (0 "#440154", 0.25 "#3B528B", 0.5 "#21918C", 0.75 "#5EC962", 1 "#FDE725")
set cbtics low,(high - low) / 4
set format cb "%.3f"
unset border
step = last < 16 ? 1 : last < 40 ? 4 : 8
set xtics 0,step nomirror scale 0
if (!first) { set xtics add ("none" -1.2) }
set ytics nomirror scale 0
at(layer) = layer < 0 ? -1.2 : layer
ink(bits) = bits > low + 0.6 * (high - low) ? 0x000000 : 0xFFFFFF

do for [kind in "svg pdf"] {
    if (kind eq "svg") {
        set terminal svg size 560,(130 + 26 * roles) dynamic noenhanced font "DejaVu Sans,13" background "white"
    } else {
        set terminal pdfcairo size 4in,(0.92 + 0.186 * roles) noenhanced font "DejaVu Sans,7" fontscale 0.75
    }
    set output sprintf("%s.%s", ARG2, kind)
    plot data using (at(column("layer"))):(column("row")):(at(column("layer")) - 0.5):(at(column("layer")) + 0.5):(column("row") - 0.5):(column("row") + 0.5):(column("bits")):ytic(stringcolumn("role")) \
             with boxxyerror fs solid noborder lc palette, \
         data using (few ? at(column("layer")) : NaN):(column("row")):(sprintf("%.2f", column("bits"))):(ink(column("bits"))) \
             with labels tc rgb variable font ",8"
    unset output
}
